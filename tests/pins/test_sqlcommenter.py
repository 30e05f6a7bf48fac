"""Tags in the comments of SQL: sqlcommenter's, OpenTelemetry's, marginalia's."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinwatch.pins.sqlcommenter import MAX_COMMENTS, MAX_TAGS, comments, tags

TRACEPARENT = "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01"


def written(pairs: dict[str, str]) -> str:
    """A comment, by the algorithm of the specification."""
    serialized = sorted(
        f"{_escaped(key)}='{_escaped(value)}'" for key, value in pairs.items()
    )
    return f"/*{','.join(serialized)}*/"


def _escaped(text: str) -> str:
    return quote(text, safe="'").replace("'", r"\'")


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("/*action='index'*/", {"action": "index"}),
        ("/* action='index' , route='polls' */", {"action": "index", "route": "polls"}),
        ("/*route='%2Fpolls%201'*/", {"route": "/polls 1"}),
        ("/*route%20parameter='1'*/", {"route parameter": "1"}),
        (r"/*name='FOO%20\'BAR'*/", {"name": "FOO 'BAR"}),
        (r"/*it\'s='a,b=c'*/", {"it's": "a,b=c"}),
        (r"/*path='a\\b'*/", {"path": r"a\b"}),
        ("/*key='caf%C3%A9',plus='a+b'*/", {"key": "café", "plus": "a+b"}),
        ("/*bad='%zz%ff'*/", {"bad": "%zz\ufffd"}),
        ("/*empty=''*/", {"empty": ""}),
        ("-- action='index'", {"action": "index"}),
        (
            f"/*traceparent='{TRACEPARENT}',tracestate='congo%3Dt61,rojo%3D00'*/",
            {"traceparent": TRACEPARENT, "tracestate": "congo=t61,rojo=00"},
        ),
        (  # as the specification itself misspells it
            "/*action='%2Fparam*d',controller='index,'framework='spring'*/",
            {"action": "/param*d", "controller": "index,", "framework": "spring"},
        ),
    ],
)
def test_sqlcommenter(comment: str, expected: dict[str, str]) -> None:
    assert tags(f"SELECT 1 {comment}") == expected
    assert tags(f"{comment}\nSELECT 1") == expected


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (
            "/*application:Foo,controller:bar*/",
            {"application": "Foo", "controller": "bar"},
        ),
        ("/* application:Foo */", {"application": "Foo"}),
        (
            "/*line:/app/models/user.rb:12:in `load',job:Mail*/",
            {"line": "/app/models/user.rb:12:in `load'", "job": "Mail"},
        ),
        ("/*route:a%2Fb*/", {"route": "a%2Fb"}),
    ],
)
def test_marginalia(comment: str, expected: dict[str, str]) -> None:
    assert tags(f"SELECT 1 {comment}") == expected


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT 1",
        "SELECT 1 /**/",
        "SELECT 1 /* the usual one: see https://example.com/a */",
        "SELECT 1 /* https://example.com */",
        "SELECT 1 /*+ SeqScan(orders) */",
        "SELECT 1 -- WHERE a='x'",
        "SELECT 1 /*key=value*/",
        "SELECT 1 /*key='never closed*/",
        "SELECT '/*action=''index''*/'",
        "SELECT E'\\'/*a:b*/'",
        "SELECT $$/*action='index'*/$$",
        "SELECT $q$ -- action='index'\n$q$",
        'SELECT "/*application:Foo*/"',
        "action='index'",
    ],
)
def test_no_tags(sql: str) -> None:
    assert tags(sql) == {}


def test_the_last_comment_is_right() -> None:
    sql = "/*a='1',b='1'*/ SELECT 1; /*c:3*/ SELECT 2 /*a='2'*/ -- d='4'"
    assert tags(sql) == {"a": "2", "b": "1", "c": "3", "d": "4"}


def test_positions_are_in_characters() -> None:
    assert tags("SELECT 'é€🐘' /*a='1'*/") == {"a": "1"}


def test_a_comment_within_a_comment_ends_none() -> None:
    assert tags("SELECT 1 /*a='1', /* b='2' */ c='3'*/ -- d='4'") == {
        "a": "1",
        "d": "4",
    }


@pytest.mark.parametrize(
    "rest", ["SELECT 'cut off", "SELECT $$cut off", "SELECT 1 /* cut off"]
)
def test_what_cannot_be_read_has_the_comments_it_begins_with(rest: str) -> None:
    sql = f"/*a='1'*/\n /*b:2*/ {rest}"
    assert tags(sql) == {"a": "1", "b": "2"}
    assert tags(f"{rest} /*a='1'*/") == {}


def test_comments_are_looked_at_up_to_a_length() -> None:
    long = ",".join(f"k{number}='{'x' * 400}'" for number in range(10))
    assert list(tags(f"/*a='1'*/ SELECT 1 /*{long}*/")) == [
        "k0",
        "k1",
        "k2",
        "k3",
        "k4",
    ]
    assert tags(f"/*a='1'*/ SELECT 1 /*{'x' * MAX_COMMENTS}*/") == {}


def test_a_tag_that_is_cut_in_two_is_none() -> None:
    assert tags(f"SELECT 1 /*a:1,b:{'x' * MAX_COMMENTS}*/") == {"a": "1"}
    assert tags(f"SELECT 1 /*a:{'x' * MAX_COMMENTS}*/") == {}


def test_tags_are_bounded() -> None:
    pairs = {f"key{number:02}": str(number) for number in range(MAX_TAGS + 8)}
    assert tags(f"SELECT 1 {written(pairs)}") == dict(list(pairs.items())[:MAX_TAGS])


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        max_size=4,
    )
)
def test_what_the_specification_writes_is_read(pairs: dict[str, str]) -> None:
    assert tags(f"SELECT 1 {written(pairs)}") == pairs


@settings(max_examples=500, deadline=None)
@given(
    st.text(max_size=60)
    | st.text("/*-'\"\\$:=,ab\n ", max_size=60)
    | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=20)
)
def test_any_text_has_an_answer(sql: str) -> None:
    found = tags(sql)
    assert len(found) <= MAX_TAGS
    for span in comments(sql):
        assert sql[span.start : span.end].startswith(("/*", "--"))

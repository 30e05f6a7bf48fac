"""The cases pin by their rules, in every other spelling, too."""

import threading
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pinwatch.config.model import ProfileName
from pinwatch.pins.profiles import PROFILES
from pinwatch.pins.rules import MAX_STATEMENT, RULES, Rule
from pinwatch.pins.scan import MARKS, WORDS, may_matter
from pinwatch.pins.verdict import Verdict, judge, verdict, verdict_of_tokens
from tests.pins.cases import DIGESTS, PINS
from tests.pins.respelling import has_tokens, respellings

NAMED = {case["id"]: case for case in PINS}
RESPELLED = [case["sql"] for case in PINS if has_tokens(case["sql"])]


def judged(sql: str) -> Verdict:
    return verdict(sql.encode())


def outcome(found: Verdict) -> list[tuple[str, bool]]:
    return [(finding.rule, finding.contested) for finding in found.findings]


@pytest.mark.parametrize("case", PINS, ids=NAMED)
def test_case(case: dict[str, Any]) -> None:
    found = judged(case["sql"])
    assert found.pins is case["pins"]
    if case["pins"]:
        assert found.decisive[0].rule == case["rule"]
        contested = all(finding.contested for finding in found.findings)
        assert contested is case.get("contested", False)


PADDING = {
    "spaces": (" ", ""),
    "comments": ("/* a */", ""),
    "one comment": ("", "\n-- " + "=" * MAX_STATEMENT),
    "statements": ("SELECT 1;", ""),
    "sums": ("", ";SELECT 1" + " + 1" * MAX_STATEMENT),
    "signs": ("", ";SELECT 1" + " @-+-+ 1" * MAX_STATEMENT),
    "values": ("", ";INSERT INTO t VALUES (1)" + ",(1)" * MAX_STATEMENT),
    "letters": ("", ";SELECT 'é'" + ",'é'" * MAX_STATEMENT),
}


@pytest.mark.parametrize("padding", PADDING)
def test_a_padded_case_keeps_its_verdict(padding: str) -> None:
    """Up to 16 KB, the most that is judged by more than its length."""
    before, after = PADDING[padding]
    for case in PINS:
        sql = case["sql"].rstrip("; ").encode()
        if len(sql) > MAX_STATEMENT // 2 or judged(case["sql"]).error:
            continue
        room = MAX_STATEMENT - len(sql)
        repeats = room // len(before) if before else 0
        padded = before.encode() * repeats + sql
        padded += after.encode()[: MAX_STATEMENT - len(padded)]
        found = verdict(padded.decode("utf-8", "ignore").encode())
        if found.error:  # the padding was cut in the middle of a token
            found = verdict(padded[: padded.rindex(b" ")])
        assert found.pins is case["pins"], case["sql"]
        assert [f.rule for f in found.decisive][:1] == [case["rule"]] * case["pins"]
        assert outcome(found) == outcome(judged(case["sql"])), case["sql"]


@pytest.mark.parametrize("case", PINS, ids=NAMED)
def test_tokens_alone_give_the_same_verdict(case: dict[str, Any]) -> None:
    by_tree, by_tokens = judged(case["sql"]), verdict_of_tokens(case["sql"])
    assert by_tokens.findings == by_tree.findings or len(case["sql"]) > MAX_STATEMENT
    assert by_tokens.warnings == by_tree.warnings


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pins)
def test_a_rule_reads_tokens_as_it_reads_a_tree(rule: Rule) -> None:
    assert verdict_of_tokens(rule.pins).findings == judged(rule.pins).findings
    assert verdict_of_tokens(rule.passes).findings == ()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pins)
def test_rule_has_an_example_of_each_kind(rule: Rule) -> None:
    (finding,) = judged(rule.pins).findings
    assert finding.rule == rule.code
    assert judged(rule.passes).findings == ()


@pytest.mark.parametrize("sql", RESPELLED)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_spelling_changes_nothing(sql: str, data: st.DataObject) -> None:
    """Case, white space, comments and quoting; nor may the look at bytes miss it."""
    other = data.draw(respellings(sql))
    before, after = judged(sql), judged(other)
    assert outcome(after) == outcome(before)
    assert [w.rule for w in after.warnings] == [w.rule for w in before.warnings]
    if after.findings or after.warnings or after.effects:
        assert may_matter(other.encode())


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [word for rule in RULES for word in (*rule.pins.split(), ";", rule.pins)]
            + ["--", "/*", "*/", "'", '"', "$$", "\n", "x", "(", ")", "U&", "CLOSE c"]
        ),
        max_size=12,
    )
)
def test_no_text_that_matters_is_passed_over(words: list[str]) -> None:
    text = " ".join(words).encode()
    found = verdict(text)
    assert may_matter(text) or not (found.findings or found.warnings or found.effects)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_has_a_mark(word: bytes) -> None:
    assert any(mark in word for mark in MARKS)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_have_a_verdict(sql: bytes) -> None:
    found = verdict(sql)
    assert may_matter(sql) or not found.findings
    assert isinstance(found.digest, str)


@pytest.mark.parametrize("case", DIGESTS, ids=lambda case: case["id"])
def test_digest_is_the_logged_one(case: dict[str, Any]) -> None:
    assert judged(case["sql"]).digest == case["digest"]


@pytest.mark.parametrize(
    ("sql", "start"),
    [
        ("SET x = 'secret' AND $3", "set x = $4 and $3"),
        ("SELECT set_config('a.b', " + "'x' || " * 2000 + "'y', true)", ""),
    ],
    ids=["no SQL", "too deep"],
)
def test_a_digest_has_no_constants(sql: str, start: str) -> None:
    digest = judged(sql).digest
    assert "'" not in digest
    assert digest.startswith(start)


def test_positions_are_characters_of_the_whole_text() -> None:
    text = "SELECT 'żółw';  SET a.b = 'ż'; SELECT nextval('s')"
    first, second = judged(text).findings
    assert text[slice(*first.trigger)] == "SET"
    assert text[first.position :].startswith(first.statement)
    assert first.statement == "SET a.b = 'ż'"
    assert text[slice(*second.trigger)] == "nextval"
    assert (first.subject, second.subject) == ("a.b", "s")


@pytest.mark.parametrize(
    ("sql", "trigger"),
    [
        ("SELECT temp INTO TEMP t FROM weather", "TEMP"),
        ("SELECT 'x' AS temp INTO TEMPORARY TABLE temp", "TEMPORARY"),
        ("CREATE TABLE execute AS EXECUTE q", "EXECUTE"),
        ("SELECT pg_catalog/* ( */.nextval ('s')", "pg_catalog/* ( */.nextval"),
        ("SELECT nextval /* ( */ ('s')", "nextval"),
        ("SELECT set_config -- a\n ('a', 'b', true)", "set_config"),
    ],
)
def test_the_trigger_is_the_word_that_pins(sql: str, trigger: str) -> None:
    (finding,) = judged(sql).findings
    start, end = finding.trigger
    assert (sql[start:end], start) == (trigger, sql.rindex(trigger))


@pytest.mark.parametrize(
    ("sql", "rules"),
    [
        ("EXPLAIN SELECT nextval('s')", []),
        ("EXPLAIN (ANALYZE, ANALYZE off) SELECT nextval('s')", []),
        ("EXPLAIN (ANALYZE 0, VERBOSE) SELECT nextval('s')", []),
        ("EXPLAIN DECLARE c CURSOR FOR SELECT 1", []),
        ("EXPLAIN CREATE TEMP TABLE t AS SELECT 1", []),
        ("EXPLAIN ANALYZE SELECT nextval('s')", ["sequence_function"]),
        (
            "EXPLAIN (ANALYZE off, ANALYZE on) SELECT nextval('s')",
            ["sequence_function"],
        ),
        ("EXPLAIN (COSTS off, ANALYZE 1) SELECT nextval('s')", ["sequence_function"]),
        ("EXPLAIN EXECUTE q", ["execute"]),
        ("EXPLAIN CREATE TABLE t AS EXECUTE q", ["execute"]),
        ("CREATE TABLE t AS EXECUTE q WITH NO DATA", ["execute"]),
        ("CREATE TABLE t AS SELECT nextval('s') WITH NO DATA", []),
    ],
)
def test_what_is_only_planned_does_not_run(sql: str, rules: list[str]) -> None:
    assert [finding.rule for finding in judged(sql).findings] == rules


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (id int DEFAULT nextval('s'))",
        "CREATE TABLE t AS SELECT nextval('s')",
        "CREATE TABLE t AS SELECT nextval('s') WITH NO DATA",
        "CREATE MATERIALIZED VIEW v AS SELECT nextval('s')",
        "CREATE OR REPLACE VIEW v AS SELECT nextval('s')",
        "CREATE TEMP VIEW v AS SELECT nextval('s')",
        "CREATE OR REPLACE FUNCTION f() RETURNS bigint RETURN nextval('s')",
        "CREATE INDEX ON t (nextval('s'))",
        "CREATE SCHEMA s CREATE TEMP TABLE t ()",
        "ALTER TABLE t ALTER id SET DEFAULT nextval('s')",
        "ALTER TABLE t ALTER id TYPE int USING nextval('s')",
        "ALTER FUNCTION f() SET search_path = app",
        "PREPARE q AS SELECT nextval('s')",
        "EXPLAIN SELECT nextval('s')",
        "EXPLAIN (ANALYZE, COSTS off) SELECT nextval('s')",
        "EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1",
        "EXPLAIN CREATE TABLE t AS EXECUTE q",
        "DELETE FROM t USING u WHERE a = nextval('s') RETURNING currval('s')",
        "WITH a AS (SELECT 1) SELECT * INTO TEMP TABLE t FROM a",
        "SET TIME ZONE 'UTC'; SET LOCAL ROLE x; SET SESSION CHARACTERISTICS AS "
        "TRANSACTION READ ONLY; RESET ALL; SET CONSTRAINTS ALL DEFERRED",
        "SELECT U&\"\\006eextval\"('s'), \"nextval\"('s'), \"Nextval\"('s')",
        "SELECT app.pg_catalog.nextval('s'), app.nextval('s'), pg_catalog.nextval('s')",
        "SELECT 'nextval(''s'')', $$nextval('s')$$ -- nextval('s')",
    ],
)
def test_a_sketch_finds_what_the_tree_has(sql: str) -> None:
    assert verdict_of_tokens(sql).findings == judged(sql).findings


@pytest.mark.parametrize(
    "sql",
    [
        'CREATE TEMP TABLE "a.b" (x int)',
        'CREATE TEMP TABLE pg_temp."a.b" (x int)',
        'CREATE TABLE "pg_temp.t" (x int)',
        "CREATE TABLE app.pg_temp.t (x int)",
        'SELECT 1 INTO TEMP TABLE "a.b"',
        'SET "a.b" = 1',
        "SET a.b = 1",
    ],
)
def test_a_sketch_reads_names_with_dots_as_the_tree_does(sql: str) -> None:
    sketched, parsed = verdict_of_tokens(sql), judged(sql)
    assert sketched.findings == parsed.findings
    assert sketched.warnings == parsed.warnings
    assert sketched.effects == parsed.effects


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 INTO TEMP t UNION SELECT 2",
        "(SELECT 1 INTO TEMP t) UNION ALL SELECT 2 EXCEPT SELECT 3",
    ],
)
def test_a_table_made_by_a_side_of_a_union(sql: str) -> None:
    found = judged(sql)
    assert [finding.rule for finding in found.findings] == ["temp_object"]
    assert [effect.name for effect in found.effects] == ["t"]


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER FUNCTION f() SET search_path = app, pg_temp",
        "-- 7\nALTER PROCEDURE p() RESET ALL",
        "ALTER ROUTINE r RESET work_mem",
    ],
)
def test_what_a_function_sets_is_for_when_it_runs(sql: str) -> None:
    found = judged(sql)
    assert (found.findings, found.effects) == ((), ())


def test_a_database_may_stand_before_the_schema() -> None:
    assert judged("SELECT app.pg_catalog.nextval('s')").pins
    assert not judged("SELECT pg_catalog.app.nextval('s')").pins


def test_a_setting_may_be_called_as_a_command() -> None:
    assert judged('SET "TRANSACTION" = 1').pins


@pytest.mark.parametrize("size", [MAX_STATEMENT, MAX_STATEMENT + 1])
def test_length_alone_pins_above_the_limit(size: int) -> None:
    found = verdict(b"SELECT 1 --" + b"x" * (size - 11))
    assert found.pins is (size > MAX_STATEMENT)
    if found.pins:
        assert found.findings[0].rule == "statement_size"


@pytest.mark.parametrize(
    "deep",
    [
        "(" * 2_000 + "1" + ")" * 2_000,
        "1" + " + 1" * 2_000,
        "lower(" * 1_000 + "'a'" + ")" * 1_000,
        "(SELECT " * 1_000 + "1" + ")" * 1_000,
        "CASE WHEN a THEN " * 500 + "1" + " END" * 500,
        "a || " * 1_500 + "a",
    ],
    ids=lambda deep: deep[:9],
)
@pytest.mark.parametrize("stack", [0, 256 * 1024])
def test_deep_sql_pins_in_any_thread(deep: str, stack: int) -> None:
    """A thread's stack may be small, as with musl."""
    found: list[Verdict] = []
    usual = threading.stack_size(stack)
    try:
        sql = f"SELECT nextval('s'), {deep}".encode()
        thread = threading.Thread(target=lambda: found.append(judge(sql)))
        thread.start()
    finally:
        threading.stack_size(usual)
    thread.join()
    assert [(v.findings[0].rule, v.error) for v in found] == [("sequence_function", "")]


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SET x = ; SELECT", "set"),
        ("SELEC 1; discard everything", "discard"),
        ("CREATE GLOBAL TEMPORARY TABEL t", "temp_object"),
        ("CREATE TEMP TABLE t (", "temp_object"),
        ("MERGE WHAT; LISTEN !", "listen"),
        ("SELECT nextval('s'), %(name)s", "sequence_function"),
        ("SELECT 1 INTO TEMPORARY TABLE t WHERE x = ?", "temp_object"),
        ("SELECT pg_try_advisory_lock(%s)", "advisory_lock"),
        ("DEALLOCATE all of them; SELECT '", "deallocate"),
    ],
)
def test_refused_sql_pins_by_its_tokens_only(sql: str, rule: str) -> None:
    """The proxy lets it pass, since it can change nothing; pinwatch explain asks."""
    assert not judged(sql).pins
    assert judged(sql).error
    found = verdict_of_tokens(sql, error="syntax error")
    assert [finding.rule for finding in found.findings] == [rule]
    assert found.approximate


@pytest.mark.parametrize(
    "sql",
    [
        "SELEC set",
        "SELECT '",
        "SELECT 'nextval(",
        "SET TRANSACTION what",
        "PREPARE TRANSACTION $1",
        "",
        "SELECT billing.nextval(1 'x')",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT nextval('s'); END garbage",
    ],
)
def test_refused_sql_without_words_that_pin_passes(sql: str) -> None:
    assert not verdict_of_tokens(sql).pins


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT lastval()", "lastval"),
        ("PREPARE TRANSACTION 'x'", "prepare_transaction"),
        ("SET TRANSACTION READ ONLY", "set_transaction"),
        ("SET TRANSACTION SNAPSHOT '3-1'", "set_transaction"),
        ("CREATE TABLE pg_temp.t ()", "pg_temp"),
        ("SELECT 1 INTO pg_temp.t UNION SELECT 2", "pg_temp"),
    ],
)
def test_what_goes_unseen_is_warned_of(sql: str, rule: str) -> None:
    found = judged(sql)
    assert not found.pins
    (warning,) = found.warnings
    assert warning.statement == sql
    assert rule == warning.rule


def test_contested_findings_only_warn_where_rules_are_lenient() -> None:
    found = verdict(b"SET LOCAL a.b = 1; SET a.b = 1", PROFILES["lenient"])
    assert [finding.statement for finding in found.findings] == ["SET a.b = 1"]
    assert [warning.statement for warning in found.warnings] == ["SET LOCAL a.b = 1"]


def test_settings_know_the_profiles() -> None:
    assert get_args(ProfileName) == tuple(PROFILES)


def test_profiles_are_dated_and_cited() -> None:
    for profile in PROFILES.values():
        assert profile.since
        assert profile.source

"""The state that the body of a function leaves, by its text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinwatch.hidden.bodies import Body, Left, read_body, read_statements
from pinwatch.pins.writes import Write


def plpgsql(body: str, declared: str = "") -> Body:
    return read_body(
        "CREATE FUNCTION f(t text) RETURNS SETOF text LANGUAGE plpgsql AS $$\n"
        f"DECLARE x text; r record; c refcursor; {declared} BEGIN\n{body} END $$"
    )


def sql(body: str) -> Body:
    return read_body(f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $${body}$$")


def names(body: Body) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in body.left]


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("PERFORM set_config('app.tenant', t, false);", ("settings", "app.tenant")),
        ("PERFORM set_config('app.tenant', t, x = '');", ("settings", "app.tenant")),
        ("x := set_config('app.tenant', t, false);", ("settings", "app.tenant")),
        ("x = set_config('app.tenant', t, false);", ("settings", "app.tenant")),
        ("SELECT set_config('a.b', t, 'f') INTO x;", ("settings", "a.b")),
        ("IF set_config('a.b', t, false) = '' THEN END IF;", ("settings", "a.b")),
        ("SET search_path TO shop;", ("settings", "search_path")),
        ("SET ROLE ann;", ("settings", "role")),
        ("SET SESSION AUTHORIZATION ann;", ("settings", "session_authorization")),
        ("PERFORM pg_advisory_lock(42);", ("advisory_locks", "42")),
        ("CREATE TEMP TABLE seen (a int);", ("temporary_objects", "seen")),
        ("LISTEN jobs;", ("channels", "jobs")),
        ("EXECUTE 'LISTEN jobs';", ("channels", "jobs")),
        ("EXECUTE 'SET ROLE ' || quote_ident(t);", ("settings", "role")),
        ("EXECUTE format('SET a.b = %L', t);", ("settings", "a.b")),
        ("EXECUTE format('LISTEN %I', t);", ("channels", "...")),
        (
            "FOR r IN EXECUTE 'SELECT set_config(''a.b'', ''1'', false)' LOOP "
            "END LOOP;",
            ("settings", "a.b"),
        ),
        (
            "RETURN QUERY EXECUTE 'SELECT set_config(''a.b'', ''1'', false)';",
            ("settings", "a.b"),
        ),
        (
            "OPEN c FOR EXECUTE 'SELECT set_config(''a.b'', ''1'', false)';",
            ("settings", "a.b"),
        ),
        ("SET a.b = 1; IF t = '' THEN RESET a.b; END IF;", ("settings", "a.b")),
        ("SET a.b = 1; IF t = '' THEN RETURN; END IF; RESET a.b;", ("settings", "a.b")),
        (
            "IF t = '' THEN SET a.b = 1; ELSE RESET a.b; END IF;",
            ("settings", "a.b"),
        ),
        (
            "SET a.b = 1; IF t = '' THEN SET a.b = 2; RESET a.b; END IF;",
            ("settings", "a.b"),
        ),
        (
            "CASE t WHEN '' THEN SET a.b = 1; ELSE RESET a.b; END CASE;",
            ("settings", "a.b"),
        ),
        (
            "SET a.b = 1; LOOP RESET a.b; EXIT; END LOOP;",
            ("settings", "a.b"),
        ),
        (
            "SET a.b = 1; BEGIN NULL; EXCEPTION WHEN others THEN RESET a.b; END;",
            ("settings", "a.b"),
        ),
        ("EXECUTE 'PREPARE q AS SELECT 1';", ("prepared_statements", "q")),
        (
            "FOR r IN SELECT 1 LOOP PERFORM set_config('a.b', '1', false); END LOOP;",
            ("settings", "a.b"),
        ),
        (
            "BEGIN NULL; EXCEPTION WHEN others THEN LISTEN jobs; END;",
            ("channels", "jobs"),
        ),
    ],
)
def test_plpgsql_that_leaves_state(statement: str, left: tuple[str, str]) -> None:
    body = plpgsql(statement)
    assert names(body) == [left]
    assert not body.unread


@pytest.mark.parametrize(
    "statement",
    [
        "PERFORM set_config('app.tenant', t, true);",
        "PERFORM set_config('app.tenant', t, 't'::bool);",
        "SET LOCAL work_mem = '1GB';",
        "SET TRANSACTION READ ONLY;",
        "CREATE TEMP TABLE seen ON COMMIT DROP AS SELECT 1;",
        "PERFORM pg_advisory_xact_lock(42);",
        "PERFORM pg_advisory_lock(42); PERFORM pg_advisory_unlock(42);",
        "LISTEN jobs; UNLISTEN *;",
        "SET a.b = 1; IF t = '' THEN PERFORM 1; END IF; RESET a.b; RETURN;",
        "IF t = '' THEN SET a.b = 1; END IF; RESET a.b;",
        "BEGIN SET a.b = 1; END; RESET ALL;",
        "PERFORM nextval('ids');",
        "RAISE NOTICE 'SET a.b = 1';",
    ],
)
def test_plpgsql_that_leaves_nothing(statement: str) -> None:
    body = plpgsql(statement)
    assert not body.left
    assert not body.unread


def test_defaults_of_variables_count() -> None:
    body = plpgsql("NULL;", declared="y text := set_config('a.b', '1', false);")
    assert names(body) == [("settings", "a.b")]


def test_a_setting_of_the_function_itself_is_restored() -> None:
    body = read_body(
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = shop "
        "AS 'SELECT 1'"
    )
    assert body == Body()


@pytest.mark.parametrize(
    "definition",
    [
        "CREATE FUNCTION f() RETURNS int LANGUAGE 'SQL' AS '\n{}; SELECT 1'",
        "CREATE PROCEDURE f() LANGUAGE sql AS '\n{}'",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC\n{}; SELECT 1; END",
        "DO LANGUAGE plpgsql $$ BEGIN\nPERFORM 1; {}; END $$",
    ],
)
def test_other_bodies(definition: str) -> None:
    quoted = "'" if "'\n" not in definition else "''"
    call = f"SELECT set_config({quoted}a.b{quoted}, {quoted}1{quoted}, false)"
    call = call.replace("SELECT", "PERFORM") if "DO" in definition else call
    body = read_body(definition.format(call))
    assert names(body) == [("settings", "a.b")]
    assert "set_config('a.b', '1', false)" in body.left[0].sql


def test_calls_and_writes_are_kept_for_following() -> None:
    body = plpgsql(
        "PERFORM app.login(t), lower(t);\n"
        "INSERT INTO shop.orders VALUES (1) ON CONFLICT DO NOTHING;\n"
        "CALL nightly();"
    )
    assert body.calls == ["app.login", "nightly"]
    assert body.writes == [
        Write("INSERT", "shop.orders"),
        Write("UPDATE", "shop.orders"),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "EXECUTE t;",
        "EXECUTE FROM r;",
        "FOR r IN EXECUTE t LOOP END LOOP;",
        "RETURN QUERY EXECUTE t;",
        "OPEN c FOR EXECUTE t;",
        "EXECUTE 'SELECT ' || t || '()';",
        "EXECUTE 'DELETE FROM ' || t;",
    ],
)
def test_what_only_a_run_would_show_is_unread(statement: str) -> None:
    (reason,) = plpgsql(statement).unread
    assert reason.endswith("only known at run time")


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("LANGUAGE plpython3u AS ''", "it is in plpython3u"),
        ("LANGUAGE plpgsql AS 'BEGIN x'", "unexpected end of function definition"),
        ("LANGUAGE sql AS 'SELEC 1'", "syntax error"),
        (f"LANGUAGE sql AS 'SELECT 1{',1' * 3_000}'", "it is too expensive to parse"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(definition: str, reason: str) -> None:
    (unread,) = read_body(f"CREATE FUNCTION f() RETURNS int {definition}").unread
    assert unread.startswith(reason)


def test_statements_have_what_they_run_and_not_what_they_leave_themselves() -> None:
    body = read_statements(
        "SET a.b = 1; SELECT f(); DO 'BEGIN NULL; END'; DELETE FROM t"
    )
    assert body == Body(
        blocks=["DO 'BEGIN NULL; END'"],
        calls=["f"],
        writes=[Write("DELETE", "t")],
    )


def test_left_names_the_statement() -> None:
    assert sql("\n\n  SELECT set_config('a.b', '1', false); ").left == [
        Left("settings", "a.b", "SELECT set_config('a.b', '1', false)")
    ]


IN_SQL = """-- The tenant of
CREATE FUNCTION
  app.set_tenant(t text) RETURNS void LANGUAGE sql AS -- it's
$x$
    SELECT 1; -- SET a.b

    /* of ... */ SELECT
        set_config('a.b', t, false);
$x$;"""
IN_PLPGSQL = """DO
$$
DECLARE
    x text := 'é';
BEGIN
    IF x = '' THEN
        PERFORM
            set_config('a.b', x, false);
    END IF;
    EXECUTE '

    LISTEN jobs';
END $$"""
ATOMIC = """CREATE PROCEDURE p()
BEGIN ATOMIC
    SELECT 1;
    SELECT set_config('a.b', '1', false);
END"""
SEVERAL = f"{IN_SQL}\n{IN_PLPGSQL};\n{ATOMIC}"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (IN_SQL, [("app.set_tenant()", 7)]),
        (IN_PLPGSQL, [("DO", 7), ("DO", 10)]),
        (ATOMIC, [("p()", 4)]),
        ("DO\nE'BEGIN\\n\\n LISTEN a; LISTEN b; END'", [("DO", 2), ("DO", 2)]),
        ("DO 'BEGIN\n'\n' LISTEN a; END'", [("DO", 2)]),
        (
            SEVERAL,
            [("app.set_tenant()", 7), ("DO", 16), ("DO", 19), ("p()", 26)],
        ),
    ],
)
def test_the_code_and_the_line_of_what_is_left(
    text: str, places: list[tuple[str, int]]
) -> None:
    assert [(one.code, one.line) for one in read_body(text).left] == places


def test_the_sql_of_what_is_left_has_no_comment_before_it() -> None:
    (left,) = read_body(IN_SQL).left
    assert left.sql.startswith("SELECT\n")


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["", "-- é", "NULL;", "BEGIN NULL; END;", "LISTEN a;"]))
)
def test_the_line_has_the_sql(lines: list[str]) -> None:
    text = "-- é\nDO $é$\nBEGIN\n" + "\n".join(lines) + "\nNULL; END $é$"
    body = read_body(text)
    assert not body.unread
    assert bool(body.left) is ("LISTEN a;" in lines)
    assert all(text.split("\n")[one.line - 1] == "LISTEN a;" for one in body.left)

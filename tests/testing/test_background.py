"""A proxy in a background thread, as notebooks and other test runners use it."""

import subprocess
import sys
from contextlib import closing

import psycopg
import pytest
import sqlalchemy

import pinwatch
from pinwatch.errors import PinwatchError, SettingError, TargetError
from tests.harness import Postgres


def one(proxy: pinwatch.Proxy, sql: str) -> object:
    with closing(psycopg.connect(proxy.dsn, autocommit=True)) as connection:
        cursor = connection.execute(sql.encode())
        row = cursor.fetchone() if cursor.description else None
    return row and row[0]


def test_it_is_there_while_the_with_lasts(target: str, database: str) -> None:
    with pinwatch.Proxy(target) as proxy:
        assert one(proxy, "SELECT current_database()") == database
        dsn = proxy.dsn
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(dsn)


async def test_it_is_there_while_the_async_with_lasts(target: str) -> None:
    async with (
        pinwatch.Proxy(target) as proxy,
        await psycopg.AsyncConnection.connect(proxy.dsn) as connection,
    ):
        await connection.execute("LISTEN jobs")
        assert [pin.rule for pin in proxy.pins] == ["listen"]


def test_without_a_target_there_is_a_new_postgresql() -> None:
    with pinwatch.Proxy() as proxy:
        assert one(proxy, "SELECT 6 * 7") == 42
        assert one(proxy, "SELECT count(*) FROM pg_stat_user_tables") == 0


def test_its_addresses(target: str, database: str) -> None:
    with pinwatch.Proxy(target) as proxy:
        assert (proxy.host, proxy.user, proxy.database) == (
            "127.0.0.1",
            "postgres",
            database,
        )
        assert proxy.url() == f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}"
        assert psycopg.conninfo.conninfo_to_dict(proxy.dsn) == {
            "host": "127.0.0.1",
            "port": str(proxy.port),
            "user": "postgres",
            "dbname": database,
        }
        engine = sqlalchemy.create_engine(proxy.url("psycopg"))
        with engine.connect() as connection:
            assert connection.scalar(sqlalchemy.text("SELECT 1")) == 1
        engine.dispose()


def test_names_that_libpq_has_to_be_told_with_care(postgres: Postgres) -> None:
    with closing(postgres.connect()) as direct:
        direct.execute("""CREATE DATABASE "it's a \\ name" """)
    target = postgres.endpoint("it's a \\ name").url()
    try:
        with pinwatch.Proxy(target) as proxy:
            assert one(proxy, "SELECT current_database()") == "it's a \\ name"
            with closing(psycopg.connect(proxy.url())) as connection:
                assert connection.info.dbname == "it's a \\ name"
    finally:
        with closing(postgres.connect()) as direct:
            direct.execute("""DROP DATABASE "it's a \\ name" WITH (FORCE)""")


def test_every_pin_is_kept_those_of_a_pinned_session_too(target: str) -> None:
    with pinwatch.Proxy(target) as proxy:
        with closing(psycopg.connect(proxy.dsn, autocommit=True)) as connection:
            connection.execute("SET search_path TO app; LISTEN jobs")
            connection.execute("SET search_path TO app")
            assert [pin.rule for pin in proxy.pins] == ["set", "listen", "set"]
            (session,) = proxy.sessions()
            assert session["rules"] == ["set", "listen"]
        assert proxy.pins[0].digest == "set search_path to $1; listen jobs"
        assert proxy.pins[0].sql == "SET search_path TO app; LISTEN jobs"
        assert proxy.pins[0].statement == "SET search_path TO app"
        assert proxy.pins[0].reason.startswith("SQL changed session settings")
        assert proxy.pins[0].advice
        assert not proxy.pins[0].contested


def test_settings_are_those_of_the_documentation(target: str) -> None:
    with pinwatch.Proxy(target, profile="lenient") as proxy:
        one(proxy, "SET LOCAL work_mem = '64MB'")
        assert proxy.pins == []


def test_what_is_allowed_is_marked(target: str) -> None:
    with pinwatch.Proxy(target) as proxy:
        one(proxy, "SET a.b = 1")
        with proxy.allow("set"):
            one(proxy, "SET a.b = 2; LISTEN jobs")
        one(proxy, "SET a.b = 3")
        assert [pin.allowed for pin in proxy.pins] == [False, True, False, False]


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (["sett"], "sett is not a rule: did you mean set?"),
        (["zzz"], "zzz is not a rule: must be one of set, .*"),
        ([], "Name the rules to allow: set, .*"),
    ],
)
def test_only_rules_that_exist_can_be_allowed(
    target: str, rules: list[str], sentence: str
) -> None:
    with (
        pinwatch.Proxy(target) as proxy,
        pytest.raises(SettingError, match=sentence),
        proxy.allow(*rules),
    ):
        raise AssertionError


def test_what_no_client_holds_can_be_released(target: str, postgres: Postgres) -> None:
    with pinwatch.Proxy(target) as proxy, closing(postgres.connect()) as direct:
        one(proxy, "CREATE DATABASE dropped")
        dsn = proxy.dsn.replace(f"dbname={proxy.database}", "dbname=dropped")
        with closing(psycopg.connect(dsn, autocommit=True)) as pinned:
            pinned.execute("LISTEN jobs")
        proxy.release()
        direct.execute("DROP DATABASE dropped")
        assert one(proxy, "SELECT 1") == 1


def test_a_target_that_is_not_there() -> None:
    with (
        pytest.raises(TargetError, match="cannot be used"),
        pinwatch.Proxy("postgresql://127.0.0.1:1/app"),
    ):
        raise AssertionError


def test_a_setting_that_does_not_exist() -> None:
    with (
        pytest.raises(SettingError) as wrong,
        pinwatch.Proxy("postgresql://127.0.0.1:1/app", max_conections=3),
    ):
        raise AssertionError
    assert str(wrong.value) == (
        "max_conections is not a setting: did you mean max_connections?"
    )


@pytest.mark.parametrize("settings", ["", "max_conections=3"])
def test_what_is_wrong_is_told_without_what_is_within(settings: str) -> None:
    program = f"""
import pinwatch

with pinwatch.Proxy("postgresql://127.0.0.1:1/app", {settings}):
    pass
"""
    command = [sys.executable, "-c", program]
    errors = subprocess.run(command, capture_output=True, text=True).stderr
    assert errors.count("Traceback") == 1
    assert len(errors.splitlines()) < 12, errors


def test_after_the_end_it_answers_nothing(target: str) -> None:
    with pinwatch.Proxy(target) as proxy:
        pass
    assert proxy.pins == []
    with pytest.raises(PinwatchError, match="has stopped"):
        proxy.sessions()


def test_importing_pinwatch_imports_nothing_else() -> None:
    program = """
import sys
import pinwatch
assert {name for name in sys.modules if "pinwatch" in name} == {"pinwatch"}
assert not {"asyncio", "pglast", "pydantic"} & set(sys.modules)
print(pinwatch.Proxy.__name__)
assert not hasattr(pinwatch, "nothing")
"""
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"Proxy\n"


def test_the_proxy_for_tests_imports_no_http_server() -> None:
    """A test process pays for what it uses: a proxy, and no page."""
    code = (
        "import sys, pinwatch.testing.background; "
        "print(sorted({'starlette', 'uvicorn', 'typer'} & sys.modules.keys()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


LEAVE = "DO $$ BEGIN PERFORM set_config('a.b', '1', false); END $$"


def test_leaks_until_they_are_reset(target: str) -> None:
    with (
        pinwatch.Proxy(target, max_connections=1) as proxy,
        closing(psycopg.connect(proxy.dsn, autocommit=True)) as connection,
    ):
        shown = "SELECT current_setting('a.b', true)"
        connection.execute(LEAVE)
        connection.execute(LEAVE)
        (leak,) = proxy.leaks
        assert (leak.kind, leak.name, leak.value) == ("setting", "a.b", "1")
        assert leak.frame is not None
        assert leak.frame.function == "test_leaks_until_they_are_reset"
        assert connection.execute(shown).fetchone() == ("1",)
        proxy.reset_leaks()
        assert connection.execute(shown).fetchone() in [(None,), ("",)]
        connection.execute(LEAVE)
        assert len(proxy.leaks) == 2
        assert proxy.pins == []
    proxy.reset_leaks()  # nothing is left to reset


def test_leaks_of_a_connection_in_use_are_reset_later(target: str) -> None:
    with (
        pinwatch.Proxy(target, max_connections=1) as proxy,
        closing(psycopg.connect(proxy.dsn)) as connection,
    ):
        connection.execute(LEAVE)
        connection.commit()
        assert len(proxy.leaks) == 1
        connection.execute("SELECT 1")
        proxy.reset_leaks()
        shown = connection.execute("SELECT current_setting('a.b', true)")
        assert shown.fetchone() == ("1",)
        connection.commit()
        proxy.reset_leaks()
        shown = connection.execute("SELECT current_setting('a.b', true)")
        assert shown.fetchone() in [(None,), ("",)]


def test_leaks_of_another_process_have_no_line(target: str) -> None:
    command = "import psycopg, sys; psycopg.connect(sys.argv[1]).execute(sys.argv[2])"
    with pinwatch.Proxy(target) as proxy:
        arguments = [proxy.dsn, f"{LEAVE}; COMMIT"]
        subprocess.run([sys.executable, "-c", command, *arguments], check=True)
        (leak,) = proxy.leaks
        assert (leak.other_process, leak.frames) == (True, ())


def test_hidden_state_may_be_off(target: str) -> None:
    with pinwatch.Proxy(target, hidden_state="off") as proxy:
        one(proxy, LEAVE)
        assert proxy.leaks == []

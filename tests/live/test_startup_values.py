"""Startup parameters are the session's defaults, to which resets return."""

from typing import Final

import pytest

from pinwatch.wire import messages
from tests.harness import Postgres, eventually
from tests.live.conftest import Serve
from tests.wireclient import SYNC, WireClient, bind, execute, parse, query

PARAMETERS: Final = {
    "search_path": "tenant_a",
    "TimeZone": "Asia/Tokyo",
    "application_name": "billing",
    "DateStyle": "German",
}
SHOW: Final = """SELECT current_setting('search_path'), current_setting('TimeZone'),
current_setting('application_name'), current_setting('DateStyle')"""
VALUES: Final = ("tenant_a", "Asia/Tokyo", "billing", "German, DMY")
SOURCE: Final = """SELECT source, reset_val FROM pg_settings WHERE name = 'TimeZone'"""
RESETS: Final = (
    "RESET search_path",
    "RESET TimeZone",
    "reset time zone",
    "RESET ALL",
    "DISCARD ALL",
    "SET TimeZone TO DEFAULT",
    "SET SESSION DateStyle = DEFAULT",
    "SET TIME ZONE LOCAL",
    "SET TIME ZONE DEFAULT",
    "SELECT set_config('TimeZone', NULL, false)",
    "SELECT pg_catalog.set_config('search_path', NULL::text, false)",
    "RESET application_name",
    'RESET "search_path"',
    "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;",
)


def extended(sql: str) -> tuple[bytes, ...]:
    return parse("", sql), bind(""), execute(), SYNC


def shown(client: WireClient) -> tuple[object, ...]:
    (row,) = client.query(SHOW).rows
    return row


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_reset_returns_to_the_startup_values(
    serve: Serve, reset: str, protocol: str
) -> None:
    clients = serve(1)
    client = clients(**PARAMETERS)
    if protocol == "simple":
        reply = client.query(reset)
    elif ";" in reset:
        pytest.skip("a prepared statement has one command")
    else:
        reply = client.ask(*extended(reset))
    assert reply.errors == []
    assert shown(client) == VALUES
    assert client.query(SOURCE).rows == [("client", "Asia/Tokyo")]


def test_a_reset_within_one_query(serve: Serve) -> None:
    client = serve(1)(**PARAMETERS)
    reply = client.query(f"RESET search_path; RESET TimeZone; {SHOW}")
    assert reply.rows == [VALUES]


def test_a_reset_within_one_pipeline(serve: Serve) -> None:
    client = serve(1)(**PARAMETERS)
    sent = (parse("", "RESET ALL"), bind(""), execute())
    reply = client.ask(*sent, parse("", SHOW), bind(""), execute(), SYNC)
    assert reply.rows == [VALUES]


def test_a_reset_behind_other_requests(serve: Serve) -> None:
    """The client sends requests before earlier ones are answered."""
    client = serve(1)(**PARAMETERS)
    client.send(query("SELECT pg_sleep(0.1)"), query("RESET ALL"), query(SHOW))
    for _ in range(2):
        client.reply()
    assert client.reply().rows == [VALUES]


def test_a_prepared_reset_returns_to_the_startup_values(serve: Serve) -> None:
    clients = serve(2)
    client = clients(**PARAMETERS)
    assert client.ask(parse("r", "RESET ALL"), SYNC).errors == []
    assert clients(TimeZone="Europe/Paris").query(SOURCE).errors == []
    assert client.run("r").tags == ["RESET"]
    assert shown(client) == VALUES


@pytest.mark.parametrize("reset", [one for one in RESETS if one != "DISCARD ALL"])
def test_a_reset_in_a_transaction(serve: Serve, reset: str) -> None:
    client = serve(1)(**PARAMETERS)
    assert client.query("BEGIN").status == "T"
    assert client.query(reset).status == "T"
    assert shown(client) == VALUES
    assert client.query("COMMIT").status == "I"
    assert shown(client) == VALUES
    assert client.query(reset).errors == []
    assert shown(client) == VALUES


def test_a_reset_in_a_transaction_of_the_extended_protocol(serve: Serve) -> None:
    client = serve(1)(**PARAMETERS)
    for sql in ("BEGIN", "RESET ALL"):
        assert client.ask(*extended(sql)).errors == []
    assert client.ask(*extended(SHOW)).rows == [VALUES]


def test_set_local_to_default_lasts_as_long_as_the_transaction(serve: Serve) -> None:
    client = serve(1)(**PARAMETERS)
    client.query("BEGIN")
    client.query("SET TimeZone = 'Europe/Paris'")
    client.query("SET LOCAL TimeZone TO DEFAULT")
    assert shown(client) == VALUES
    client.query("COMMIT")
    assert client.query("SHOW TimeZone").value == "Europe/Paris"


def test_a_transaction_that_is_rolled_back_changes_nothing(serve: Serve) -> None:
    client = serve(1)(**PARAMETERS)
    client.query("BEGIN")
    client.query("RESET ALL")
    client.query("ROLLBACK")
    assert shown(client) == VALUES


def test_a_pinned_session_keeps_its_startup_values(serve: Serve) -> None:
    client = serve(1)(**PARAMETERS)
    client.query("SET search_path = elsewhere")
    client.query("RESET search_path")
    assert shown(client) == VALUES


def test_parameter_status_reports_the_startup_values(serve: Serve) -> None:
    client = serve(1)(**PARAMETERS)
    client.query("BEGIN")
    client.query("SET DateStyle = 'SQL'")
    first = client.query("RESET DateStyle")
    second = client.query("SELECT 1")
    assert (first.statuses | second.statuses)["DateStyle"] == "German, DMY"


def test_pg_settings_shows_the_client_as_the_source(serve: Serve) -> None:
    """The session is not pinned; the connection is closed after the statement."""
    clients = serve(1)
    client = clients(**PARAMETERS)
    assert client.query(SOURCE).rows == [("client", "Asia/Tokyo")]
    assert shown(client) == VALUES
    (session,) = clients.proxy.proxy.sessions
    assert not session.pinned


def test_a_prepared_statement_reads_pg_settings(serve: Serve) -> None:
    clients = serve(1)
    client = clients(**PARAMETERS)
    assert client.ask(parse("s", SOURCE), SYNC).errors == []
    assert client.run("s").rows == [("client", "Asia/Tokyo")]
    assert client.run("s").rows == [("client", "Asia/Tokyo")]


@pytest.mark.parametrize("body", [b"reset", b"x\0reset", b"", b"reset\0default"])
def test_a_parse_without_its_end_is_an_error(serve: Serve, body: bytes) -> None:
    clients = serve(1)
    client = clients(**PARAMETERS)
    client.send(messages.message(messages.PARSE, body), SYNC)
    kind, error = client.receive()
    assert kind == messages.ERROR_RESPONSE
    assert b"C08P01" in error


def test_the_next_client_does_not_get_them(serve: Serve) -> None:
    clients = serve(1)
    client = clients(**PARAMETERS)
    pid = client.query("RESET ALL; SELECT pg_backend_pid()").value
    client.leave()
    other = clients()
    assert other.query("SHOW TimeZone").value == "UTC"
    assert other.query(SOURCE).rows != [("client", "Asia/Tokyo")]
    assert other.query("SELECT pg_backend_pid()").value != pid


def test_connections_stay_within_the_cap(serve: Serve) -> None:
    clients = serve(2)
    sessions = [clients(**PARAMETERS, client_encoding="UTF8") for _ in range(2)]
    for client in sessions:
        client.query("RESET ALL")
    pool = clients.proxy.proxy.pool
    eventually(lambda: len(pool) == 2)
    for client in sessions:
        client.leave()
    eventually(lambda: len(pool) == 0)


def test_startup_values_override_the_init_query(serve: Serve) -> None:
    pool = {"init_query": "SET TimeZone = 'Europe/Rome'; SET search_path = init"}
    clients = serve(1, connection_pool=pool)
    client = clients(TimeZone="Asia/Tokyo")
    assert client.query("RESET application_name; SHOW TimeZone").value == "Asia/Tokyo"
    assert client.query("SHOW search_path").value == "init"
    client.query("RESET ALL")
    assert client.query("SHOW TimeZone").value == "Asia/Tokyo"


def test_a_session_without_startup_parameters_keeps_its_connection(
    serve: Serve,
) -> None:
    clients = serve(1)
    client = clients()
    pid = client.query("SELECT pg_backend_pid()").value
    assert client.query("RESET ALL; SELECT pg_backend_pid()").value == pid


def test_names_in_the_client_s_own_encoding(serve: Serve, postgres: Postgres) -> None:
    """PostgreSQL escapes bytes that are not ASCII in an application_name."""
    clients = serve(1)
    for name in (b"caf\xe9", b"a\nb\x7f", "café".encode()):
        client = clients.stranger()
        user, database = (w.encode() for w in ("postgres", client.endpoint.database))
        client.send(
            messages.startup(
                {b"user": user, b"database": database, b"application_name": name}
            )
        )
        assert client.reply().errors == []
        stored = "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in name)
        assert client.query("SHOW application_name").value == stored
        assert client.query("RESET ALL; SHOW application_name").value == stored
        client.leave()

"""Pins of a session: their causes, their reports and the session's state."""

from typing import TypeVar

import pytest

from pinwatch import events
from pinwatch.pins.cache import VerdictCache
from pinwatch.pins.profiles import PROFILES
from pinwatch.pins.rules import PARSE_REASON, SETTING, STATEMENT_SIZE_REASON
from pinwatch.relay.pin_state import MAX_REPORTED
from pinwatch.wire import messages
from pinwatch.wire.messages import SYNC_MESSAGE, error_response, message, parse, query
from tests.stage import READY, Client, Server, Stage, complete, kinds

PARSED = message(messages.PARSE_COMPLETE, b"")
BOUND = message(messages.BIND_COMPLETE, b"")
EXECUTE = message(messages.EXECUTE, b"\0\0\0\0\0")
FAILED = error_response("ERROR", "42704", "no such thing")
SET = b"SET search_path TO app"

E = TypeVar("E", bound=events.Event)


def bind(name: bytes) -> bytes:
    return message(messages.BIND, b"\0" + name + b"\0" + b"\0\0" * 3)


def prepare(name: bytes, sql: bytes) -> bytes:
    return parse(name, sql + b"\0\0\0")


def reported(stage: Stage, kind: type[E]) -> list[E]:
    return [event for event in stage.events if isinstance(event, kind)]


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def client(stage: Stage) -> Client:
    client = stage.client()
    client.read()
    return client


@pytest.fixture
def server(stage: Stage, client: Client) -> Server:
    (server,) = stage.servers
    server.read()
    return server


def run(client: Client, server: Server, sql: bytes, tag: bytes = b"SET") -> None:
    client.send(query(sql))
    assert server.read() == query(sql)
    server.send(complete(tag), READY)
    assert client.read() == complete(tag) + READY


def test_a_query_that_pins_keeps_its_connection(
    stage: Stage, client: Client, server: Server
) -> None:
    other = stage.client()
    other.read()
    run(client, server, SET)
    assert server.connection.session is client.session
    other.send(query(b"SELECT 1"))
    assert server.read() == b""
    run(client, server, b"SELECT 2", b"SELECT 1")


def test_a_query_that_does_not_pin_returns_its_connection(
    stage: Stage, client: Client, server: Server
) -> None:
    run(client, server, b"SELECT 'SET search_path TO app'", b"SELECT 1")
    assert server.connection.session is None
    assert not reported(stage, events.SessionPinned)


def test_fields_of_a_reported_pin() -> None:
    stage = Stage()
    stage.on_open = lambda server: server.greet({b"application_name": b"shop"})
    client = stage.client(b"ada")
    stage.time = 5
    sql = b"SELECT 1; /*route='%2Fcart'*/ SET LOCAL work_mem = '1MB'"
    client.send(query(sql))
    (pinned,) = reported(stage, events.SessionPinned)
    assert pinned.at.timestamp() == 5
    assert pinned.client == client.session.number
    assert pinned.connection == stage.servers[0].connection.number
    assert pinned.rule == "set"
    assert pinned.digest == "select $1; /*route='%2fcart'*/ set local work_mem = $2"
    assert pinned.reason == f'{SETTING} Digest: "{pinned.digest}".'
    assert pinned.sql == sql.decode()
    assert pinned.sql[slice(*pinned.trigger)] == "SET"
    assert (pinned.user, pinned.database) == ("ada", "ada")
    assert pinned.application_name == "shop"
    assert pinned.tags == {"route": "/cart"}
    assert pinned.transaction_status == "I"
    assert "https://" in pinned.contested
    assert pinned.advice


def test_a_certain_finding_wins_over_a_contested_one_before_it(
    stage: Stage, client: Client, server: Server
) -> None:
    reset = b"SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;"
    client.send(prepare(b"", reset), SYNC_MESSAGE)
    server.send(PARSED, READY)
    client.send(query(reset))
    (ahead,) = reported(stage, events.PinAhead)
    (pinned,) = reported(stage, events.SessionPinned)
    assert (ahead.rule, pinned.rule, pinned.contested) == ("reset", "reset", "")
    assert pinned.sql[slice(*pinned.trigger)] == "RESET"
    assert [*client.session.pinning.rules] == ["reset", "advisory_lock"]


def pins(stage: Stage) -> list[tuple[str, bool]]:
    return [(pin.rule, pin.first) for pin in reported(stage, events.SessionPinned)]


def test_later_findings_are_reported_as_not_first(
    stage: Stage, client: Client, server: Server
) -> None:
    run(client, server, SET)
    run(client, server, b"LISTEN jobs", b"LISTEN")
    assert pins(stage) == [("set", True), ("listen", False)]
    assert client.session.pinning.event == reported(stage, events.SessionPinned)[0]
    assert list(client.session.pinning.rules) == ["set", "listen"]


def test_other_certain_findings_of_a_text_are_reported_after_the_first(
    stage: Stage, client: Client, server: Server
) -> None:
    run(client, server, b"SELECT pg_advisory_unlock(1); LISTEN a; LISTEN b; SET a.b=1")
    assert pins(stage) == [("listen", True), ("set", False)]


@pytest.mark.parametrize(
    ("one", "another"),
    [
        (b"SET a.b = 1", b"SET a.b = 2"),
        (b"DECLARE c_7_1 CURSOR FOR TABLE t", b"DECLARE c_7_12 CURSOR FOR TABLE t"),
        (b"SET a.b = 1 /*a='1'*/", b"SET a.b = 1 /*a='2'*/"),
        (
            b"INSERT INTO t VALUES ('a" + b"x" * 16_384 + b"')",
            b"INSERT INTO t VALUES ('b" + b"y" * 16_384 + b"')",
        ),
    ],
    ids=["constants", "names", "comments", "long"],
)
def test_similar_texts_of_a_session_are_reported_once(
    stage: Stage, client: Client, server: Server, one: bytes, another: bytes
) -> None:
    run(client, server, one)
    for sql in (b"LISTEN jobs", one, another, b"LISTEN jobs"):
        run(client, server, sql)
    assert [first for _, first in pins(stage)] == [True, False]
    other = stage.client()
    client.send(messages.TERMINATE_MESSAGE)
    server.send(complete(b"DISCARD ALL"), READY)
    other.send(query(another))
    assert [first for _, first in pins(stage)] == [True, False, True]


def test_long_texts_with_the_same_beginning_are_distinguished(
    stage: Stage, client: Client, server: Server
) -> None:
    for table in (b"first", b"second", b"first"):
        run(client, server, b"INSERT INTO " + table + b" VALUES (%016384d)" % 1)
    assert [pin.sql[:17] for pin in reported(stage, events.SessionPinned)] == [
        "INSERT INTO first",
        "INSERT INTO secon",
    ]


def test_any_parse_of_2020_is_reported_once(stage: Stage) -> None:
    stage.verdicts = VerdictCache(PROFILES["rds-2020-06"])
    client = stage.client()
    for sql in (b"SELECT 1", b"SELECT a FROM b"):
        client.send(prepare(b"", sql), SYNC_MESSAGE)
    assert pins(stage) == [("parse_message", True)]


def test_findings_of_a_session_are_limited(
    stage: Stage, client: Client, server: Server
) -> None:
    for number in range(MAX_REPORTED + 5):
        run(client, server, b"LISTEN a" + b"b" * number)
    assert pins(stage) == [("listen", True)] + [("listen", False)] * (MAX_REPORTED - 1)


def test_a_pin_outlives_a_failing_statement(
    stage: Stage, client: Client, server: Server
) -> None:
    client.send(query(b"SET nonsense = 1"))
    server.send(FAILED, READY)
    assert client.read() == FAILED + READY
    assert server.connection.session is client.session


def test_a_pin_ends_with_the_session(
    stage: Stage, client: Client, server: Server
) -> None:
    run(client, server, SET)
    stage.time = 2.5
    client.send(messages.TERMINATE_MESSAGE)
    (ended,) = reported(stage, events.SessionUnpinned)
    assert ended.seconds == 2.5
    assert server.read() == query(b"DISCARD ALL")


def test_a_parse_is_reported_and_does_not_pin(
    stage: Stage, client: Client, server: Server
) -> None:
    client.send(prepare(b"", SET), SYNC_MESSAGE)
    server.send(PARSED, READY)
    (ahead,) = reported(stage, events.PinAhead)
    assert ahead.reason == f'{SETTING} Digest: "set search_path to $1".'
    assert ahead.connection == server.connection.number
    assert server.connection.session is None


@pytest.mark.parametrize("name", [b"", b"s"])
def test_a_bind_pins(stage: Stage, client: Client, server: Server, name: bytes) -> None:
    client.send(prepare(name, SET), SYNC_MESSAGE)
    server.send(PARSED, READY)
    client.send(bind(name), EXECUTE, SYNC_MESSAGE)
    server.send(BOUND, complete(b"SET"), READY)
    assert server.connection.session is client.session
    (pinned,) = reported(stage, events.SessionPinned)
    assert pinned.reason.startswith(
        "Running a prepared statement changed session settings that the proxy doesn't"
    )


def test_a_statement_that_the_server_skips_pins_nothing(
    stage: Stage, client: Client, server: Server
) -> None:
    client.send(prepare(b"", b"SELEC"))
    server.send(FAILED)
    client.send(prepare(b"", SET), bind(b""), EXECUTE, SYNC_MESSAGE)
    server.send(READY)
    assert server.connection.session is None
    assert not reported(stage, events.SessionPinned)


def test_an_unnamed_statement_that_failed_pins_nothing(
    stage: Stage, client: Client, server: Server
) -> None:
    client.send(prepare(b"", b"SET nonsense ="), SYNC_MESSAGE)
    server.send(FAILED, READY)
    client.send(bind(b""), SYNC_MESSAGE)
    assert not reported(stage, events.SessionPinned)


@pytest.mark.parametrize("split", [3_000, 16_383, 16_384])
def test_a_long_query_pins_and_is_not_kept(
    stage: Stage, client: Client, server: Server, split: int
) -> None:
    whole = query(b"SELECT 1 /*" + b"x" * 16_374 + b"*/")
    assert len(whole) == 16_387 + 6
    client.send(whole[:split])
    client.send(whole[split:])
    assert server.read() == whole
    server.send(complete(b"SELECT 1"), READY)
    assert server.connection.session is client.session
    (pinned,) = reported(stage, events.SessionPinned)
    assert (pinned.rule, pinned.reason) == ("statement_size", STATEMENT_SIZE_REASON)
    assert len(pinned.sql) == 2_048
    assert not len(stage.verdicts)


def test_text_of_16_384_bytes_is_not_too_long(client: Client, server: Server) -> None:
    run(client, server, b"SELECT 1 /*" + b"x" * 16_371 + b"*/", b"SELECT 1")
    assert server.connection.session is None


@pytest.mark.parametrize("name", [b"", b"s"])
def test_a_long_parse_pins(
    stage: Stage, client: Client, server: Server, name: bytes
) -> None:
    whole = prepare(name, b"SELECT 1 /*" + b"x" * 16_374 + b"*/")
    client.send(whole, SYNC_MESSAGE)
    assert server.read() == whole + SYNC_MESSAGE
    server.send(PARSED, READY)
    (pinned,) = reported(stage, events.SessionPinned)
    assert pinned.rule == "statement_size"
    assert server.connection.session is client.session


@pytest.mark.parametrize("body", [b"\0", b"s\0", b"\0SELECT 1", b"\0" + b"x" * 16_385])
def test_a_parse_with_an_unterminated_text_is_forwarded(
    stage: Stage, client: Client, server: Server, body: bytes
) -> None:
    whole = message(messages.PARSE, body)
    client.send(whole, SYNC_MESSAGE)
    assert server.read() == whole + SYNC_MESSAGE
    server.send(FAILED, READY)
    assert client.read() == FAILED + READY
    assert not reported(stage, events.SessionPinned)
    assert server.connection.session is None
    client.send(bind(b""), SYNC_MESSAGE)
    assert server.read().endswith(bind(b"") + SYNC_MESSAGE)


def test_any_parse_pinned_in_2020(stage: Stage) -> None:
    stage.verdicts = VerdictCache(PROFILES["rds-2020-06"])
    client = stage.client()
    client.send(prepare(b"", b"SELECT 1"), SYNC_MESSAGE)
    (pinned,) = reported(stage, events.SessionPinned)
    assert (pinned.rule, pinned.reason) == ("parse_message", PARSE_REASON)


def test_a_parse_is_judged_anew_by_another_profile(
    stage: Stage, client: Client, server: Server
) -> None:
    batch = prepare(b"", b"SELECT 1") + SYNC_MESSAGE
    for _ in range(2):
        client.send(batch)
        server.send(PARSED, READY)
    assert not reported(stage, events.SessionPinned)
    stage.verdicts.follow(PROFILES["rds-2020-06"])
    client.send(batch)
    server.send(PARSED, READY)
    client.send(batch)
    assert server.read() == batch * 4
    (pinned,) = reported(stage, events.SessionPinned)
    assert pinned.rule == "parse_message"


def test_contested_findings_only_warn_in_the_lenient_profile(stage: Stage) -> None:
    stage.verdicts = VerdictCache(PROFILES["lenient"])
    client = stage.client()
    client.send(query(b"SET LOCAL work_mem = '1MB'"))
    stage.servers[0].send(complete(b"SET"), READY)
    assert not reported(stage, events.SessionPinned)
    (warned,) = reported(stage, events.PinWarned)
    assert warned.rule == "set"
    assert stage.servers[0].connection.session is None
    assert client.session.pinning.state.snapshot() == {}


@pytest.mark.parametrize(
    ("statements", "held"),
    [
        (["SET a.b TO 'c'"], {"settings": {"a.b": "c"}}),
        (["SET a.b TO 'c'", "RESET a.b"], {}),
        (["SELECT set_config('a.b', 'c', false)"], {"settings": {"a.b": "c"}}),
        (["CREATE TEMP TABLE t ()"], {"temporary_objects": {"t": ""}}),
        (["CREATE TEMP TABLE t ()", "DISCARD TEMP"], {}),
        (["DECLARE c CURSOR WITH HOLD FOR SELECT 1"], {"cursors": {"c": ""}}),
        (["DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CLOSE c"], {}),
        (["LISTEN a", "LISTEN b", "UNLISTEN a"], {"channels": {"b": ""}}),
        (["LISTEN a", "UNLISTEN *"], {}),
        (["SELECT pg_advisory_lock(1)"], {"advisory_locks": {"1": ""}}),
        (["SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"], {}),
        (["SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock_all()"], {}),
        (["SELECT nextval('s')"], {"sequences": {"s": ""}}),
        (["PREPARE p AS SELECT 1"], {"prepared_statements": {"p": ""}}),
        (["PREPARE p AS SELECT 1", "DEALLOCATE p"], {}),
        (["LOAD 'auto_explain'"], {"libraries": {"auto_explain": ""}}),
        (["SET a.b TO 'c'", "LISTEN a", "DISCARD ALL"], {}),
        (["CREATE TEMP TABLE t ()", "DROP TABLE IF EXISTS pg_temp.t, s"], {}),
        (["CREATE TEMP VIEW v AS SELECT 1", "DROP VIEW v"], {}),
        (["CREATE TEMP SEQUENCE s", "DROP SEQUENCE s"], {}),
        (
            ["CREATE TEMP TABLE t ()", "DROP TABLE public.t", "DROP INDEX t"],
            {"temporary_objects": {"t": ""}},
        ),
    ],
)
def test_session_state_of_a_pinned_session(
    client: Client,
    server: Server,
    statements: list[str],
    held: dict[str, dict[str, str]],
) -> None:
    for statement in statements:
        run(client, server, statement.encode())
    assert client.session.pinning.state.snapshot() == held
    assert client.session.pinning.pinned


# SQL that names statements of the extended protocol.


@pytest.fixture
def prepared(client: Client, server: Server) -> bytes:
    """The server's name of the client's statement s."""
    client.send(prepare(b"s", b"SELECT 7"), SYNC_MESSAGE)
    name = server.read()[5:].split(b"\0")[0]
    server.send(PARSED, READY)
    client.read()
    assert name.startswith(b"pinwatch_test_")
    return name


@pytest.mark.parametrize("sql", [b"EXECUTE s", b"DEALLOCATE s"])
def test_sql_finds_a_statement_of_the_protocol(
    client: Client, server: Server, prepared: bytes, sql: bytes
) -> None:
    client.send(query(sql))
    assert server.read() == prepare(b"s", b"SELECT 7") + SYNC_MESSAGE + query(sql)
    server.send(PARSED, READY)
    assert client.read() == b""
    server.send(complete(b"DONE"), READY)
    assert client.read() == complete(b"DONE") + READY
    client.send(bind(b"s"), SYNC_MESSAGE)
    assert server.read() == bind(b"s") + SYNC_MESSAGE


def test_sql_that_names_a_statement_waits_for_replies(
    client: Client, server: Server, prepared: bytes
) -> None:
    client.send(query(b"SELECT 1"), query(b"DEALLOCATE s"), query(b"SELECT 2"))
    assert server.read() == query(b"SELECT 1")
    server.send(complete(b"SELECT 1"), READY)
    assert kinds(server.read()) == "PSQQ"
    server.send(PARSED, READY, complete(b"DEALLOCATE"), READY)
    assert (
        client.read() == complete(b"SELECT 1") + READY + complete(b"DEALLOCATE") + READY
    )


def test_sql_in_a_batch_finds_a_statement_of_the_protocol(
    client: Client, server: Server, prepared: bytes
) -> None:
    client.send(prepare(b"", b"DEALLOCATE s"), bind(b""), EXECUTE, SYNC_MESSAGE)
    sent = server.read()
    assert kinds(sent) == "PPBES"
    assert prepare(b"s", b"SELECT 7") in sent
    server.send(PARSED, PARSED, BOUND, complete(b"DEALLOCATE"), READY)
    assert kinds(client.read()) == "12CZ"


def test_the_statement_returns_if_the_batch_fails_first(
    client: Client, server: Server, prepared: bytes
) -> None:
    client.send(prepare(b"", b"DEALLOCATE s"), bind(b""), EXECUTE, SYNC_MESSAGE)
    server.read()
    server.send(FAILED, READY)
    client.send(bind(b"s"), SYNC_MESSAGE)
    assert server.read() == bind(prepared) + SYNC_MESSAGE

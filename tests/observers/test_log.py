"""Lines of the log, as those that users of RDS Proxy published."""

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import get_args

import pytest

from pinwatch import events
from pinwatch.observers.log import DEBUG, INFO, LEVELS, WARN, Log, describe
from tests import pinned
from tests.leaked import LEAK

AT = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC)
PIN = replace(
    pinned.PIN,
    at=AT,
    connection=2,
    reason="Because.",
    sql="SELECT 1;\n SET\n x = 1",
    statement="SET\n x = 1",
    advice="Do otherwise.",
)
CLIENT = "[proxyEndpoint=default] [clientConnection=1]"
DATABASE = "[dbConnection=2]"
LINES: list[tuple[events.Event, str]] = [
    (
        events.HealthChanged("first", "UNAVAILABLE", "UNREACHABLE", "No route."),
        "[WARN] [proxyEndpoint=default] The target first is UNAVAILABLE (UNREACHABLE): "
        "No route.",
    ),
    (
        events.HealthChanged("first", "AVAILABLE", None, None),
        "[WARN] [proxyEndpoint=default] The target first is AVAILABLE.",
    ),
    (
        events.FaultBegan("slow", "latency", "2 s before each borrow"),
        "[WARN] [proxyEndpoint=default] The fault slow began: latency, 2 s before each "
        "borrow.",
    ),
    (
        events.FaultEnded("slow", 1),
        "[WARN] [proxyEndpoint=default] The fault slow ended; it took effect 1 time.",
    ),
    (
        events.FailedOver("first", "second", 2.25),
        "[WARN] [proxyEndpoint=default] Failover: writer first -> second, no writer "
        "for 2.2 s.",
    ),
    (
        events.FailedOver("first", "first", 0.5),
        "[WARN] [proxyEndpoint=default] Failover: writer first is back, no writer for "
        "0.5 s.",
    ),
    (
        events.ClientWelcomed(1, encrypted=True),
        f"[DEBUG] {CLIENT} The client logged in, with TLS on.",
    ),
    (
        events.DatabaseConnecting(2, encrypted=False, target="a"),
        "[DEBUG] [dbConnection=2] Opening a database connection, with TLS off.",
    ),
    (
        events.DatabaseRefused(2, "Connection refused", "08006", "a"),
        "[WARN] [dbConnection=2] A database connection could not be opened. "
        "SQLSTATE 08006: Connection refused",
    ),
    (
        events.ClientConnected(1, "127.0.0.1:9", "default"),
        f"[INFO] {CLIENT} A new client connected from 127.0.0.1:9.",
    ),
    (
        events.StartupReceived(1, "ada", "shop", (3, 2), encrypted=True),
        f'[DEBUG] {CLIENT} Received Startup Message: [username="ada", '
        'database="shop", protocolMajorVersion=3, protocolMinorVersion=2, '
        "sslEnabled=true]",
    ),
    (
        events.StartupReceived(1, "ada", "shop", (3, 0), encrypted=False),
        f'[DEBUG] {CLIENT} Received Startup Message: [username="ada", '
        'database="shop", protocolMajorVersion=3, protocolMinorVersion=0, '
        "sslEnabled=false]",
    ),
    (
        events.CancelRequested(1, forwarded=True),
        f"[INFO] {CLIENT} A cancel request was forwarded to the database.",
    ),
    (
        events.CancelRequested(1, forwarded=False),
        f"[INFO] {CLIENT} A cancel request was ignored.",
    ),
    (
        events.ClientRefused(1, "no", "28000"),
        f"[INFO] {CLIENT} The client was refused. SQLSTATE 28000: no",
    ),
    (
        events.ClientRefused(1, "no", "28000", "The secret is wrong."),
        f"[INFO] {CLIENT} The secret is wrong.",
    ),
    (
        events.ClientClosed(1, requested=True),
        f"[INFO] {CLIENT} The client connection closed. "
        "Reason: The client requested that the connection close.",
    ),
    (
        events.ClientClosed(1, requested=False),
        f"[INFO] {CLIENT} The client connection closed. "
        "Reason: The TCP channel was closed by either the client or the proxy.",
    ),
    (
        events.BorrowFailed(1, "Timed-out waiting."),
        f"[INFO] {CLIENT} Timed-out waiting.",
    ),
    (
        events.DatabaseConnected(2, "", "/run/.s.PGSQL.5432", "a"),
        f"[INFO] {DATABASE} A connection was established from the proxy to the "
        "database at the Unix socket /run/.s.PGSQL.5432.",
    ),
    (
        events.DatabaseConnected(2, "10.0.0.1:1", "10.0.0.2:5432", "a"),
        f"[INFO] {DATABASE} A TCP connection was established from the proxy at "
        "10.0.0.1:1 to the database at 10.0.0.2:5432.",
    ),
    (
        events.DatabaseClosed(2, "Gone."),
        f"[INFO] {DATABASE} The database connection closed. Reason: Gone.",
    ),
    (
        events.DatabaseReset(2),
        f"[INFO] {DATABASE} The database connection was released to the connection "
        "pool upon session reset.",
    ),
    (
        events.DatabaseInUse(2, "my shop", 2),
        f"[INFO] {DATABASE} The database my shop is in use by 2 idle connections of "
        "the pool. \"pinwatch release 'my shop'\" closes them; with the setting "
        "release_on_ddl, pinwatch does so before such a statement.",
    ),
    (
        events.PinAhead(1, 2, "set", "Because."),
        f"[INFO] {CLIENT} If this prepared statement runs, the client session will "
        "be pinned to the database connection [dbConnection=2]. Reason: Because.",
    ),
    (
        PIN,
        f"[WARN] {CLIENT} The client session was pinned to the database connection "
        "[dbConnection=2] for the remainder of the session. The proxy can't reuse "
        "this connection until the session ends. Reason: Because.",
    ),
    (
        events.SessionUnpinned(AT, 1, 2, 1.5),
        f"[DEBUG] {CLIENT} The client session was pinned to the database connection "
        "[dbConnection=2] for 1.500 seconds.",
    ),
    (
        events.PinWarned(1, "x", "Mind this.", "SELECT\n1"),
        f"[WARN] {CLIENT} Mind this. SQL: 'SELECT\\n1'",
    ),
    (
        events.UnseenCodeRuns(1, 7, "DO ''"),
        f"[DEBUG] {CLIENT} The statement may run code that RDS Proxy cannot see: "
        "\"DO ''\"",
    ),
    (
        LEAK,
        f"[WARN] {CLIENT} Hidden state: \"SELECT app.login('42')\" left the setting "
        "app.tenant = '42' on the database connection [dbConnection=2]. RDS Proxy "
        "does not pin for it, and the next client gets it. Code: app.login() -> "
        "app.set_tenant() -> SELECT set_config('app.tenant', t, false). Fix: Because.",
    ),
]


def written(event: events.Event, level: int = DEBUG) -> list[str]:
    stream = StringIO()
    Log(stream, level, now=lambda: AT)(event)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("event", "line"), LINES, ids=[type(event).__name__ for event, _ in LINES]
)
def test_lines(event: events.Event, line: str) -> None:
    assert written(event)[0] == f"2026-01-02T03:04:05.678Z {line}"


def test_every_event_has_a_line() -> None:
    assert {type(event) for event, _ in LINES} == {*get_args(events.Event)}


@pytest.mark.parametrize(
    "hostile", ["\n", "\x1b[2J", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\x7f"]
)
def test_control_characters_are_escaped(hostile: str) -> None:
    (line,) = written(events.ClientRefused(1, f"a{hostile}b", "28000"))
    escape = hostile.encode("unicode_escape").decode()
    assert f"a{escape}b" in line


def test_the_endpoint_has_its_name() -> None:
    stream = StringIO()
    log = Log(stream)
    for event in (
        events.ClientConnected(1, "local", "reader"),
        events.ClientConnected(2, "local", "default"),
        events.ClientRefused(1, "No.", "28000"),
        events.ClientClosed(1, requested=False),
        events.ClientClosed(2, requested=True),
    ):
        log(event)
    reader = "[proxyEndpoint=reader] [clientConnection=1]"
    default = "[proxyEndpoint=default] [clientConnection=2]"
    tags = [reader, default, reader, reader, default]
    lines = stream.getvalue().splitlines()
    for line, tag in zip(lines, tags, strict=True):
        assert tag in line


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_levels(level: int) -> None:
    for event, _ in LINES:
        assert bool(written(event, level)) is (describe(event)[0] >= level)


def test_the_levels_of_the_settings() -> None:
    shown = {
        name: {describe(event)[0] for event, _ in LINES if written(event, level)}
        for name, level in LEVELS.items()
    }
    assert shown == {
        "debug": {DEBUG, INFO, WARN},
        "info": {INFO, WARN},
        "warning": {WARN},
        "error": set(),
    }


def test_a_pin_is_explained_in_one_line_below() -> None:
    _, line = written(PIN)
    assert "[INFO]" in line
    assert "'SET x = 1'" in line
    assert "Do otherwise." in line
    assert "Contested" not in line
    assert line.endswith(" More: pinwatch explain --rule set")
    assert len(written(PIN, WARN)) == 1


def test_of_a_session_that_is_pinned_already_no_pin_is_logged() -> None:
    assert written(replace(PIN, first=False)) == []


def test_a_contested_pin_says_so() -> None:
    _, line = written(replace(PIN, contested="Two readings."))
    assert "Contested. Two readings." in line


@pytest.mark.parametrize(
    ("usage", "sentence"),
    [
        (
            events.PoolUsage(5, 5, {"listen": 1, "set": 3}),
            "5 of 5 connections in use, 4 pinned (set: 3, listen: 1)",
        ),
        (
            events.PoolUsage(5, 0, {}),
            "0 of 5 connections in use, none pinned",
        ),
    ],
)
def test_a_borrow_that_times_out_is_explained_below(
    usage: events.PoolUsage, sentence: str
) -> None:
    event = events.BorrowFailed(1, "Timed-out waiting.", usage)
    _, line = written(event)
    assert line.endswith(f"[INFO] {CLIENT} Borrow timed out: {sentence}.")
    assert written(event, WARN) == []


@pytest.mark.parametrize(
    "event",
    [
        events.StartupReceived(1, "a\nb", "c\nd", (3, 0), encrypted=False),
        events.ClientRefused(1, "no option a\nb", "0A000"),
        events.DatabaseClosed(2, "The database ended it: a\nb"),
        events.BorrowFailed(1, "Request returned an error: a\nb"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_others_say_cannot_forge_a_line(event: events.Event) -> None:
    lines = written(event)
    assert all(line.startswith("2026-01-02T03:04:05.678Z [") for line in lines)


def test_every_line_is_flushed() -> None:
    class Stream(StringIO):
        flushed = ""

        def flush(self) -> None:
            self.flushed = self.getvalue()

    stream = Stream()
    Log(stream)(events.ClientClosed(1, requested=True))
    assert stream.flushed.endswith("\n")


def test_its_own_clock_is_in_utc() -> None:
    before = datetime.now(UTC)
    stream = StringIO()
    Log(stream)(events.ClientConnected(1, "local", "default"))
    stamp = stream.getvalue().split()[0]
    assert stamp.endswith("Z")
    logged = datetime.fromisoformat(stamp)
    assert abs((logged - before).total_seconds()) < 60

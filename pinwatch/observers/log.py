"""The log, in Amazon RDS Proxy's own words and grammar.

::

    TIMESTAMP [LEVEL] [proxyEndpoint=NAME] [clientConnection=N] message

INFO and WARN are written unless ``log_level`` is higher; DEBUG needs
``debug_logging``. Lines that users of RDS Proxy published are quoted to the character
(docs/behaviour.md); the others follow their style.
"""

import shlex
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, TextIO

from pinwatch import events
from pinwatch.config.model import DEFAULT
from pinwatch.hidden.wording import state
from pinwatch.pins.rule_pages import command
from pinwatch.text import escaped, number_of, timestamp

DEBUG: Final = 10
INFO: Final = 20
WARN: Final = 30
NAMES: Final = {DEBUG: "DEBUG", INFO: "INFO", WARN: "WARN"}
LEVELS: Final = {"debug": DEBUG, "info": INFO, "warning": WARN, "error": 40}

CLOSED_BY_REQUEST: Final = "The client requested that the connection close."
PINNED: Final = (
    "The client session was pinned to the database connection [dbConnection={}] for "
    "the remainder of the session. The proxy can't reuse this connection until the "
    "session ends. Reason: {}"
)
PIN_AHEAD: Final = (
    "If this prepared statement runs, the client session will be pinned to the "
    "database connection [dbConnection={}]. Reason: {}"
)
CLOSED_CHANNEL: Final = "The TCP channel was closed by either the client or the proxy."

LEFT: Final = "RDS Proxy does not pin for it, and the next client gets it."
RESET: Final = (
    "The connection was reset; behind RDS Proxy, the next client would get the state."
)

DATABASE_EVENTS: Final = (
    events.DatabaseConnecting,
    events.DatabaseRefused,
    events.DatabaseConnected,
    events.DatabaseClosed,
    events.DatabaseReset,
    events.DatabaseInUse,
)
FOUND: Final = (events.SessionPinned, events.StateLeaked)
"""Events that carry their own time."""
PROXY_EVENTS: Final = (
    events.HealthChanged,
    events.FaultBegan,
    events.FaultEnded,
    events.FailedOver,
)


class Log:
    """An observer that writes one or two lines per event."""

    def __init__(
        self,
        stream: TextIO,
        level: int = INFO,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.stream = stream
        self.level = level
        self.now = now
        self._endpoints: dict[int, str] = {}  # of connected clients, by number

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.SessionPinned) and not event.first:
            return  # RDS Proxy logs one pin per session
        if isinstance(event, events.ClientConnected):
            self._endpoints[event.client] = event.endpoint
        self._write(event, *describe(event))
        if isinstance(event, events.SessionPinned):
            self._write(event, INFO, explanation(event))
        elif isinstance(event, events.BorrowFailed) and event.usage is not None:
            self._write(event, INFO, usage(event.usage))
        elif isinstance(event, events.ClientClosed):
            self._endpoints.pop(event.client, None)

    def _write(self, event: events.Event, level: int, message: str) -> None:
        if level >= self.level:
            with suppress(OSError):  # a full disk must not end a session
                at = event.at if isinstance(event, FOUND) else self.now()
                self.stream.write(_line(at, level, self._tag(event), message))
                self.stream.flush()

    def _tag(self, event: events.Event) -> str:
        if isinstance(event, PROXY_EVENTS):
            return f"[proxyEndpoint={DEFAULT}]"
        if isinstance(event, DATABASE_EVENTS):
            return f"[dbConnection={event.connection}]"
        endpoint = self._endpoints.get(event.client, DEFAULT)
        return f"[proxyEndpoint={endpoint}] [clientConnection={event.client}]"


def _line(at: datetime, level: int, tag: str, message: str) -> str:
    return f"{timestamp(at)} [{NAMES[level]}] {tag} {escaped(message)}\n"


def _on(encrypted: bool) -> str:
    return "on" if encrypted else "off"


def explanation(pin: events.SessionPinned) -> str:
    """Return the line after a pin: the rule, the statement, the fix and any doubt.

    It ends with the command that prints the page of the rule.
    """
    statement = " ".join(pin.statement.split())
    contested = f" Contested. {pin.contested}" if pin.contested else ""
    return (
        f"Pinned by rule {pin.rule}: {statement!r}. Fix: {pin.advice}{contested} "
        f"More: {command(pin.rule)}"
    )


def leak(found: events.StateLeaked) -> str:
    """Return the line on hidden state: what stayed, its cause and the way out."""
    statement = " ".join(found.statement.split())
    cause = found.path or found.function
    then = RESET if found.reset else LEFT
    return (
        f"Hidden state: {statement!r} left "
        f"{state(found.kind, found.name, found.value)} on the database connection "
        f"[dbConnection={found.connection}]. {then} Code: {cause}. Fix: {found.advice}"
    )


def usage(pool: events.PoolUsage) -> str:
    """Return the line after a borrow timeout: the use of the pool."""
    ranked = sorted(pool.pinned.items(), key=lambda item: (-item[1], item[0]))
    rules = ", ".join(f"{rule}: {count}" for rule, count in ranked)
    pinned = f"{sum(pool.pinned.values())} pinned ({rules})" if rules else "none pinned"
    return (
        f"Borrow timed out: {pool.borrowed} of {pool.max_connections} connections "
        f"in use, {pinned}."
    )


def in_use(database: str, idle: int) -> str:
    """Return the line below the server's error, which RDS Proxy does not log."""
    command = f"pinwatch release {shlex.quote(database)}"
    connections = number_of(idle, "idle connection")
    return (
        f"The database {database} is in use by {connections} of the pool. "
        f'"{command}" closes {"it" if idle == 1 else "them"}; with the setting '
        "release_on_ddl, pinwatch does so before such a statement."
    )


def describe(  # noqa: C901 - a branch for each kind of event
    event: events.Event,
) -> tuple[int, str]:
    """Return the level and the text of an event's line."""
    match event:
        case events.ClientConnected(_, address):
            return INFO, f"A new client connected from {address}."
        case events.StartupReceived(_, user, database, (major, minor), encrypted):
            return DEBUG, (
                f'Received Startup Message: [username="{user}", '
                f'database="{database}", protocolMajorVersion={major}, '
                f"protocolMinorVersion={minor}, "
                f"sslEnabled={'true' if encrypted else 'false'}]"
            )
        case events.ClientWelcomed(_, encrypted):
            return DEBUG, f"The client logged in, with TLS {_on(encrypted)}."
        case events.CancelRequested(_, forwarded):
            done = "was forwarded to the database" if forwarded else "was ignored"
            return INFO, f"A cancel request {done}."
        case events.ClientRefused(_, text, sqlstate, log):
            return INFO, log or f"The client was refused. SQLSTATE {sqlstate}: {text}"
        case events.ClientClosed(_, requested):
            reason = CLOSED_BY_REQUEST if requested else CLOSED_CHANNEL
            return INFO, f"The client connection closed. Reason: {reason}"
        case events.HealthChanged(target, "AVAILABLE"):
            return WARN, f"The target {target} is AVAILABLE."
        case events.HealthChanged(target, state, reason, description):
            return WARN, f"The target {target} is {state} ({reason}): {description}"
        case events.FaultBegan(fault, kind, meaning):
            return WARN, f"The fault {fault} began: {kind}, {meaning}."
        case events.FaultEnded(fault, happened):
            times = number_of(happened, "time")
            return WARN, f"The fault {fault} ended; it took effect {times}."
        case events.FailedOver(before, after, seconds):
            change = f"{before} -> {after}" if before != after else f"{after} is back"
            return WARN, f"Failover: writer {change}, no writer for {seconds:.1f} s."
        case events.BorrowFailed(text=text):
            return INFO, text
        case events.DatabaseConnecting(_, encrypted):
            return DEBUG, f"Opening a database connection, with TLS {_on(encrypted)}."
        case events.DatabaseRefused(_, text, sqlstate):
            return WARN, (
                "A database connection could not be opened. "
                f"SQLSTATE {sqlstate}: {text}"
            )
        case events.DatabaseConnected(_, _, str(path)) if path.startswith("/"):
            return INFO, (
                "A connection was established from the proxy to the database at the "
                f"Unix socket {path}."
            )
        case events.DatabaseConnected(_, local, remote):
            return INFO, (
                f"A TCP connection was established from the proxy at {local} "
                f"to the database at {remote}."
            )
        case events.DatabaseClosed(_, reason):
            return INFO, f"The database connection closed. Reason: {reason}"
        case events.PinAhead(_, connection, _, reason):
            return INFO, PIN_AHEAD.format(connection, reason)
        case events.SessionPinned(connection=connection, reason=reason):
            return WARN, PINNED.format(connection, reason)
        case events.SessionUnpinned(_, _, connection, seconds):
            return DEBUG, (
                f"The client session was pinned to the database connection "
                f"[dbConnection={connection}] for {seconds:.3f} seconds."
            )
        case events.PinWarned(_, _, text, sql):
            return WARN, f"{text} SQL: {sql!r}"
        case events.UnseenCodeRuns(_, _, sql):
            return (
                DEBUG,
                f"The statement may run code that RDS Proxy cannot see: {sql!r}",
            )
        case events.StateLeaked():
            return WARN, leak(event)
        case events.DatabaseInUse(_, database, idle):
            return INFO, in_use(database, idle)
        case events.DatabaseReset():
            return INFO, (
                "The database connection was released to the connection pool upon "
                "session reset."
            )

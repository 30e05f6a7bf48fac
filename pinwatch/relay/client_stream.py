"""The stream of messages from a client after its login.

Owns the client's half of the stream: where messages begin and end, how many answers
they ask for, and the names of prepared statements, which it replaces. All other bytes
are sent on unchanged, in the chunks in which they came. Does not know sockets or pools.

A message is held back only until it can be judged: a statement's text up to 16 KB, or
the names in a message's first bytes.
"""

import re
from typing import Final, Protocol

from librt.strings import BytesWriter, read_i32_be, write_i32_be
from mypy_extensions import i64

from pinwatch.counters import Traffic
from pinwatch.errors import ClientError, ProtocolViolation
from pinwatch.pins.cache import Expensive, VerdictCache
from pinwatch.pins.databases import DatabaseStatements
from pinwatch.pins.effects import Effect
from pinwatch.pins.verdict import Verdict, oversize, parse_message
from pinwatch.relay.database_stream import DatabaseStream
from pinwatch.relay.parameters import NO_PARAMETERS, restore
from pinwatch.relay.prepared import ClientStatements, Renamed, Unsettled
from pinwatch.wire.messages import (
    BIND,
    CLOSE,
    COPY_DATA,
    COPY_DONE,
    COPY_FAIL,
    DESCRIBE,
    EXECUTE,
    FAILED_TRANSACTION,
    FLUSH,
    FUNCTION_CALL,
    HEADER,
    IDLE,
    MAX_MESSAGE,
    PARSE,
    QUERY,
    SYNC,
    TERMINATE,
    error_response,
    ready_for_query,
)

MAX_STATEMENT: Final = 16_384  # bytes of a statement's text; a longer one is not kept
MAX_QUERY: Final = MAX_STATEMENT + 5  # the length of a Query with such a text
SHOWN: Final = 2_048  # bytes that are waited for of a longer Query, for people to see
STATEMENT: Final = 0x53  # S, of Describe and Close; the other is P, a portal
NO_TYPES: Final = 3  # bytes, all 0: the end of a text, and the number of its types
MAX_NAMES: Final = 262_144  # bytes of a message in which its names must end
MAX_IDENTIFIER: Final = 63  # bytes of a statement's name that the server compares
UNNAMED_PORTAL: Final = 1
NAMED_PORTALS: Final = 2
BEING_BOUND: Final = 4
MAX_SHORT: Final = 64  # bytes of a name that are read one by one; most names are less
MAX_SMALL: Final = 10_000  # the length of a CopyFail, Close, Describe or Execute
KINDS: Final = frozenset(b"BCDEFHPQSXdcf")
NAMES_A_STATEMENT: Final = bytes(
    kind in (PARSE, BIND, DESCRIBE, CLOSE) for kind in range(256)
)
"""1 for what names a prepared statement, or a portal."""
IGNORED_WHEN_IDLE: Final = frozenset((COPY_DATA, COPY_DONE, COPY_FAIL, FLUSH))
"""What the server ignores while it serves no request."""

NO_BODY: Final = frozenset((SYNC, FLUSH, COPY_DONE, TERMINATE))
"""What has no body; in the middle of a batch the server skips what comes after one."""

STARTS_REQUEST: Final = bytes(
    kind in KINDS - IGNORED_WHEN_IDLE - {TERMINATE} for kind in range(256)
)
"""1 for what the server answers, or what begins that which it answers."""

SHOWS_DEFAULTS: Final = re.compile(rb"pg_settings", re.I)
RESETTING: Final = re.compile(rb"reset|default|discard|local|set_config", re.I)
"""Words of which every text that returns a setting to its default has one."""

Change = tuple[int, int, Renamed]
"""For a message that changes: where its name begins in the chunk, where the rest of it
begins, and how it changes."""


class Incomplete(Exception):
    """More bytes are needed to decide."""


class Judge(Protocol):
    """Receives the verdict on each statement with findings, warnings or effects."""

    pinned: bool

    def ran(self, verdict: Verdict, prepared: bool = False) -> None: ...

    def prepared(self, verdict: Verdict) -> None:
        """It was parsed, and has not run."""


class Release:
    """Databases whose idle connections are to be closed before a statement goes on."""

    __slots__ = ("databases", "done", "started")

    def __init__(self, databases: frozenset[bytes]) -> None:
        self.databases = databases
        self.started = False
        self.done = False


class ClientStream:
    """The stream of one client."""

    __slots__ = (
        "database",
        "database_statements",
        "dropping",
        "dropping_portals",
        "failed_batch",
        "held",
        "input",
        "judge",
        "judging",
        "more",
        "more_size",
        "needed",
        "passing",
        "release",
        "resets_prepared",
        "restoring",
        "startup_parameters",
        "statements",
        "terminated",
        "traffic",
        "verdicts",
        "wants_own_connection",
    )

    def __init__(
        self,
        statements: ClientStatements,
        verdicts: VerdictCache,
        judge: Judge,
        traffic: Traffic,
        database_statements: DatabaseStatements,
    ) -> None:
        self.statements = statements
        self.database: DatabaseStream | None = None  # of the borrowed connection
        self.verdicts = verdicts
        self.judge = judge
        self.traffic = traffic
        self.input = b""  # received, and cannot be sent yet
        self.more: list[bytes] = []  # chunks that came behind input
        self.more_size: i64 = 0  # bytes of more
        self.needed: i64 = 0  # bytes of input and more that a decision needs
        self.database_statements = database_statements
        self.release: Release | None = None  # which the held input waits for
        self.passing: i64 = 0  # bytes to come of a message whose beginning has gone on
        self.dropping: i64 = 0  # bytes to come of a message that goes nowhere
        self.dropping_portals: i64 = 0  # UNNAMED_PORTAL and NAMED_PORTALS, if one is
        self.failed_batch = False  # it got an error: nothing goes on before its Sync
        self.held = False  # input waits for an answer to what went before
        self.terminated = False
        self.judging = b""  # a text to judge in a worker thread before it goes on
        self.startup_parameters = NO_PARAMETERS
        self.resets_prepared = False  # a statement was prepared that resets settings
        self.wants_own_connection = False  # see ``_keep_startup_values``
        self.restoring: tuple[Effect, ...] = ()

    # Input that waits.

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return len(self.input) + self.more_size

    def keep(self, data: bytes) -> None:
        """Add data to the input that waits."""
        if not self.input:
            self.input = data
        elif data:
            self.more.append(data)
            self.more_size += len(data)

    def _join(self) -> None:
        """Make one piece of all input that waits."""
        self.input = b"".join([self.input, *self.more])
        self.more.clear()
        self.more_size = 0

    # Without a database connection.

    def begins(self) -> bool:
        """Whether the input begins with a whole message that wants a connection."""
        if self.more:
            self._join()
        data = self.input
        end = len(data)
        if self.dropping or self.failed_batch or end < 5:
            return False
        size = read_i32_be(data, 1)
        return 4 <= size < end and STARTS_REQUEST[data[0]] == 1

    def opening(self) -> bytes:
        """Return the answers that need no connection, and drop what they answer.

        Raises ProtocolViolation.
        """
        data, answers = self.input, list[bytes]()
        at, end = self.dropping, len(data)
        while end - at > 4:
            kind, size = header(data, at)
            if kind in NO_BODY and size != 4:
                raise bad_length(size)
            if kind == TERMINATE:
                self.terminated = True
                break
            if kind == SYNC and self.failed_batch:
                self.failed_batch = False
                answers.append(ready_for_query(IDLE))
            elif not (kind in IGNORED_WHEN_IDLE or self.failed_batch):
                break
            at += size + 1
        self.dropping = max(at - end, 0)
        self.input = data[at:] if at < end else b""
        return b"".join(answers)

    def needs_own_defaults(self) -> bool:
        """Whether the client's startup values have to be the connection's defaults.

        They have to if a whole message of the input returns a setting to its default,
        or reads pg_settings, which shows defaults and their source.
        """
        data = self.input
        if SHOWS_DEFAULTS.search(data):
            return True
        if not (self.resets_prepared or RESETTING.search(data)):
            return False
        at = 0
        while len(data) - at > 4:
            kind, size = HEADER.unpack_from(data, at)
            following = at + max(size, 4) + 1
            if following > len(data):
                return False
            try:
                verdict = self._verdict(kind, data[at + 5 : following])
            except Expensive:
                return False  # ``forward`` has it judged, and sees it then
            if verdict is not None and verdict.resets:
                return True
            at = following
        return False

    def _verdict(self, kind: int, body: bytes) -> Verdict | None:
        """The verdict on the statement that a message runs or prepares."""
        if kind == QUERY:
            return self.verdicts.look(body[:-1]) if len(body) <= MAX_STATEMENT else None
        if kind not in (PARSE, BIND):
            return None
        second = body.split(b"\0", 2)[1]  # of two names, or a name and a text
        if kind == PARSE:
            return self.verdicts.look(second) if len(second) <= MAX_STATEMENT else None
        return self.statements.verdict(second, self.statements.named.get(second))

    def needs_connection(self) -> bool:
        """Whether the input, after ``opening``, is enough to go on with."""
        data = self.input
        self.needed = 5
        if len(data) < 5 or self.terminated:
            return False
        kind, size = header(data, 0)
        if kind in (QUERY, PARSE) and len(data) <= size <= MAX_QUERY:
            self.needed = size + 1
            return False
        self.needed = 0
        return True

    def ends_with_terminate(self) -> bool:
        """Whether the input holds a Terminate behind complete messages."""
        if self.more:
            self._join()
        data, at = self.input, int(self.dropping)
        while len(data) - at > 4:
            kind, size = HEADER.unpack_from(data, at)
            if kind == TERMINATE:
                return True
            at += max(size, 4) + 1
        return False

    def fail(self, error: ClientError) -> bytes:
        """The answer to the request that the input begins with, which is dropped."""
        kind, size = header(self.input, 0)
        self.needed = 0
        answer = error_response(error.severity, error.sqlstate, error.text)
        if kind == QUERY or kind == FUNCTION_CALL:
            self.traffic.queries += kind == QUERY
            self.dropping = size + 1
            return answer + ready_for_query(IDLE)
        self.failed_batch = True
        return answer

    # With one.

    def forward(self, data: bytes) -> bytes:  # noqa: C901 - one pass, a branch a type
        """Return what is sent to the server of the input and data; the rest is kept.

        Raises ProtocolViolation.
        """
        database = self.database
        assert database is not None
        replies = database.replies
        if self.input:
            if data or self.more:
                self.keep(data)
                if self.size < self.needed:
                    return b""
                self._join()
            data = self.input
            self.input = b""
        self.needed = 0
        end: i64 = len(data)
        at: i64 = self.passing
        start: i64 = 0  # of what goes on as it is
        changed: BytesWriter | None = None
        while end - at > 4:
            kind: i64 = data[at]
            size: int = read_i32_be(data, at + 1)
            if not 4 <= size <= MAX_MESSAGE:
                header(data, at)
            following: i64 = at + size + 1
            if kind == QUERY:
                if following > end and (size <= MAX_QUERY or end - at < SHOWN):
                    self.needed = size + 1 if size <= MAX_QUERY else SHOWN
                    break
                try:
                    before = self._query(data, at, following)
                except Unsettled:
                    self.held = True
                    break
                if before:
                    changed = BytesWriter() if changed is None else changed
                    changed.write(data[start:at])
                    changed.write(before)
                    start = at
                if self.restoring:
                    self.held = True
                    at = following
                    break
            elif kind == SYNC:
                if size != 4:
                    raise bad_length(size)
                replies.sync()
                if self.restoring:
                    self.held = True
                    at = following
                    break
            elif kind == EXECUTE:
                if size > MAX_SMALL:
                    raise bad_length(size)
                if self.dropping_portals:
                    self._executes(data, at)
                replies.batch()
                self.traffic.statements += 1
            elif NAMES_A_STATEMENT[kind]:
                try:
                    change = self._refer(kind, data, at, following)
                except Incomplete:
                    self.needed = min(following - at, 2 * (end - at), MAX_NAMES)
                    break
                except Unsettled:
                    self.held = True
                    probe = self.statements.probe()
                    if probe:
                        changed = BytesWriter() if changed is None else changed
                        changed.write(data[start:at])
                        changed.write(probe)
                        start = at
                    break
                if change is not None:
                    changed = BytesWriter() if changed is None else changed
                    changed.write(data[start:at])
                    start = renamed(changed, data, at, following, change)
            elif kind == FUNCTION_CALL:
                replies.query()
            elif kind == COPY_DONE or kind == COPY_FAIL:
                if size > MAX_SMALL or (kind == COPY_DONE and size != 4):
                    raise bad_length(size)
                replies.copy_end()
            elif kind == TERMINATE:
                self.terminated = True
                break
            elif kind == FLUSH:
                if size != 4:
                    raise bad_length(size)
            elif kind != COPY_DATA:
                raise bad_kind(kind)
            at = following
        if at < end:
            self.passing = 0
            self.input = data[at:] if at else data
            data = data[start:at]
        else:
            self.passing = at - end
            if start:
                data = data[start:]
        if changed is None:
            return data
        changed.write(data)
        return changed.getvalue()

    def _query(self, data: bytes, at: i64, following: i64) -> bytes:
        """Count a Query, whole unless it is too long; return what is sent before it."""
        database = self.database
        assert database is not None
        replies, before = database.replies, b""
        if following - at > MAX_QUERY + 1:
            if replies.counting:
                self._ran(oversize(data[at + 5 : min(len(data), following - 1)]))
                replies.drops_statements()  # perhaps: the text is not inspected
        else:
            sql = data[at + 5 : following - 1] if following - at > 5 else b""
            try:
                verdict = self.verdicts.look(sql)
            except Expensive:
                self.judging = sql
                raise Unsettled from None
            if self.database_statements.enabled and replies.counting:
                self._release_first(sql)
            if verdict is not None and replies.counting:
                before = self._run(verdict)
        statements, server = self.statements, database.statements
        if statements.unnamed is not None or server.unnamed is not None:
            statements.queried()
        replies.query()
        self.traffic.queries += 1
        self.traffic.statements += 1
        return before

    def _release_first(self, sql: bytes) -> None:
        """Hold a statement until the databases that it needs free are released.

        Raises Unsettled while they are not.
        """
        release = self.release
        if release is None:
            databases = self.database_statements.databases(sql)
            if not databases:
                return
            release = self.release = Release(databases)
        if not release.done:
            raise Unsettled
        self.release = None

    def _run(self, verdict: Verdict) -> bytes:
        """Report the verdict on a Query; return what is sent before it."""
        database = self.database
        assert database is not None
        self._keep_startup_values(verdict, runs=True)
        replies, named = database.replies, self.statements.named
        before = b""
        if any(name in named for name in verdict.names) and not replies.in_request():
            if replies.due:
                raise Unsettled
            before = database.hidden_batch(
                self.statements.release(verdict.names, hidden=True)
            )
        self._ran(verdict)
        if verdict.drops_statements:
            replies.drops_statements()
        return before

    def _ran(self, verdict: Verdict, prepared: bool = False) -> None:
        self.judge.ran(verdict, prepared)
        if verdict.findings:
            self.statements.pinned = True

    def _keep_startup_values(self, verdict: Verdict, runs: bool) -> None:
        """Return settings to the client's startup values, not the server's defaults.

        Outside a transaction the session moves to a connection of its own, which was
        opened with its startup parameters: raises Unsettled, and the message waits.
        Elsewhere the values are set again behind the request.
        """
        database = self.database
        assert database is not None
        if not verdict.resets or not database.replies.counting:
            return
        self.resets_prepared = self.resets_prepared or not runs
        if self.startup_parameters is NO_PARAMETERS or database.own:
            return
        if (
            database.status == IDLE
            and not self.judge.pinned
            and not database.replies.in_request()
        ):
            self.wants_own_connection = True
            raise Unsettled
        if runs:
            self.restoring += verdict.resets

    def restore_startup_values(self, status: int) -> bytes:
        """Return the SQL to send now that the request is answered; empty for none."""
        resets, self.restoring = self.restoring, ()
        if status == FAILED_TRANSACTION:
            return b""
        return restore(self.startup_parameters, resets)

    def _refer(self, kind: i64, data: bytes, at: i64, following: i64) -> Change | None:
        """A message that names a prepared statement, or a portal."""
        database = self.database
        assert database is not None
        replies = database.replies
        name_at: i64 = at + 5
        if kind == BIND:
            name_at = string_end(data, name_at, at, following)
        elif kind != PARSE:
            if following - at > MAX_SMALL + 1:
                raise bad_length(following - at - 1)
            if name_at >= len(data):
                raise Incomplete
            if data[name_at] != STATEMENT:
                replies.plain() if kind == CLOSE else replies.batch()
                return None
            name_at += 1
        name_end = string_end(data, name_at, at, following)
        name = data[name_at : name_end - 1] if name_end - name_at > 1 else b""
        if name_end - name_at > MAX_IDENTIFIER:
            change = self._refer_by_long_name(kind, name, data, name_end, following)
        elif kind == PARSE:
            change = self._parse(name, data, name_end, following)
        elif kind == CLOSE:
            change = self.statements.close(name)
        else:
            change = self._use(kind, name, data, following)
        if kind == BIND and self.dropping_portals:
            self._bound(name_at > at + 6)
        return None if change is None else (name_at, name_end, change)

    def _refer_by_long_name(
        self, kind: i64, name: bytes, data: bytes, name_end: i64, following: i64
    ) -> Renamed | None:
        """The server compares no more than the first 63 bytes of names."""
        short = name[:MAX_IDENTIFIER]
        if kind == PARSE and self._is_invalid(name):
            change = self.statements.parse_unkept(name)
        elif kind == PARSE:
            change = self._parse(short, data, name_end, following)
        elif kind == CLOSE:
            change = self.statements.close(short)
        else:
            change = self._use(kind, short, data, following)
        if change is not None and change[1] is not None:
            self.statements.note_long_name(change[1], name)
        return change

    def _use(
        self, kind: i64, name: bytes, data: bytes, following: i64
    ) -> Renamed | None:
        """Bind to a statement, or Describe of one, which has to be whole."""
        statements, database = self.statements, self.database
        if kind != BIND and following > len(data):
            raise Incomplete
        named = statements.named.get(name) if name else None
        if kind != BIND:
            return statements.refer(name, named, True)
        if database is None:
            return statements.refer(name, named, False)
        if self.database_statements.enabled and database.replies.counting:
            self._release_first(statements.text(name, named))
        verdict = statements.verdict(name, named)
        if verdict is None:
            return statements.refer(name, named, False)
        self._keep_startup_values(verdict, runs=True)
        change = statements.refer(name, named, False)
        if verdict.drops_statements:
            self.dropping_portals |= BEING_BOUND
        if database.replies.counting:
            change = self._bind(name, change, verdict)
        return change

    def _bound(self, named_portal: bool) -> None:
        """Note whether an Execute of the portal may drop prepared statements.

        All named portals count as one, to which a statement that drops was bound.
        """
        portal = NAMED_PORTALS if named_portal else UNNAMED_PORTAL
        if self.dropping_portals & BEING_BOUND:
            self.dropping_portals = (self.dropping_portals | portal) & ~BEING_BOUND
        elif not named_portal:
            self.dropping_portals &= NAMED_PORTALS

    def _executes(self, data: bytes, at: i64) -> None:
        """An Execute, where some portal drops prepared statements."""
        database = self.database
        assert database is not None
        portal = NAMED_PORTALS
        if at + 5 < len(data) and not data[at + 5]:
            portal = UNNAMED_PORTAL
        if self.dropping_portals & portal:
            database.replies.drops_statements()

    def _parse(
        self,
        name: bytes,
        data: bytes,
        text_at: i64,
        following: i64,
    ) -> Renamed | None:
        if name and not name.isascii() and self._is_invalid(name):
            return self.statements.parse_unkept(name)
        definition = data[text_at:following] if following <= len(data) else b""
        if definition and definition == self.verdicts.latest_definition:
            return self._prepare(name, definition, None)
        limit = min(following, text_at + MAX_STATEMENT + 1)
        sql = text(data, text_at, limit, following)
        if sql is None:
            if len(data) < limit:
                raise Incomplete
            return self._parse_unkept(name, data[text_at:limit], limit < following)
        if following > len(data):
            raise Incomplete
        verdict = self._look_at_parse(sql, definition)
        change = self._prepare(name, definition, verdict)
        assert self.database is not None
        if self.database.replies.counting:
            if self.verdicts.parse_pins:
                self._ran(parse_message(sql.decode("utf-8", "replace")))
            elif verdict is not None:
                self.judge.prepared(verdict)
        return change

    def _look_at_parse(self, sql: bytes, definition: bytes) -> Verdict | None:
        """Return the verdict on a text; raises Unsettled if the Parse has to wait."""
        try:
            verdict = self.verdicts.look_at_parse(sql, definition)
        except Expensive:
            self.judging = sql
            raise Unsettled from None
        if verdict is not None:
            self._keep_startup_values(verdict, runs=False)
        return verdict

    def _parse_unkept(
        self, name: bytes, beginning: bytes, long: bool
    ) -> Renamed | None:
        """Parse of a text that is too long to keep, or has no end."""
        change = self.statements.parse_unkept(name)
        assert self.database is not None
        if long and self.database.replies.counting:
            self._ran(oversize(beginning))
        return change

    def _is_invalid(self, name: bytes) -> bool:
        """The server will reject the bytes of the name."""
        database = self.database
        assert database is not None
        if database.reported_parameters.values.get(b"client_encoding") != b"UTF8":
            return False
        try:
            name.decode()
        except UnicodeDecodeError:
            return True
        return False

    def _prepare(
        self,
        name: bytes,
        definition: bytes,
        verdict: Verdict | None,
    ) -> Renamed | None:
        self.traffic.parses += 1
        if name:
            return self.statements.parse(name, definition, verdict)
        return self.statements.parse_unnamed(definition, verdict)

    def _bind(
        self, name: bytes, change: Renamed | None, verdict: Verdict
    ) -> Renamed | None:
        """Bind to a statement that has a verdict."""
        released = self.statements.release(verdict.names, hidden=False)
        self._ran(verdict, prepared=True)
        if not released:
            return change
        before, new_name, after = change or (b"", name, b"")
        return released + before, new_name, after


def header(data: bytes, at: int) -> tuple[int, int]:
    """Kind and length of the message at at; raises ProtocolViolation."""
    kind, size = HEADER.unpack_from(data, at)
    if kind not in KINDS:
        raise bad_kind(kind)
    if not 4 <= size <= MAX_MESSAGE:
        raise bad_length(size)
    return kind, size


def bad_kind(kind: int) -> ProtocolViolation:
    return ProtocolViolation(f"invalid frontend message type {kind}")


def bad_length(size: int) -> ProtocolViolation:
    return ProtocolViolation(f"invalid message length {size}")


def string_end(data: bytes, at: i64, message_at: i64, following: i64) -> i64:
    """Where what follows the string at at begins, within its message."""
    if at < following and at < len(data) and not data[at]:
        return at + 1
    limit: i64 = min(following, message_at + MAX_NAMES)
    here: i64 = min(limit, len(data))
    short: i64 = min(here, at + MAX_SHORT)
    end: i64 = at
    while end < short:
        if not data[end]:
            return end + 1
        end += 1
    found: i64 = data.find(b"\0", end, here)
    if found >= 0:
        return found + 1
    if here < limit:
        raise Incomplete
    raise ProtocolViolation("invalid string in message")


def text(data: bytes, at: i64, limit: i64, following: i64) -> bytes | None:
    """The text at at, if its end is before limit and here.

    What follows it in most messages is that there are no parameter types.
    """
    end: i64 = following - NO_TYPES
    if (
        at <= end < limit
        and following <= len(data)
        and not (data[end] or data[end + 1] or data[end + 2])
    ):
        sql = data[at:end]
        if 0 not in sql:
            return sql
    end = data.find(b"\0", at, limit)
    return None if end < 0 else data[at:end]


def renamed(
    out: BytesWriter, data: bytes, at: int, following: int, change: Change
) -> int:
    """Write the message as it changes; return where unchanged bytes begin."""
    name_at, rest, (before, name, after) = change
    out.write(before)
    if name is None:
        return following
    out.append(data[at])
    write_i32_be(out, following - at - 1 + len(name) - (rest - name_at - 1))
    out.write(data[at + 5 : name_at])
    out.write(name)
    out.append(0)
    if not after:
        return rest
    out.write(data[rest:following])
    out.write(after)
    return following

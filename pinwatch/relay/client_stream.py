"""What a client sends once it is logged in: counted, and put in the server's words.

Owns the client's half of the stream: where its messages begin and end, how many
answers they ask for, and the names of its prepared statements. Everything else goes
on as it came, in the chunks in which it came. Does not know sockets or pools.

A message is kept back only until what has to be known of it is here: the text of a
statement up to 16 KB, or the names in its first bytes.
"""

import re
from typing import Final, Protocol

from librt.strings import BytesWriter, read_i32_be, write_i32_be
from mypy_extensions import i64

from pinwatch.counters import Traffic
from pinwatch.errors import ClientError, ProtocolViolation
from pinwatch.pins.cache import VerdictCache
from pinwatch.pins.effects import Effect
from pinwatch.pins.verdict import Verdict, oversize, parse_message
from pinwatch.relay.database_stream import DatabaseStream
from pinwatch.relay.parameters import NO_PARAMETERS, restore
from pinwatch.relay.prepared import ClientStatements, Unsettled
from pinwatch.relay.statements import Statement
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
OVERSIZE_PREFIX: Final = (
    2_048  # bytes that are waited for of a longer Query, for people to see
)
STATEMENT: Final = 0x53  # S, of Describe and Close; the other is P, a portal
TEXT_END: Final = 3  # bytes, all 0: the end of a text, and the number of its types
MAX_NAMES_END: Final = 8_192  # bytes of a message in which its names must end
MAX_COPY_FAIL: Final = 10_000  # the length of a CopyFail; at more the server hangs up
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

RESETTING: Final = re.compile(rb"reset|default|discard|local|set_config", re.I)
"""Words of which every text that returns a setting to its default has one."""

Renamed = tuple[bytes, bytes]
"""What goes before a message, and the name that it gets."""

Change = tuple[int, int, bytes, bytes]
"""For a message that changes: where its name begins in the chunk, and what follows the
name; what goes before the message, and the name that it gets."""


class Incomplete(Exception):
    """More bytes are needed to decide."""


class VerdictSink(Protocol):
    """Receives the verdict on each statement with findings, warnings or effects."""

    pinned: bool

    def statement_runs(self, verdict: Verdict, prepared: bool = False) -> None: ...

    def statement_prepared(self, verdict: Verdict) -> None:
        """It was parsed, and has not run."""


class ClientStream:
    """The stream of one client."""

    __slots__ = (
        "awaits_replies",
        "database",
        "dropping",
        "failed_batch",
        "input",
        "passing",
        "resets_prepared",
        "restoring",
        "startup_parameters",
        "statements",
        "terminated",
        "traffic",
        "verdict_sink",
        "verdicts",
        "wants_own_connection",
    )

    def __init__(
        self,
        statements: ClientStatements,
        verdicts: VerdictCache,
        verdict_sink: VerdictSink,
        traffic: Traffic,
    ) -> None:
        self.statements = statements
        self.database: DatabaseStream | None = None  # of the borrowed connection
        self.verdicts = verdicts
        self.verdict_sink = verdict_sink
        self.traffic = traffic
        self.input = b""  # came, but cannot go on yet
        self.passing: i64 = 0  # bytes to come of a message whose beginning has gone on
        self.dropping: i64 = 0  # bytes to come of a message that goes nowhere
        self.failed_batch = False  # it got an error: nothing goes on before its Sync
        self.awaits_replies = False  # input waits for an answer to what went before
        self.terminated = False
        self.startup_parameters = NO_PARAMETERS
        self.resets_prepared = False  # a statement was prepared that resets settings
        self.wants_own_connection = False  # see ``_keep_startup_values``
        self.restoring: tuple[Effect, ...] = ()

    # Without a database connection.

    def starts_with_request(self) -> bool:
        """Whether the input begins with a whole message that wants a connection."""
        data = self.input
        end = len(data)
        if self.dropping or self.failed_batch or end < 5:
            return False
        size = read_i32_be(data, 1)
        return 4 <= size < end and STARTS_REQUEST[data[0]] == 1

    def answer_without_connection(self) -> bytes:
        """What to answer at once; the input then begins with what needs a connection.

        Raises ProtocolViolation.
        """
        data, answers = self.input, b""
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
                answers += ready_for_query(IDLE)
            elif not (kind in IGNORED_WHEN_IDLE or self.failed_batch):
                break
            at += size + 1
        self.dropping = max(at - end, 0)
        self.input = data[at:] if at < end else b""
        return answers

    def resets_settings(self) -> bool:
        """Whether a whole message of the input returns a setting to its default."""
        data = self.input
        if not (self.resets_prepared or RESETTING.search(data)):
            return False
        at = 0
        while len(data) - at > 4:
            kind, size = HEADER.unpack_from(data, at)
            following = at + max(size, 4) + 1
            if following > len(data):
                return False
            verdict = self._verdict(kind, data[at + 5 : following])
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
        """Whether the input, after ``answer_without_connection``, is enough to go on with."""
        data = self.input
        if len(data) < 5 or self.terminated:
            return False
        kind, size = header(data, 0)
        return not (kind in (QUERY, PARSE) and len(data) <= size <= MAX_QUERY)

    def ends_with_terminate(self) -> bool:
        """Whether the input holds a Terminate behind complete messages."""
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
        answer = error_response(error.severity, error.sqlstate, error.text)
        if kind == QUERY or kind == FUNCTION_CALL:
            self.traffic.queries += kind == QUERY
            self.dropping = size + 1
            return answer + ready_for_query(IDLE)
        self.failed_batch = True
        return answer

    # With one.

    def forward(self, data: bytes) -> bytes:  # noqa: C901 - one pass, a branch a type
        """What goes to the server of the input and data; the rest is kept.

        Raises ProtocolViolation.
        """
        database = self.database
        assert database is not None
        replies = database.replies
        if self.input:
            data = self.input + data if data else self.input
            self.input = b""
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
                if following > end and (
                    size <= MAX_QUERY or end - at < OVERSIZE_PREFIX
                ):
                    break
                try:
                    before = self._query(data, at, following)
                except Unsettled:
                    self.awaits_replies = True
                    break
                if before:
                    changed = BytesWriter() if changed is None else changed
                    changed.write(data[start:at])
                    changed.write(before)
                    start = at
                if self.restoring:
                    self.awaits_replies = True
                    at = following
                    break
            elif kind == SYNC:
                if size != 4:
                    raise bad_length(size)
                replies.sync()
                if self.restoring:
                    self.awaits_replies = True
                    at = following
                    break
            elif kind == EXECUTE:
                replies.batch()
                self.traffic.statements += 1
            elif NAMES_A_STATEMENT[kind]:
                try:
                    change = self._refer(kind, data, at, following)
                except Incomplete:
                    break
                except Unsettled:
                    self.awaits_replies = True
                    break
                if change is not None:
                    changed = BytesWriter() if changed is None else changed
                    changed.write(data[start:at])
                    start = renamed(changed, data, at, size, change)
            elif kind == FUNCTION_CALL:
                replies.query()
            elif kind == COPY_DONE or kind == COPY_FAIL:
                if size > MAX_COPY_FAIL or (kind == COPY_DONE and size != 4):
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
            self.input = data[at:]
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
        """A Query, the whole of it unless it is too long; what goes before it."""
        database = self.database
        assert database is not None
        replies, before = database.replies, b""
        if following - at > MAX_QUERY + 1:
            if replies.counting:
                self.verdict_sink.statement_runs(
                    oversize(data[at + 5 : min(len(data), following - 1)])
                )
        else:
            sql = data[at + 5 : following - 1] if following - at > 5 else b""
            verdict = self.verdicts.look(sql)
            if verdict is not None and replies.counting:
                before = self._before_query(verdict)
        statements, server = self.statements, database.statements
        if statements.unnamed is not None or server.unnamed is not None:
            statements.queried()
        replies.query()
        self.traffic.queries += 1
        self.traffic.statements += 1
        return before

    def _before_query(self, verdict: Verdict) -> bytes:
        """A text that there is something to say of; what goes before its Query."""
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
        self._report(verdict)
        return before

    def _report(self, verdict: Verdict, prepared: bool = False) -> None:
        self.verdict_sink.statement_runs(verdict, prepared)
        if verdict.drops_statements:
            assert self.database is not None
            self.database.replies.drops_statements()

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
            and not self.verdict_sink.pinned
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
            if name_at >= len(data):
                raise Incomplete
            if data[name_at] != STATEMENT:
                replies.plain() if kind == CLOSE else replies.batch()
                return None
            name_at += 1
        name_end = string_end(data, name_at, at, following)
        name = data[name_at : name_end - 1] if name_end - name_at > 1 else b""
        if kind == PARSE:
            change = self._parse(name, data, name_end, following)
        elif kind == CLOSE:
            change = self.statements.close(name)
        else:
            named = self.statements.named.get(name) if len(name) else None
            verdict = self.statements.verdict(name, named) if kind == BIND else None
            if verdict is None:
                change = self.statements.refer(name, named)
            else:
                change = self._bind(name, named, verdict)
        if change is None:
            return None
        before, new_name = change
        return name_at, name_end, before, new_name

    def _parse(
        self,
        name: bytes,
        data: bytes,
        text_at: i64,
        following: i64,
    ) -> Renamed | None:
        definition = data[text_at:following] if following <= len(data) else b""
        if definition and definition == self.verdicts.latest_definition:
            return self._prepare(name, definition, None)
        database = self.database
        assert database is not None
        replies = database.replies
        limit = min(following, text_at + MAX_STATEMENT + 1)
        sql = text(data, text_at, limit, following)
        if sql is None:
            if len(data) < limit:
                raise Incomplete
            change = self.statements.parse_unkept(name)
            if replies.counting and limit < following:
                self.verdict_sink.statement_runs(oversize(data[text_at:limit]))
            return change
        if following > len(data):
            raise Incomplete
        verdict = self.verdicts.look_at_parse(sql, definition)
        if verdict is not None:
            self._keep_startup_values(verdict, runs=False)
        change = self._prepare(name, definition, verdict)
        if replies.counting:
            if self.verdicts.parse_pins:
                self.verdict_sink.statement_runs(
                    parse_message(sql.decode("utf-8", "replace"))
                )
            elif verdict is not None:
                self.verdict_sink.statement_prepared(verdict)
        return change

    def _prepare(
        self,
        name: bytes,
        definition: bytes,
        verdict: Verdict | None,
    ) -> Renamed | None:
        self.traffic.parses += 1
        if name:
            return self.statements.parse(name, definition, verdict)
        self.statements.parse_unnamed(definition, verdict)
        return None

    def _bind(
        self, name: bytes, named: Statement | None, verdict: Verdict
    ) -> Renamed | None:
        """Bind to the statement name: named, if there is one, with a verdict."""
        self._keep_startup_values(verdict, runs=True)
        change = self.statements.refer(name, named)
        assert self.database is not None
        if not self.database.replies.counting:
            return change
        released = self.statements.release(verdict.names, hidden=False)
        self._report(verdict, prepared=True)
        if not released:
            return change
        before, new_name = change or (b"", name)
        return before + released, new_name


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
    limit: i64 = min(following, message_at + MAX_NAMES_END)
    here: i64 = min(limit, len(data))
    end: i64 = at
    while end < here:  # most names are short
        if not data[end]:
            return end + 1
        end += 1
    if here < limit:
        raise Incomplete
    raise ProtocolViolation("invalid string in message")


def text(data: bytes, at: i64, limit: i64, following: i64) -> bytes | None:
    """The text at at, if its end is before limit and here.

    What follows it in most messages is that there are no parameter types.
    """
    end: i64 = following - TEXT_END
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


def renamed(out: BytesWriter, data: bytes, at: int, size: int, change: Change) -> int:
    """Write the message up to the end of its name; where the rest of it begins."""
    name_at, rest, before, name = change
    out.write(before)
    out.append(data[at])
    write_i32_be(out, size + len(name) - (rest - name_at - 1))
    out.write(data[at + 5 : name_at])
    out.write(name)
    out.append(0)
    return rest

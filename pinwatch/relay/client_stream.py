"""The messages of a client that is logged in, on their way to the server.

Owns the client's half of the stream. Finds the message boundaries, counts the expected
replies, and replaces the names of prepared statements by those of the server. Forwards
all other bytes unchanged, in the chunks in which they arrived. Does not know sockets or
pools.

A message is buffered only until its relevant part has arrived: the text of a statement
up to 16 KB, or the names in its first bytes.
"""

from typing import Final, Protocol

from librt.strings import BytesWriter, read_i32_be
from mypy_extensions import i64

from pinwatch.counters import Traffic
from pinwatch.errors import ClientError
from pinwatch.pins.cache import Expensive, VerdictCache
from pinwatch.pins.databases import DatabaseStatements
from pinwatch.pins.effects import Effect
from pinwatch.pins.verdict import Verdict, oversize, parse_message
from pinwatch.relay.client_messages import (
    IGNORED_WHEN_IDLE,
    MAX_NAMES_END,
    MAX_QUERY,
    MAX_SHORT_MESSAGE,
    MAX_STATEMENT,
    NAMES_A_STATEMENT,
    NO_BODY,
    OVERSIZE_PREFIX,
    STARTS_REQUEST,
    STATEMENT,
    Incomplete,
    Reference,
    bad_kind,
    bad_length,
    function_oid,
    header,
    renamed,
    string_end,
    text,
)
from pinwatch.relay.database_stream import DatabaseStream
from pinwatch.relay.prepared import ClientStatements, Renamed, Unsettled
from pinwatch.relay.startup_defaults import StartupDefaults
from pinwatch.wire.messages import (
    BIND,
    CLOSE,
    COPY_DATA,
    COPY_DONE,
    COPY_FAIL,
    EXECUTE,
    FLUSH,
    FUNCTION_CALL,
    HEADER,
    IDLE,
    MAX_IDENTIFIER,
    MAX_MESSAGE,
    PARSE,
    QUERY,
    SYNC,
    TERMINATE,
    error_response,
    ready_for_query,
)

# Flags of dropping_portals.
UNNAMED_PORTAL: Final = 1
NAMED_PORTALS: Final = 2
BEING_BOUND: Final = 4


class VerdictSink(Protocol):
    """Receives each verdict that ``VerdictCache.look`` returns."""

    pinned: bool

    def statement_runs(self, verdict: Verdict, prepared: bool = False) -> None:
        """Handle a statement that is sent to run; prepared is true for a Bind."""

    def statement_prepared(self, verdict: Verdict) -> None:
        """Handle a statement that is sent to be parsed, and may run later."""

    def function_runs(self, oid: int) -> None:
        """Handle a FunctionCall; oid is the object identifier of the function."""


class Release:
    """Databases whose idle connections must be closed before a statement is sent."""

    __slots__ = ("databases", "done", "started")

    def __init__(self, databases: frozenset[bytes]) -> None:
        self.databases = databases
        self.started = False
        self.done = False


class ClientStream:
    """The messages of one client."""

    __slots__ = (
        "blocked",
        "chunks",
        "chunks_size",
        "database",
        "database_statements",
        "defaults",
        "dropping",
        "dropping_portals",
        "failed_batch",
        "input",
        "judging",
        "needed",
        "passing",
        "release",
        "statements",
        "terminated",
        "traffic",
        "verdict_sink",
        "verdicts",
    )

    def __init__(
        self,
        statements: ClientStatements,
        verdicts: VerdictCache,
        verdict_sink: VerdictSink,
        traffic: Traffic,
        database_statements: DatabaseStatements,
    ) -> None:
        self.statements = statements
        self.database: DatabaseStream | None = None  # of the borrowed connection
        self.verdicts = verdicts
        self.verdict_sink = verdict_sink
        self.traffic = traffic
        self.input = b""  # received, not forwarded yet
        self.chunks: list[bytes] = []  # received after input
        self.chunks_size: i64 = 0  # bytes of all chunks
        self.needed: i64 = 0  # bytes of input and chunks that the next step needs
        self.passing: i64 = 0  # missing bytes of a message that is forwarded in part
        # Bytes to drop at the start of the input; not all of them may have arrived.
        self.dropping: i64 = 0
        self.dropping_portals: i64 = 0  # portals whose Execute may drop statements
        self.failed_batch = False  # after an error, drop messages up to the Sync
        self.blocked = False  # the input waits for replies, a verdict or a release
        self.database_statements = database_statements
        self.release: Release | None = None  # the blocked input waits for it
        self.terminated = False
        self.judging: bytes | None = None  # the blocked text, for a worker thread
        self.defaults = StartupDefaults()

    # Buffered input.

    @property
    def size(self) -> int:
        """The number of buffered bytes."""
        return len(self.input) + self.chunks_size

    def buffer(self, data: bytes) -> None:
        """Append data to the buffered input."""
        if not self.input:
            self.input = data
        elif data:
            self.chunks.append(data)
            self.chunks_size += len(data)

    def _join(self) -> None:
        """Join all buffered input into ``input``."""
        self.input = b"".join([self.input, *self.chunks])
        self.chunks.clear()
        self.chunks_size = 0

    # Without a database connection.

    def starts_with_request(self) -> bool:
        """Return True if the input begins with a whole message of a request."""
        if self.chunks:
            self._join()
        data = self.input
        end = len(data)
        if self.dropping or self.failed_batch or end < 5:
            return False
        size = read_i32_be(data, 1)
        return 4 <= size < end and STARTS_REQUEST[data[0]] == 1

    def answer_without_connection(self) -> bytes:
        """Remove messages that need no connection; return the answers to them.

        The input is empty afterwards, begins with a message that needs a connection or
        is a Terminate, or is shorter than a message's header. Raises ProtocolViolation.
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
            elif self.failed_batch:
                self._count(kind)
            elif kind not in IGNORED_WHEN_IDLE:
                break
            at += size + 1
        self.dropping = max(at - end, 0)
        self.input = data[at:] if at < end else b""
        return b"".join(answers)

    def needs_own_defaults(self) -> bool:
        """Return True if the input needs a connection opened with startup values.

        It does if a whole message in it, except the first one, runs or prepares a
        statement that resets a setting, or reads the defaults in pg_settings. For the
        first message, ``StartupDefaults.keep`` finds out in time. The input must begin
        with the whole header of a valid message.
        """
        data, prepared = self.input, self.defaults.prepared
        end: i64 = len(data)
        first: int = read_i32_be(data, 1)
        at: i64 = first + 1
        while end - at > 4:
            kind: i64 = data[at]
            size: int = read_i32_be(data, at + 1)
            following: i64 = at + size + 1
            if size < 4 or following > end:
                return False
            if kind == QUERY or kind == PARSE or (kind == BIND and prepared):
                try:
                    verdict = self._verdict(kind, data, at, following)
                except (Expensive, Incomplete):
                    return False  # ``forward`` finds out
                if verdict is not None and verdict.uses_defaults:
                    return True
            at = following
        return False

    def _verdict(
        self, kind: i64, data: bytes, at: i64, following: i64
    ) -> Verdict | None:
        """Return the verdict on the statement that a whole message runs or prepares.

        Raises Expensive, Incomplete and ProtocolViolation.
        """
        if kind == QUERY:
            if following - at > MAX_QUERY + 1:
                return None
            return self.verdicts.look(data[at + 5 : following - 1])
        second: i64 = string_end(data, at + 5, at, following)
        if kind == PARSE:
            if data[second:following] == self.verdicts.latest_definition:
                return None
            limit: i64 = min(following, second + MAX_STATEMENT + 1)
            sql = text(data, second, limit, following)
            return None if sql is None else self.verdicts.look(sql)
        name = data[second : string_end(data, second, at, following) - 1]
        return self.statements.verdict(name, self.statements.named.get(name))

    def needs_connection(self) -> bool:
        """Return True if enough of the first message is here to borrow a connection.

        Call ``answer_without_connection`` first.
        """
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
        """Return True if the input holds a Terminate behind complete messages."""
        if self.chunks:
            self._join()
        data, at = self.input, int(self.dropping)
        while len(data) - at > 4:
            kind, size = HEADER.unpack_from(data, at)
            if kind == TERMINATE:
                return True
            at += max(size, 4) + 1
        return False

    def fail(self, error: ClientError) -> bytes:
        """Drop the first request of the input; return the error as its answer."""
        kind, size = header(self.input, 0)
        self.needed = 0
        answer = error_response(error.severity, error.sqlstate, error.text)
        if kind == QUERY or kind == FUNCTION_CALL:
            self._count(kind)
            self.dropping = size + 1
            return answer + ready_for_query(IDLE)
        self.failed_batch = True
        return answer

    def _count(self, kind: int) -> None:
        """Count a message that no database connection receives."""
        self.traffic.queries += kind == QUERY
        self.traffic.statements += kind in (QUERY, EXECUTE)

    # With a database connection.

    def forward(self, data: bytes) -> bytes:  # noqa: C901 - one pass, a branch a type
        """Return the bytes to send to the server; buffer the others.

        data follows the buffered input. Raises ProtocolViolation.
        """
        database = self.database
        assert database is not None
        replies = database.replies
        if self.input != b"":
            if data != b"" or self.chunks:
                self.buffer(data)
                if self.size < self.needed:
                    return b""
                self._join()
            data = self.input
            self.input = b""
        self.needed = 0
        end: i64 = len(data)
        at: i64 = self.passing
        start: i64 = 0  # of the bytes that are forwarded unchanged
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
                    self.needed = size + 1 if size <= MAX_QUERY else OVERSIZE_PREFIX
                    break
                try:
                    before = self._query(data, at, following)
                except Unsettled:
                    self.blocked = True
                    break
                if before != b"":
                    changed = BytesWriter() if changed is None else changed
                    changed.write(data[start:at])
                    changed.write(before)
                    start = at
                if self.defaults.restoring is not None:
                    self.blocked = True
                    at = following
                    break
            elif kind == SYNC:
                if size != 4:
                    raise bad_length(size)
                replies.sync()
                if self.defaults.restoring is not None:
                    self.blocked = True
                    at = following
                    break
            elif kind == EXECUTE:
                if size > MAX_SHORT_MESSAGE:
                    raise bad_length(size)
                if self.dropping_portals:
                    self._executes(data, at)
                replies.batch()
                self.traffic.statements += 1
            elif NAMES_A_STATEMENT[kind]:
                try:
                    name_at, rest, change = self._refer(kind, data, at, following)
                except Incomplete:
                    self.needed = min(following - at, 2 * (end - at), MAX_NAMES_END)
                    break
                except Unsettled:
                    self.blocked = True
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
                    start = renamed(changed, data, at, following, name_at, rest, change)
            elif kind == FUNCTION_CALL:
                if self.verdicts.profile.notes_unseen and replies.counting:
                    self.verdict_sink.function_runs(function_oid(data, at))
                replies.query()
            elif kind == COPY_DONE or kind == COPY_FAIL:
                if size > MAX_SHORT_MESSAGE or (kind == COPY_DONE and size != 4):
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
        """Count a Query; return the messages to send before it.

        A Query longer than MAX_QUERY may have arrived in part. Raises Unsettled.
        """
        database = self.database
        assert database is not None
        replies, before = database.replies, b""
        if following - at > MAX_QUERY + 1:
            if replies.counting:
                self._report(oversize(data[at + 5 : min(len(data), following - 1)]))
                replies.drops_statements()  # possibly: the text is not inspected
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
                before = self._before_query(verdict)
        statements, server = self.statements, database.statements
        if statements.unnamed is not None or server.unnamed is not None:
            statements.queried()
        replies.query()
        self.traffic.queries += 1
        self.traffic.statements += 1
        return before

    def _release_first(self, sql: bytes) -> None:
        """Block a statement until the databases that it needs have no idle connections.

        Raises Unsettled until the pool has closed these connections.
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

    def _before_query(self, verdict: Verdict) -> bytes:
        """Report the verdict on a Query; return the messages to send before it.

        Raises Unsettled.
        """
        database = self.database
        assert database is not None
        resets = self._keep_startup_values(verdict, runs=True)
        replies, named = database.replies, self.statements.named
        before = b""
        if any(name in named for name in verdict.names) and not replies.in_request():
            if replies.due:
                raise Unsettled
            before = database.hidden_batch(
                self.statements.release(verdict.names, hidden=True)
            )
        self.defaults.restore_later(resets)
        self._report(verdict)
        if verdict.drops_statements:
            replies.drops_statements()
        return before

    def _report(self, verdict: Verdict, prepared: bool = False) -> None:
        self.verdict_sink.statement_runs(verdict, prepared)
        if verdict.findings:
            self.statements.pinned = True

    def _keep_startup_values(self, verdict: Verdict, runs: bool) -> tuple[Effect, ...]:
        """Call ``StartupDefaults.keep`` for a text with defaults; raises Unsettled."""
        if not verdict.uses_defaults:
            return ()
        database = self.database
        assert database is not None
        return self.defaults.keep(verdict, runs, database, self.verdict_sink.pinned)

    def _refer(self, kind: i64, data: bytes, at: i64, following: i64) -> Reference:
        """Handle a message that names a prepared statement or a portal.

        Raises Incomplete, Unsettled and ProtocolViolation.
        """
        database = self.database
        assert database is not None
        replies = database.replies
        name_at: i64 = at + 5
        if kind == BIND:
            name_at = string_end(data, name_at, at, following)
        elif kind != PARSE:
            if following - at > MAX_SHORT_MESSAGE + 1:
                raise bad_length(following - at - 1)
            if name_at >= len(data):
                raise Incomplete
            if data[name_at] != STATEMENT:
                replies.plain() if kind == CLOSE else replies.batch()
                return name_at, name_at, None
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
        return name_at, name_end, change

    def _refer_by_long_name(
        self, kind: i64, name: bytes, data: bytes, name_end: i64, following: i64
    ) -> Renamed | None:
        """Handle a long name: the server compares only its first 63 bytes."""
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
        """Handle a Bind to a statement, or a Describe of one.

        Raises Incomplete for a Describe that has not arrived completely.
        """
        statements, database = self.statements, self.database
        assert database is not None
        if kind != BIND and following > len(data):
            raise Incomplete
        named = statements.named.get(name) if name != b"" else None
        if kind != BIND:
            return statements.refer(name, named, True)
        if self.database_statements.enabled and database.replies.counting:
            self._release_first(statements.text(name, named))
        verdict = statements.verdict(name, named)
        if verdict is None:
            return statements.refer(name, named, False)
        statements.wait_for(verdict.names)
        resets = self._keep_startup_values(verdict, runs=True)
        change = statements.refer(name, named, False)
        self.defaults.restore_later(resets)
        if verdict.drops_statements:
            self.dropping_portals |= BEING_BOUND
        if database.replies.counting:
            change = self._bind(name, change, verdict)
        return change

    def _bound(self, named_portal: bool) -> None:
        """Note whether an Execute of the portal may drop prepared statements.

        All named portals share one flag: once one may drop statements, all of them may.
        """
        portal = NAMED_PORTALS if named_portal else UNNAMED_PORTAL
        if self.dropping_portals & BEING_BOUND:
            self.dropping_portals = (self.dropping_portals | portal) & ~BEING_BOUND
        elif not named_portal:
            self.dropping_portals &= NAMED_PORTALS

    def _executes(self, data: bytes, at: i64) -> None:
        """Handle an Execute while a portal may drop prepared statements."""
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
        if name != b"" and not name.isascii() and self._is_invalid(name):
            return self.statements.parse_unkept(name)
        definition = data[text_at:following] if following <= len(data) else b""
        if definition != b"" and definition == self.verdicts.latest_definition:
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
                self._report(parse_message(sql.decode("utf-8", "replace")))
            elif verdict is not None:
                self.verdict_sink.statement_prepared(verdict)
        return change

    def _look_at_parse(self, sql: bytes, definition: bytes) -> Verdict | None:
        """Return the verdict on a text; raises Unsettled if the Parse must wait."""
        try:
            verdict = self.verdicts.look_at_parse(sql, definition)
        except Expensive:
            self.judging = sql
            raise Unsettled from None
        if verdict is not None:
            self._keep_startup_values(verdict, runs=False)
        return verdict

    def _parse_unkept(
        self, name: bytes, beginning: bytes, too_long: bool
    ) -> Renamed | None:
        """Handle a Parse whose text is too long to keep, or is not terminated."""
        change = self.statements.parse_unkept(name)
        assert self.database is not None
        if too_long and self.database.replies.counting:
            self._report(oversize(beginning))
        return change

    def _is_invalid(self, name: bytes) -> bool:
        """Return True if the server will reject the encoding of the name."""
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
        if name != b"":
            return self.statements.parse(name, definition, verdict)
        return self.statements.parse_unnamed(definition, verdict)

    def _bind(
        self, name: bytes, change: Renamed | None, verdict: Verdict
    ) -> Renamed | None:
        """Handle a Bind to a statement that has a verdict."""
        own = name in verdict.names and name in self.statements.named
        released = self.statements.release(verdict.names, hidden=False)
        self._report(verdict, prepared=True)
        if not released:
            return change
        before, new_name, after = change or (b"", name, b"")
        return released + before, name if own else new_name, after

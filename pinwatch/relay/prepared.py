"""Prepared statements of the protocol, which outlast a borrow of a connection.

Owns the statements behind each client's names, and the statements of each database
connection. Clients that prepare the same text with the same parameter types share one
statement, under a name that the proxy chooses. A connection that lacks a statement
gets a hidden message first: a Parse whose reply the proxy does not forward. Every
Parse, Describe and Close of a client is sent to the server, so that every reply is the
server's own; the one exception is a Parse past max_prepared_statement_bytes.

The methods for a message that names a statement raise ``Unsettled`` while an earlier,
unanswered message may still change that statement.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from mypy_extensions import i64

from pinwatch.counters import TargetCounters
from pinwatch.pins.verdict import Verdict
from pinwatch.relay.parameters import NO_PARAMETERS
from pinwatch.relay.reply_tracker import Change, ReplyTracker
from pinwatch.relay.statements import Registry, Statement
from pinwatch.wire.messages import (
    FLUSH_MESSAGE,
    close_statement,
    describe_statement,
    parse,
)

CLOSE_UNNAMED: Final = close_statement(b"")
MAX_SHOWN_NAME: Final = 1_024  # bytes of a name in an error text
MAX_OLD_NAMES: Final = 64  # of one client
OVERHEAD: Final = 512  # bytes of a kept statement besides its text and name


Renamed = tuple[bytes, bytes | None, bytes]
"""The messages to send before a message, its new name, and those to send after it.

A message whose new name is None is not sent.
"""


class Unsettled(Exception):
    """The message must wait: for replies, a verdict, a release or a connection."""


class ServerStatements:
    """The shared statements of one database connection, at most limit of them.

    held is ordered by use, the least recent first. It maps each statement to the number
    of the Change that prepared it, or to -1 after an undone Close.
    """

    __slots__ = (
        "counters",
        "held",
        "latest",
        "limit",
        "replies",
        "unnamed",
        "unnamed_batch",
    )

    def __init__(
        self, limit: int, counters: TargetCounters, replies: ReplyTracker
    ) -> None:
        self.limit = limit
        self.counters = counters
        self.replies = replies
        self.held: OrderedDict[Statement, int] = OrderedDict()
        self.latest: Statement | None = None  # the most recently used, if still held
        self.unnamed: object = None
        self.unnamed_batch: i64 = -1  # the batch that prepared it

    def use(self, statement: Statement) -> bool:
        """Mark statement as the most recently used; return False if it is not held."""
        if statement is self.latest:
            return True
        if statement not in self.held:
            return False
        self.held.move_to_end(statement)
        self.latest = statement
        return True

    def hold(self, statement: Statement, number: int = -1) -> None:
        """Record that the connection has statement, and that it is used now."""
        self.held[statement] = number
        self.held.move_to_end(statement)
        self.latest = statement

    def prepare(self, statement: Statement) -> bytes:
        """Return the hidden messages that prepare statement, b"" if it is held."""
        if self.use(statement):
            return b""
        self.counters.reparsed += 1
        room = self.clear_name(statement) + self.make_room()
        self.add(statement, Added(self, statement, swallow=True))
        return room + parse(statement.name, statement.definition)

    def add(self, statement: Statement, change: "Added") -> None:
        """Record that a Parse of statement is being sent."""
        self.replies.change(change)
        self.hold(statement, change.number)
        statement.name_sent = True

    def make_room(self) -> bytes:
        """Return the messages that close old statements until one more fits."""
        excess = len(self.held) + 1 - self.limit
        return b"".join([self.remove(next(iter(self.held))) for _ in range(excess)])

    def remove(self, statement: Statement) -> bytes:
        """Return the message that closes statement, b"" if it is not held."""
        if statement not in self.held:
            return b""
        self.forget(statement)
        self.replies.change(Removed(self, statement))
        return close_statement(statement.name)

    def clear_name(self, statement: Statement) -> bytes:
        """Return the Close that frees the name of statement on the connection.

        A client can read the name from pg_prepared_statements and PREPARE another
        statement under it. The Close of a name that does not exist is no error.
        """
        if statement in self.held or not statement.name_sent:
            return self.remove(statement)
        self.replies.change(Change(swallow=True))
        return close_statement(statement.name)

    def forget(self, statement: Statement) -> None:
        """Record that the server does not have the statement."""
        self.held.pop(statement, None)
        if statement is self.latest:
            self.latest = None

    def forget_all(self) -> None:
        """Remove all statements except those that are being prepared."""
        due = [item for item in self.held.items() if self.replies.is_due(item[1])]
        self.held = OrderedDict(due)
        self.latest = None

    def clear(self) -> None:
        """Remove all statements: the server has none."""
        self.held.clear()
        self.latest = None


class Added(Change):
    """A Parse; statement counts as prepared as soon as the Parse is sent."""

    __slots__ = ("server", "statement")

    def __init__(
        self, server: ServerStatements, statement: Statement, swallow: bool
    ) -> None:
        super().__init__(swallow)
        self.server = server
        self.statement = statement

    def undo(self) -> None:
        self.server.forget(self.statement)


class Removed(Change):
    """A hidden Close of a statement that the connection holds."""

    __slots__ = ("server", "statement")

    def __init__(self, server: ServerStatements, statement: Statement) -> None:
        super().__init__(swallow=True)
        self.server = server
        self.statement = statement

    def undo(self) -> None:
        self.server.hold(self.statement)


class Unnamed(Change):
    """A hidden Parse or Close of the unnamed statement."""

    __slots__ = ("server",)

    def __init__(self, server: ServerStatements) -> None:
        super().__init__(swallow=True)
        self.server = server

    def undo(self) -> None:
        self.server.unnamed = None


class UnnamedByClient(Change):
    """A client's Parse or Close of its unnamed statement that may be skipped.

    The server skips it after the error of an earlier message in the batch, hidden ones
    included. The earlier unnamed statement then stays. A Parse that fails by itself
    drops it.
    """

    __slots__ = ("after", "before", "client", "server", "server_before", "verdict")
    unnamed = True

    def __init__(
        self,
        server: ServerStatements,
        client: "ClientStatements",
        after: object,
    ) -> None:
        super().__init__(swallow=False)
        self.server = server
        self.client = client
        self.server_before = server.unnamed
        self.before = client.unnamed
        self.verdict = client.unnamed_verdict
        self.after = after

    def doubt(self) -> None:
        if self.after is not None and self.server_before is self.before:
            self.client.doubtful_unnamed = self.before

    def undo(self) -> None:
        client, server = self.client, self.server
        if client.unnamed is self.after:
            client.unnamed, client.unnamed_verdict = self.before, self.verdict
        if server.unnamed is self.after:
            server.unnamed = self.server_before


class UnnamedByQuery(UnnamedByClient):
    """A Query in a batch; unless skipped, it drops the unnamed statement."""

    __slots__ = ()
    answered = False

    def redo(self) -> None:
        client, server = self.client, self.server
        if client.unnamed is self.before:
            client.unnamed = None
        if server.unnamed is self.server_before:
            server.unnamed = None


class Named(Added):
    """A client's Parse of a named statement."""

    __slots__ = ("client", "name")

    def __init__(
        self,
        server: ServerStatements,
        statement: Statement,
        client: "ClientStatements",
        name: bytes,
    ) -> None:
        super().__init__(server, statement, swallow=False)
        self.client = client
        self.name = name

    def undo(self) -> None:
        super().undo()
        self.client.drop(self.name)


class TemporaryNameClosed(Change):
    """The hidden Close of a name that served to parse an EXECUTE.

    See ``_add_temporary_name``. If the server skips it, a fence must drop the name.
    """

    __slots__ = ("replies",)

    def __init__(self, replies: ReplyTracker) -> None:
        super().__init__(swallow=True)
        self.replies = replies

    def undo(self) -> None:
        self.replies.needs_fence = True


class Probe(Change):
    """A hidden Close whose reply shows that the messages before it have run.

    It is no probe for hidden state.
    """

    __slots__ = ("replies",)

    def __init__(self, replies: ReplyTracker) -> None:
        super().__init__(swallow=True)
        self.replies = replies

    def completed(self) -> None:
        self.replies.uncertain_batch = -1
        self.replies.probing = False

    def undo(self) -> None:
        self.completed()


class Unshared(Change):
    """A message after which a client's name no longer stands for a shared statement.

    It is the client's Close, after which the shared statement stays on the server, or
    a hidden Parse of the statement's text under the client's name.
    """

    __slots__ = ("client", "name", "statement")

    def __init__(
        self,
        client: "ClientStatements",
        name: bytes,
        statement: Statement,
        swallow: bool,
    ) -> None:
        super().__init__(swallow)
        self.client = client
        self.name = name
        self.statement = statement

    def undo(self) -> None:
        self.client.add(self.name, self.statement)


class ClientStatements:
    """The prepared statements of one client session, by the client's names.

    The methods for messages of the client return a ``Renamed``, or None to send the
    message unchanged. They raise ``Unsettled`` before they change any state.
    """

    __slots__ = (
        "doubtful_unnamed",
        "kept_bytes",
        "long_names",
        "named",
        "names",
        "old_names",
        "pinned",
        "registry",
        "server",
        "settings",
        "unnamed",
        "unnamed_verdict",
    )

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.server: ServerStatements | None = None  # of the borrowed connection
        self.settings = NO_PARAMETERS  # affect how the SQL is parsed
        self.named: dict[bytes, Statement] = {}
        self.names: dict[bytes, bytes] = {}  # keys of named, by statement's name
        self.long_names: dict[bytes, bytes] = {}  # unabridged, for error texts
        # Dropped names, for the errors of messages that were sent before.
        self.old_names: dict[bytes, bytes] = {}
        self.kept_bytes: i64 = 0  # size of named
        self.pinned = False  # if true, new statements keep the client's names
        self.unnamed: object = None
        self.unnamed_verdict: Verdict | None = None
        # The unnamed statement from before an error, if it may or may not exist now: a
        # Parse that failed has dropped it, and a Parse that was skipped has not.
        self.doubtful_unnamed: object = None

    def add(self, name: bytes, statement: Statement) -> None:
        self.drop(name)
        self.named[name] = statement
        self.names[statement.name] = name
        self.kept_bytes += kept_bytes(name, statement.definition)

    def drop(self, name: bytes) -> None:
        statement = self.named.pop(name, None)
        if statement is not None:
            del self.names[statement.name]
            if len(self.old_names) >= MAX_OLD_NAMES:
                del self.old_names[next(iter(self.old_names))]
            self.old_names[statement.name] = name
            self.long_names.pop(statement.name, None)
            self.kept_bytes -= kept_bytes(name, statement.definition)

    def verdict(self, name: bytes, named: Statement | None) -> Verdict | None:
        """Return the verdict on the statement with this name, or None.

        named is the shared statement behind the name, or None.
        """
        if named is not None:
            return named.verdict
        return None if name != b"" or self.unnamed is None else self.unnamed_verdict

    def text(self, name: bytes, named: Statement | None) -> bytes:
        """Return the SQL of the statement; b"" if it is unknown or was not kept."""
        definition: object = b"" if name else self.unnamed
        if named is not None:
            definition = named.definition
        return definition.split(b"\0", 1)[0] if isinstance(definition, bytes) else b""

    def parse(
        self,
        name: bytes,
        definition: bytes,
        verdict: Verdict | None,
    ) -> Renamed | None:
        """Handle a Parse of a named statement."""
        server = self.server
        assert server is not None
        replies = server.replies
        known = self._find(name)
        if known is not None:
            replies.batch()
            if not replies.counting:
                return None
            out = server.prepare(known)
            replies.change(Change(swallow=False))  # the server rejects the name
            return out, known.name, b""
        if self.pinned:
            out = self._release_for(verdict)
            replies.plain()
            return self._with_client_name(name, out)
        replies.batch()
        if not replies.counting:
            return None
        size = self.kept_bytes + kept_bytes(name, definition)
        if size > self.registry.max_client_bytes:
            return describe_statement(self.registry.rejected_name), None, b""
        return self._share(name, definition, verdict)

    def _share(
        self, name: bytes, definition: bytes, verdict: Verdict | None
    ) -> Renamed:
        server = self.server
        assert server is not None
        temporary = self._add_temporary_name(verdict)
        registry = self.registry
        statement = registry.statement(definition, self.settings)
        if temporary or statement.name in self.names:
            statement = registry.private(definition)
        statement.verdict = verdict
        out = temporary + server.clear_name(statement) + server.make_room()
        server.add(statement, Named(server, statement, self, name))
        self.add(name, statement)
        return out, statement.name, self._close_temporary_name(temporary, verdict)

    def _find(self, name: bytes) -> Statement | None:
        """Return the client's statement with this name, or None.

        Raises ``Unsettled`` while earlier messages may change it.
        """
        server = self.server
        assert server is not None
        _wait_for_earlier_changes(server.replies)
        return self.named.get(name)

    def _with_client_name(self, name: bytes, before: bytes = b"") -> Renamed | None:
        """Return the change that keeps the client's name, or sends its alias."""
        alias = self.registry.alias(name)
        if alias is None and not before:
            return None
        return before, alias or name, b""

    # When the server parses an EXECUTE, it looks up the statement that the SQL names.

    def _add_temporary_name(self, verdict: Verdict | None) -> bytes:
        """Return a Parse of the statement that SQL names, under the client's name."""
        if verdict is None or not executes_one(verdict):
            return b""
        statement = self.named.get(verdict.names[0])
        server = self.server
        if statement is None:
            return b""
        assert server is not None
        server.replies.change(Change(swallow=True))
        return parse(verdict.names[0], statement.definition)

    def _close_temporary_name(self, temporary: bytes, verdict: Verdict | None) -> bytes:
        server = self.server
        if not temporary or verdict is None:
            return b""
        assert server is not None
        server.replies.change(TemporaryNameClosed(server.replies))
        return close_statement(verdict.names[0])

    def _release_for(self, verdict: Verdict | None) -> bytes:
        server = self.server
        assert server is not None
        if verdict is None or not server.replies.counting:
            return b""
        return self.release(verdict.names, hidden=False)

    def parse_unnamed(
        self,
        definition: object,
        verdict: Verdict | None,
    ) -> Renamed | None:
        """Handle a Parse of the unnamed statement.

        definition is a new object if the statement is not to be kept.
        """
        server = self.server
        assert server is not None
        replies = server.replies
        change: Renamed | None = None
        executes = verdict is not None and executes_one(verdict)
        if executes:
            _wait_for_earlier_changes(replies)
        if executes or replies.may_be_skipped():
            replies.batch()
            if not replies.counting:
                return None
            change = self._change_unnamed(server, definition, verdict, executes)
        else:
            replies.unnamed_parse()
        self.unnamed = server.unnamed = definition
        self.unnamed_verdict = verdict
        server.unnamed_batch = replies.batches
        return change

    def _change_unnamed(
        self,
        server: ServerStatements,
        definition: object,
        verdict: Verdict | None,
        executes: bool,
    ) -> Renamed | None:
        """Record a Parse that may be skipped, or whose SQL is an EXECUTE."""
        temporary = b"" if self.pinned else self._add_temporary_name(verdict)
        before = temporary
        if self.pinned and executes:
            before = self._release_for(verdict)
        server.replies.change(UnnamedByClient(server, self, definition))
        after = self._close_temporary_name(temporary, verdict)
        return (before, b"", after) if before else None

    def parse_unkept(self, name: bytes) -> Renamed | None:
        """Handle a Parse of a statement that is not kept.

        The statement is too long, which pins the session; or the server will reject it,
        because its text has no NUL or its name is not UTF-8. The statement keeps the
        client's name, unless that is taken.
        """
        server = self.server
        assert server is not None
        replies = server.replies
        if not name:
            self.parse_unnamed(object(), None)
            return None
        known = self._find(name)
        if known is None or not replies.counting:
            replies.plain()
            return self._with_client_name(name)
        replies.batch()
        out = server.prepare(known)
        replies.change(Change(swallow=False))  # the server rejects the name
        return out, known.name, b""

    def refer(
        self,
        name: bytes,
        named: Statement | None,
        describes: bool,
    ) -> Renamed | None:
        """Handle a Bind to, or a Describe of, a statement.

        named is the shared statement behind the name, or None.
        """
        server = self.server
        assert server is not None
        replies = server.replies
        if named is None and name == b"":
            return self._refer_to_unnamed(describes)
        _wait_for_earlier_changes(replies)
        replies.batch()
        if named is None:
            return self._with_client_name(name)
        if not replies.counting:
            return None
        if not describes:
            return server.prepare(named), named.name, b""
        temporary = self._add_temporary_name(named.verdict)
        out = temporary + server.prepare(named)
        return out, named.name, self._close_temporary_name(temporary, named.verdict)

    def _refer_to_unnamed(self, describes: bool) -> Renamed | None:
        server = self.server
        assert server is not None
        replies = server.replies
        own = server.unnamed is self.unnamed and self.unnamed is not None
        verdict = self.unnamed_verdict
        executes = describes and verdict is not None and executes_one(verdict)
        if own and server.unnamed_batch == replies.batches and not executes:
            replies.batch()
            return None
        if replies.due.length and replies.in_doubt():
            raise Unsettled
        replies.batch()
        if not replies.counting or (own and not executes):
            return None
        unnamed = self.unnamed
        if not own and not isinstance(unnamed, bytes):
            replies.change(Unnamed(server))
            server.unnamed = self.unnamed = None
            return CLOSE_UNNAMED, b"", b""
        out = temporary = self._add_temporary_name(verdict) if executes else b""
        if not own and isinstance(unnamed, bytes):
            replies.change(Unnamed(server))
            server.unnamed = unnamed
            out += parse(b"", unnamed)
        return out, b"", self._close_temporary_name(temporary, verdict)

    def close(self, name: bytes) -> Renamed | None:
        """Handle a Close of a statement."""
        server = self.server
        assert server is not None
        replies = server.replies
        if not name:
            self._close_unnamed()
            return None
        statement = self._find(name)
        if statement is None or not replies.counting:
            replies.plain()
            return self._with_client_name(name)
        replies.batch()
        self.drop(name)
        replies.change(Unshared(self, name, statement, swallow=False))
        return b"", self.registry.unused_name, b""

    def _close_unnamed(self) -> None:
        server = self.server
        assert server is not None
        replies = server.replies
        if replies.counting and replies.may_be_skipped():
            replies.batch()
            replies.change(UnnamedByClient(server, self, None))
        else:
            replies.plain()
        if replies.counting:
            self.unnamed = server.unnamed = None

    def wait_for(self, names: Iterable[bytes]) -> None:
        """Raise Unsettled if earlier messages may change statements that SQL names."""
        server = self.server
        assert server is not None
        if any(name in self.named for name in names):
            _wait_for_earlier_changes(server.replies)

    def release(self, names: Iterable[bytes], hidden: bool) -> bytes:
        """Return the Parse messages that let SQL use names of the client.

        Call this only for SQL that pins the session. With hidden, the messages are sent
        in a hidden batch, and their replies are not counted.
        """
        out: list[bytes] = []
        for name in names:
            statement = self.named.get(name)
            if statement is not None:
                self.drop(name)
                out.append(parse(name, statement.definition))
                if not hidden:
                    assert self.server is not None
                    self.server.replies.change(
                        Unshared(self, name, statement, swallow=True)
                    )
        return b"".join(out)

    def probe(self) -> bytes:
        """Return a probe if a message waits for SQL in its own batch, else b"".

        The SQL may drop statements; the reply to the probe shows that it has run.
        Without the Flush, the server would send the reply only at the Sync.
        """
        server = self.server
        assert server is not None
        replies = server.replies
        if not replies.needs_probe():
            return b""
        replies.probing = True
        replies.change(Probe(replies))
        return close_statement(self.registry.unused_name) + FLUSH_MESSAGE

    def resolve_unnamed(self, exists: bool) -> None:
        """Record whether the server still has the doubtful unnamed statement."""
        if not exists and self.unnamed is self.doubtful_unnamed:
            self.unnamed = None
        self.doubtful_unnamed = None

    def queried(self) -> None:
        """Record that a Query is being sent, which drops the unnamed statement."""
        server = self.server
        assert server is not None
        replies = server.replies
        if replies.in_request():
            if not replies.counting:
                return
            replies.change(UnnamedByQuery(server, self, None))
        self.unnamed = server.unnamed = None

    def forget_all(self) -> None:
        """Remove all statements except those that are being prepared."""
        server = self.server
        assert server is not None
        changes = server.replies.changes
        due = [change for change in changes if isinstance(change, Named)]
        self.named = {}
        self.old_names = self.names
        self.names = {}
        self.long_names = {}
        self.kept_bytes = 0
        for change in due:
            self.add(change.name, change.statement)

    def own_name(self, name: bytes) -> bytes | None:
        """Return the client's name of a statement that the proxy calls name."""
        for names in (self.long_names, self.names, self.old_names):
            own = names.get(name)
            if own is not None:
                return own
        return None

    def note_long_name(self, name: bytes, own: bytes) -> None:
        """Record own, the client's full name of what the proxy calls name."""
        if len(own) <= MAX_SHOWN_NAME and name in self.names:
            self.long_names[name] = own


def executes_one(verdict: Verdict) -> bool:
    """Return True if the SQL is an EXECUTE of one statement."""
    if len(verdict.names) != 1:
        return False
    return any(finding.rule == "execute" for finding in verdict.findings)


def kept_bytes(name: bytes, definition: bytes) -> i64:
    """Return the approximate size of a kept statement, in bytes."""
    return len(name) + len(definition) + OVERHEAD


def _wait_for_earlier_changes(replies: ReplyTracker) -> None:
    if replies.in_doubt():
        raise Unsettled

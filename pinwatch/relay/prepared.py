"""Prepared statements of the protocol, alive across database connections.

Owns the statements behind each client's names, and the statements of each database
connection. Clients that prepare the same text with the same parameter types share one
statement, under a name of the proxy's own. A connection that lacks a statement gets a
hidden Parse first, whose answer is swallowed. Every Parse, Describe and Close of a
client is sent to the server, so that every answer is the server's own.

A message that names a statement which an earlier, unanswered message may still change
waits: ``Unsettled`` is raised.
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
OVERHEAD: Final = 512  # bytes of a kept statement beside its text and name


Renamed = tuple[bytes, bytes | None, bytes]
"""How a message changes: what precedes it, its name, and what follows it.

A message without a name is not sent.
"""


class Unsettled(Exception):
    """The message must wait until earlier messages are answered."""


class ServerStatements:
    """The shared statements of one database connection, at most limit of them.

    held is ordered by use, the least recent first. Its value is the number of the
    Change that prepares the statement, as far as that is due.
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
        self.latest: Statement | None = None  # the last of held, if it is in there
        self.unnamed: object = None
        self.unnamed_batch: i64 = -1  # the batch that prepared it

    def use(self, statement: Statement) -> bool:
        """Make statement the most recently used one; False if it is not held."""
        held = self.held
        if statement not in held:
            return False
        if statement is not self.latest:
            held.move_to_end(statement)
            self.latest = statement
        return True

    def hold(self, statement: Statement, number: int = -1) -> None:
        """Note that the connection has statement, which is used now."""
        self.held[statement] = number
        self.held.move_to_end(statement)
        self.latest = statement

    def prepare(self, statement: Statement) -> bytes:
        """Return the messages that prepare statement, if the connection lacks it.

        Their answers are swallowed.
        """
        if self.use(statement):
            return b""
        self.counters.reparsed += 1
        room = self.clear_name(statement) + self.make_room()
        self.add(statement, Added(self, statement, swallow=True))
        return room + parse(statement.name, statement.definition)

    def add(self, statement: Statement, change: "Added") -> None:
        """Count the Parse of statement, which is about to be sent."""
        self.replies.change(change)
        self.hold(statement, change.number)
        statement.sent = True

    def make_room(self) -> bytes:
        """Return the messages that close statements until one more fits."""
        excess = len(self.held) + 1 - self.limit
        return b"".join([self.remove(next(iter(self.held))) for _ in range(excess)])

    def remove(self, statement: Statement) -> bytes:
        """Return the message that closes statement, if the connection has it."""
        if statement not in self.held:
            return b""
        del self.held[statement]
        self.replies.change(Removed(self, statement))
        return close_statement(statement.name)

    def clear_name(self, statement: Statement) -> bytes:
        """Return the Close that makes the name of statement free on the connection.

        SQL may have prepared something else under a name that it read. The Close of a
        name that does not exist is no error.
        """
        if statement in self.held or not statement.sent:
            return self.remove(statement)
        self.replies.change(Cleared())
        return close_statement(statement.name)

    def forget(self, statement: Statement) -> None:
        """The server reported that it has no such statement."""
        self.held.pop(statement, None)

    def forget_all(self) -> None:
        """The server dropped all statements; those that are being prepared stay."""
        due = [item for item in self.held.items() if self.replies.is_due(item[1])]
        self.held = OrderedDict(due)
        self.latest = None


class Added(Change):
    """A Parse: until it is answered, statement counts as prepared."""

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
    """A Close of the proxy's own."""

    __slots__ = ("server", "statement")

    def __init__(self, server: ServerStatements, statement: Statement) -> None:
        super().__init__(swallow=True)
        self.server = server
        self.statement = statement

    def undo(self) -> None:
        self.server.hold(self.statement)


class Cleared(Change):
    """A Close of the proxy's own, of a name that the connection need not have."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(swallow=True)

    def undo(self) -> None:
        pass


class Unnamed(Change):
    """A Parse or Close of the unnamed statement, of the proxy's own."""

    __slots__ = ("server",)

    def __init__(self, server: ServerStatements) -> None:
        super().__init__(swallow=True)
        self.server = server

    def undo(self) -> None:
        self.server.unnamed = None


class UnnamedByClient(Change):
    """A client's Parse or Close of its unnamed statement, in the middle of a batch.

    The server may skip it, because it is not the first in its batch. The statement
    before it then stays.
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

    def undo(self) -> None:
        client, server = self.client, self.server
        if client.unnamed is self.after:
            client.unnamed, client.unnamed_verdict = self.before, self.verdict
        if server.unnamed is self.after:
            server.unnamed = self.server_before


class UnnamedByQuery(UnnamedByClient):
    """A Query in a batch, which drops the unnamed statement unless it is skipped."""

    __slots__ = ()
    answered = False


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


class Refused(Change):
    """A client's Parse of a name that it already has: the server rejects it."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(swallow=False)

    def undo(self) -> None:
        pass


class Lent(Cleared):
    """A Parse of the proxy's own under a client's name, for the one Parse behind it."""

    __slots__ = ()


class Returned(Change):
    """The Close of what was lent. If it is skipped, a fence has to drop the name."""

    __slots__ = ("replies",)

    def __init__(self, replies: ReplyTracker) -> None:
        super().__init__(swallow=True)
        self.replies = replies

    def undo(self) -> None:
        self.replies.needs_fence = True


class Probe(Change):
    """A Close of the proxy's own, whose answer shows that what precedes it has run."""

    __slots__ = ("replies",)

    def __init__(self, replies: ReplyTracker) -> None:
        super().__init__(swallow=True)
        self.replies = replies

    def completed(self) -> None:
        self.replies.uncertain_batch = -1
        self.replies.probing = False

    def undo(self) -> None:
        self.completed()


class Released(Change):
    """The client's name no longer stands for a shared statement.

    The client closed it, while the shared statement stays on the server. Or the proxy
    parsed its text under that very name.
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

    Each method returns how one message of the client changes, or None. It raises
    ``Unsettled`` before anything has changed.
    """

    __slots__ = (
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
        self.settings = NO_PARAMETERS  # under which the client's SQL is read
        self.named: dict[bytes, Statement] = {}
        self.names: dict[bytes, bytes] = {}  # the keys of named, by statement's name
        self.long_names: dict[bytes, bytes] = {}  # as they came, for error texts
        self.old_names: dict[bytes, bytes] = {}  # names before the last DEALLOCATE ALL
        self.kept_bytes: i64 = 0  # of named
        self.pinned = False  # new statements then have the client's names
        self.unnamed: object = None
        self.unnamed_verdict: Verdict | None = None

    def add(self, name: bytes, statement: Statement) -> None:
        self.drop(name)
        self.named[name] = statement
        self.names[statement.name] = name
        self.kept_bytes += kept_bytes(name, statement.definition)

    def drop(self, name: bytes) -> None:
        statement = self.named.pop(name, None)
        if statement is not None:
            del self.names[statement.name]
            self.long_names.pop(statement.name, None)
            self.kept_bytes -= kept_bytes(name, statement.definition)

    def verdict(self, name: bytes, named: Statement | None) -> Verdict | None:
        """Return the verdict on the statement name; named is that statement, if any."""
        if named is not None:
            return named.verdict
        return None if name or self.unnamed is None else self.unnamed_verdict

    def text(self, name: bytes, named: Statement | None) -> bytes:
        """The SQL of the statement name; empty if it is unknown or was not kept."""
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
        """Parse of a named statement."""
        server = self.server
        assert server is not None
        replies = server.replies
        known = self._find(name)
        if known is not None:
            replies.batch()
            if not replies.counting:
                return None
            out = server.prepare(known)
            replies.change(Refused())
            return out, known.name, b""
        if self.pinned:
            out = self._release_for(verdict)
            replies.plain()
            return self._as_it_came(name, out)
        replies.batch()
        if not replies.counting:
            return None
        size = self.kept_bytes + kept_bytes(name, definition)
        if size > self.registry.max_client_bytes:
            return describe_statement(self.registry.rejected), None, b""
        return self._share(name, definition, verdict)

    def _share(
        self, name: bytes, definition: bytes, verdict: Verdict | None
    ) -> Renamed:
        server = self.server
        assert server is not None
        lent = self._lend(verdict)
        registry = self.registry
        statement = registry.statement(definition, self.settings)
        if lent or statement.name in self.names:
            statement = registry.private(definition)
        statement.verdict = verdict
        out = lent + server.clear_name(statement) + server.make_room()
        server.add(statement, Named(server, statement, self, name))
        self.add(name, statement)
        return out, statement.name, self._take_back(lent, verdict)

    def _find(self, name: bytes) -> Statement | None:
        """Return the client's statement name, once earlier messages decided on it."""
        server = self.server
        assert server is not None
        _wait_for_earlier_changes(server.replies)
        return self.named.get(name)

    def _as_it_came(self, name: bytes, before: bytes = b"") -> Renamed | None:
        """The message is sent with the client's name, which the server knows or not."""
        alias = self.registry.alias(name)
        if alias is None and not before:
            return None
        return before, alias or name, b""

    # The server looks up a statement that SQL names when it parses the SQL.

    def _lend(self, verdict: Verdict | None) -> bytes:
        """Return the Parse, under the client's name, of what verdict's SQL names."""
        if verdict is None or not executes_one(verdict):
            return b""
        statement = self.named.get(verdict.names[0])
        server = self.server
        if statement is None or server is None:
            return b""
        server.replies.change(Lent())
        return parse(verdict.names[0], statement.definition)

    def _take_back(self, lent: bytes, verdict: Verdict | None) -> bytes:
        server = self.server
        if not lent or verdict is None or server is None:
            return b""
        server.replies.change(Returned(server.replies))
        return close_statement(verdict.names[0])

    def _release_for(self, verdict: Verdict | None) -> bytes:
        server = self.server
        if verdict is None or server is None or not server.replies.counting:
            return b""
        return self.release(verdict.names, hidden=False)

    def parse_unnamed(
        self,
        definition: object,
        verdict: Verdict | None,
    ) -> Renamed | None:
        """Parse of the unnamed statement.

        definition may be any object if the statement is not to be kept.
        """
        server = self.server
        assert server is not None
        replies = server.replies
        before = after = b""
        executes = verdict is not None and executes_one(verdict)
        if not (replies.in_request() or executes):
            replies.unnamed_parse()
        else:
            replies.batch()
            if not replies.counting:
                return None
            lent = b"" if self.pinned else self._lend(verdict)
            before = lent
            if self.pinned and executes:
                before = self._release_for(verdict)
            replies.change(UnnamedByClient(server, self, definition))
            after = self._take_back(lent, verdict)
        self.unnamed = server.unnamed = definition
        self.unnamed_verdict = verdict
        server.unnamed_batch = replies.batches
        return (before, b"", after) if before else None

    def parse_unkept(self, name: bytes) -> Renamed | None:
        """Parse of a statement that is not kept.

        It is too long, and the session is pinned; or its text does not end, and the
        server rejects it. It is sent under the client's own name, unless that is taken.
        """
        server = self.server
        assert server is not None
        replies = server.replies
        if not name:
            self.parse_unnamed(object(), None)
            return None
        known = self._find(name)
        replies.plain()
        if known is None or not replies.counting:
            return self._as_it_came(name)
        return server.prepare(known), known.name, b""

    def refer(
        self,
        name: bytes,
        named: Statement | None,
        describes: bool,
    ) -> Renamed | None:
        """Bind to, or Describe of, the statement name; named is it, if there is one."""
        server = self.server
        assert server is not None
        replies = server.replies
        if named is None and not name:
            return self._refer_to_unnamed(describes)
        _wait_for_earlier_changes(replies)
        replies.batch()
        if named is None:
            return self._as_it_came(name)
        if not replies.counting:
            return None
        lent = self._lend(named.verdict) if describes else b""
        out = lent + server.prepare(named)
        return out, named.name, self._take_back(lent, named.verdict)

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
        if replies.due and replies.in_doubt():
            raise Unsettled
        replies.batch()
        if not replies.counting or (own and not executes):
            return None
        unnamed = self.unnamed
        if not own and not isinstance(unnamed, bytes):
            replies.change(Unnamed(server))
            server.unnamed = self.unnamed = None
            return CLOSE_UNNAMED, b"", b""
        out = lent = self._lend(verdict) if executes else b""
        if not own and isinstance(unnamed, bytes):
            replies.change(Unnamed(server))
            server.unnamed = unnamed
            out += parse(b"", unnamed)
        return out, b"", self._take_back(lent, verdict)

    def close(self, name: bytes) -> Renamed | None:
        """Close of the statement name."""
        server = self.server
        assert server is not None
        replies = server.replies
        if not name:
            self._close_unnamed()
            return None
        statement = self._find(name)
        if statement is None or not replies.counting:
            replies.plain()
            return self._as_it_came(name)
        replies.batch()
        self.drop(name)
        replies.change(Released(self, name, statement, swallow=False))
        return b"", self.registry.nowhere, b""

    def _close_unnamed(self) -> None:
        server = self.server
        assert server is not None
        replies = server.replies
        if replies.counting and replies.in_request():
            replies.batch()
            replies.change(UnnamedByClient(server, self, None))
        else:
            replies.plain()
        if replies.counting:
            self.unnamed = server.unnamed = None

    def release(self, names: Iterable[bytes], hidden: bool) -> bytes:
        """Return the Parse messages that let SQL use names of the client.

        The session is pinned. hidden says that the messages are sent as a batch of the
        proxy's own, whose replies are not counted one by one.
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
                        Released(self, name, statement, swallow=True)
                    )
        return b"".join(out)

    def probe(self) -> bytes:
        """Return what to send for a message that waits for SQL of its own batch.

        The SQL may drop statements. Without a Flush its answer comes with the Sync.
        """
        server = self.server
        assert server is not None
        replies = server.replies
        if not replies.needs_probe():
            return b""
        replies.probing = True
        replies.change(Probe(replies))
        return close_statement(self.registry.nowhere) + FLUSH_MESSAGE

    def queried(self) -> None:
        """A Query is about to be sent: the server drops the unnamed statement."""
        server = self.server
        assert server is not None
        replies = server.replies
        if replies.in_request():
            if not replies.counting:
                return
            replies.change(UnnamedByQuery(server, self, None))
        self.unnamed = server.unnamed = None

    def forget_all(self) -> None:
        """The server dropped all statements; those that are being prepared stay."""
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
        """Return the client's name for one of the proxy's, for error texts."""
        for names in (self.long_names, self.names, self.old_names):
            own = names.get(name)
            if own is not None:
                return own
        return None

    def note_long_name(self, name: bytes, own: bytes) -> None:
        """The client wrote the name of the shared statement name as own."""
        if len(own) <= MAX_SHOWN_NAME and name in self.names:
            self.long_names[name] = own


def executes_one(verdict: Verdict) -> bool:
    """The SQL is an EXECUTE of one statement."""
    if len(verdict.names) != 1:
        return False
    return any(finding.rule == "execute" for finding in verdict.findings)


def kept_bytes(name: bytes, definition: bytes) -> i64:
    """Return the memory of one kept statement, about."""
    return len(name) + len(definition) + OVERHEAD


def _wait_for_earlier_changes(replies: ReplyTracker) -> None:
    if replies.in_doubt():
        raise Unsettled

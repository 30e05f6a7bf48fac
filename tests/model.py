"""A PostgreSQL backend as its client sees it: messages in, replies out.

Owns the exact order of replies, as ``postgres.c``, ``copyfromparse.c`` and ``xact.c``
of PostgreSQL 18 give it: an error skips to the next Sync, COPY data swallows Sync,
what runs between two Syncs is one implicit transaction. Knows a handful of statements
(``Backend.run``) and no data. What it answers depends on the bytes that it was fed,
and not on how they were cut.

One thing it does better: PostgreSQL 18 itself fails with "unexpected state STARTED" at
the next statement after Parse, Bind, Execute, Query, Sync.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pinwatch.relay.database_connection import Phase
from pinwatch.wire import messages
from pinwatch.wire.messages import HEADER, message
from tests.stage import Server, Stage

SELECT: Final = b"SELECT 1"
NO_COLUMN: Final = b"SELECT nope"  # refused when it is parsed
NO_DIVISION: Final = b"SELECT 1/(random()*0)::int"  # fails when it runs
BEGIN: Final = b"BEGIN"
COMMIT: Final = b"COMMIT"
ROLLBACK: Final = b"ROLLBACK"
COPY_IN: Final = b"COPY t FROM STDIN"
COPY_OUT: Final = b"COPY u TO STDOUT"
SETTING: Final = (b"RESET ", b"SELECT pg_catalog.set_config(")
EXITS: Final = (COMMIT, ROLLBACK)
TRANSACTION: Final = (BEGIN, *EXITS)
GOOD_DATA: Final = b"1\n"  # any other fails

COPYING: Final = b"\0\0\1\0\0"  # the format of one text column
EXTENDED: Final = b"BCDEHP"

Message = tuple[int, bytes]
Steps = Generator[None, Message, None]


class Failure(Exception):
    """An ErrorResponse of severity ERROR."""

    def __init__(self, sqlstate: str, text: bytes) -> None:
        self.sqlstate = sqlstate
        self.text = text


class Block(Enum):
    """The states of a transaction block."""

    DEFAULT = "I"
    STARTED = "I "
    IMPLICIT = "T "
    OPEN = "T"
    ENDING = "T  "
    FAILED = "E"


@dataclass
class Portal:
    sql: bytes
    state: str = "ready"
    at_end: bool = False


def returns_rows(sql: bytes) -> bool:
    return sql.startswith(b"SELECT")


def column(sql: bytes) -> bytes:
    """The name of a SELECT's only column."""
    _, found, name = sql.partition(b" AS ")
    return name if found else b"?column?"


def value(sql: bytes) -> bytes:
    """Return the value of a SELECT of one constant."""
    return sql.split()[1].strip(b"'")


def row_description(name: bytes) -> bytes:
    body = (
        b"\0\1" + name + b"\0" + bytes(4) + bytes(2) + b"\0\0\0\x19\xff\xff" + b"\xff"
    )
    return message(messages.ROW_DESCRIPTION, body + b"\xff\xff\xff\0\0")


def data_row(text: bytes) -> bytes:
    size = messages.INT32.pack(len(text))
    return message(messages.DATA_ROW, b"\0\1" + size + text)


def complete(tag: bytes) -> bytes:
    return message(messages.COMMAND_COMPLETE, tag + b"\0")


class Backend:
    """One server process, after its login."""

    def __init__(self) -> None:
        self.input = b""
        self.output = b""
        self.dead = False
        self.skipping = False  # to the next Sync
        self.copying = False
        self.batch = False  # extended messages served since the last ReadyForQuery
        self.block = Block.DEFAULT
        self.started = False
        self.pipelining = False  # an Execute left its transaction open
        self.statements: dict[bytes, bytes] = {}
        self.portals: dict[bytes, Portal] = {}
        self._serving = self._serve()
        next(self._serving)

    def feed(self, data: bytes) -> None:
        self.input += data
        while len(self.input) > 4 and not self.dead:
            kind, size = HEADER.unpack_from(self.input)
            if len(self.input) <= size:
                break
            body, self.input = self.input[5 : size + 1], self.input[size + 1 :]
            try:
                self._serving.send((kind, body))
            except StopIteration:
                self.dead = True

    def read(self) -> bytes:
        """Return the output since the last call."""
        output, self.output = self.output, b""
        return output

    @property
    def owes(self) -> bool:
        """Replies are due, or will be without another request."""
        return self.copying or self.skipping or self.batch

    @property
    def status(self) -> int:
        return ord(self.block.value[0])

    # Messages.

    def _serve(self) -> Steps:
        while True:
            kind, body = yield
            if kind == messages.TERMINATE:
                return
            if self.skipping and kind != messages.SYNC:
                continue
            self.batch = kind in EXTENDED and (self.batch or kind != messages.FLUSH)
            ready = kind in b"QFS"
            try:
                yield from self._message(kind, body)
            except Failure as failure:
                self._fail(failure)
                self.skipping = not ready
            except EOFError:
                return
            if ready:
                self.skipping = False
                self._say(messages.ready_for_query(self.status))

    def _message(self, kind: int, body: bytes) -> Steps:
        if kind == messages.QUERY:
            yield from self._query(body[:-1])
        elif kind == messages.EXECUTE:
            yield from self._execute(body.split(b"\0")[0])
        elif kind == messages.SYNC:
            if self.block is Block.IMPLICIT:
                self.block = Block.STARTED
            self._finish()
        elif kind not in (messages.FLUSH, *b"dcf"):
            step: dict[int, Callable[[bytes], None]] = {
                messages.PARSE: self._parse,
                messages.BIND: self._bind,
                messages.DESCRIBE: self._describe,
                messages.CLOSE: self._close,
                messages.FUNCTION_CALL: self._function_call,
            }
            step[kind](body)

    def _query(self, text: bytes) -> Steps:
        self._start()
        self.statements.pop(b"", None)
        texts = [sql.strip() for sql in text.split(b";") if sql.strip()]
        for number, sql in enumerate(texts, 1):
            self._refuse_if_failed(sql not in EXITS)
            self._start()
            if len(texts) > 1 and self.block is Block.STARTED:
                self.block = Block.IMPLICIT
            self._analyse(sql)
            self.portals.pop(b"", None)
            if returns_rows(sql):
                self._say(row_description(column(sql)))
            tag = yield from self.run(sql)
            if number == len(texts):
                if len(texts) > 1 and self.block is Block.IMPLICIT:
                    self.block = Block.STARTED
                self._finish()
            elif sql in TRANSACTION:
                self._finish()
            self._say(complete(tag))
        self._finish()
        if not texts:
            self._say(message(messages.EMPTY_QUERY_RESPONSE, b""))

    def _parse(self, body: bytes) -> None:
        name, text, _ = body.split(b"\0", 2)
        self._start()
        if not name:
            self.statements.pop(b"", None)
        sql = text.strip()
        if sql:
            self._refuse_if_failed(sql not in EXITS)
            self._analyse(sql)
        if name in self.statements:
            raise Failure("42P05", b'prepared statement "%s" already exists' % name)
        self.statements[name] = sql
        self._say(message(messages.PARSE_COMPLETE, b""))

    def _bind(self, body: bytes) -> None:
        name, statement, _ = body.split(b"\0", 2)
        self._start()
        sql = self._statement(statement)
        self._refuse_if_failed(sql not in EXITS)
        if name and name in self.portals:
            raise Failure("42P03", b'cursor "%s" already exists' % name)
        self.portals[name] = Portal(sql)
        self._say(message(messages.BIND_COMPLETE, b""))

    def _describe(self, body: bytes) -> None:
        name = body[1:-1]
        self._start()
        of_statement = body[:1] == b"S"
        sql = self._statement(name) if of_statement else self._portal(name).sql
        self._refuse_if_failed(returns_rows(sql))
        if of_statement:
            self._say(message(messages.PARAMETER_DESCRIPTION, b"\0\0"))
        if returns_rows(sql):
            self._say(row_description(column(sql)))
        else:
            self._say(message(messages.NO_DATA, b""))

    def _execute(self, name: bytes) -> Steps:
        portal = self._portal(name)
        if not portal.sql:
            self._say(message(messages.EMPTY_QUERY_RESPONSE, b""))
            return
        self._start()
        self._refuse_if_failed(portal.sql not in EXITS or portal.state == "failed")
        if portal.state != "ready":
            raise Failure("55000", b'portal "%s" cannot be run' % name)
        if portal.at_end:
            tag = b"SELECT 0"
        else:
            portal.state = "active"
            tag = yield from self.run(portal.sql)
        portal.state = "ready" if returns_rows(portal.sql) else "done"
        portal.at_end = True
        if portal.sql in TRANSACTION:
            self._finish()
        else:
            self.pipelining = True
        self._say(complete(tag))

    def _close(self, body: bytes) -> None:
        if body[:1] == b"S":
            self.statements.pop(body[1:-1], None)
        else:
            self.portals.pop(body[1:-1], None)
        self._say(message(messages.CLOSE_COMPLETE, b""))

    def _function_call(self, _body: bytes) -> None:
        self._start()
        self._refuse_if_failed(True)
        self._say(message(messages.FUNCTION_CALL_RESPONSE, b"\0\0\0\x011"))
        self._finish()

    def _statement(self, name: bytes) -> bytes:
        if name in self.statements:
            return self.statements[name]
        if not name:
            raise Failure("26000", b"unnamed prepared statement does not exist")
        raise Failure("26000", b'prepared statement "%s" does not exist' % name)

    def _portal(self, name: bytes) -> Portal:
        if name not in self.portals:
            raise Failure("34000", b'portal "%s" does not exist' % name)
        return self.portals[name]

    # Statements.

    def _analyse(self, sql: bytes) -> None:
        if sql == NO_COLUMN:
            raise Failure("42703", b'column "nope" does not exist')

    def run(self, sql: bytes) -> Generator[None, Message, bytes]:
        """Returns the tag."""
        if sql in TRANSACTION:
            return self._transaction(sql)
        if sql == COPY_IN:
            return (yield from self._copy_in())
        if sql == COPY_OUT:
            self._say(message(messages.COPY_OUT_RESPONSE, COPYING))
            self._say(message(messages.COPY_DATA, GOOD_DATA))
            self._say(message(messages.COPY_DONE, b""))
            return b"COPY 1"
        if sql == NO_DIVISION:
            raise Failure("22012", b"division by zero")
        if sql == b"DEALLOCATE ALL":
            self.statements.clear()
            return sql
        if sql == b"DISCARD ALL":
            self.statements.clear()
            self.portals.clear()
            return sql
        assert returns_rows(sql), sql
        self._say(data_row(value(sql)))
        return b"SELECT 1"

    def _copy_in(self) -> Generator[None, Message, bytes]:
        self._say(message(messages.COPY_IN_RESPONSE, COPYING))
        self.copying = True
        lines = 0
        while True:
            kind, body = yield
            if kind == messages.COPY_DATA:
                lines += body.count(b"\n")
                if body.strip(b"1\n"):
                    raise Failure("22P02", b"invalid input syntax")
            elif kind == messages.COPY_DONE:
                self.copying = False
                return b"COPY %d" % lines
            elif kind == messages.COPY_FAIL:
                raise Failure("57014", b"COPY from stdin failed: " + body[:-1])
            elif kind not in (messages.SYNC, messages.FLUSH):
                self._fail(Failure("08P01", b"unexpected message type"))
                text = (
                    "terminating connection because protocol synchronization was lost"
                )
                self._say(messages.error_response("FATAL", "08P01", text))
                raise EOFError

    def _transaction(self, sql: bytes) -> bytes:
        block = self.block
        if sql == BEGIN:
            if block is Block.OPEN:
                self._warn("25001", "there is already a transaction in progress")
            else:
                self.block = Block.OPEN
            return sql
        if block in (Block.STARTED, Block.IMPLICIT):
            self._warn("25P01", "there is no transaction in progress")
        self.block = Block.ENDING
        return ROLLBACK if block is Block.FAILED else sql

    # Transactions.

    def _start(self) -> None:
        if self.started:
            if self.pipelining and self.block is Block.STARTED:
                self.block = Block.IMPLICIT
            return
        self.started = True
        if self.block is Block.DEFAULT:
            self.block = Block.STARTED
            self.pipelining = False

    def _finish(self) -> None:
        if self.block in (Block.STARTED, Block.ENDING):
            self.block = Block.DEFAULT
            self.portals.clear()
        self.started = False

    def _refuse_if_failed(self, condition: bool) -> None:
        if self.block is Block.FAILED and condition:
            raise Failure(
                "25P02",
                b"current transaction is aborted, commands ignored until end of "
                b"transaction block",
            )

    def _fail(self, failure: Failure) -> None:
        self.copying = False
        self.started = False
        if self.block in (Block.OPEN, Block.FAILED):
            self.block = Block.FAILED
            for portal in self.portals.values():
                portal.state = "failed"
        else:
            self.block = Block.DEFAULT
            self.portals.clear()
        text = failure.text.decode()
        self._say(messages.error_response("ERROR", failure.sqlstate, text))

    def _warn(self, sqlstate: str, text: str) -> None:
        fields = f"SWARNING\0VWARNING\0C{sqlstate}\0M{text}\0\0"
        self._say(message(messages.NOTICE_RESPONSE, fields.encode()))

    def _say(self, reply: bytes) -> None:
        self.output += reply


class Play:
    """Clients on a stage whose servers are backends; a test chooses who moves next.

    Each client has parts to send, and begins one when it has received all replies that
    a backend of its own would have sent to the earlier parts. After every move, a
    settled connection must owe no reply, and a connection without a session must have
    no transaction and no incomplete message.
    """

    def __init__(
        self, scripts: Sequence[Sequence[bytes]], connections: int, statements: int
    ) -> None:
        self.stage = Stage(connections, statements)
        self.stage.on_open = self._opened
        self.backends: dict[Server, Backend] = {}
        self.replies: dict[Server, bytes] = {}  # on their way to the proxy
        self.clients = [self.stage.client() for _ in scripts]
        for client in self.clients:
            client.read()
        self.parts = [[part for part in script if part] for script in scripts]
        self.received = [b"" for _ in scripts]
        self.expected = [Backend() for _ in scripts]
        self.unsent = [b"" for _ in scripts]

    def _opened(self, server: Server) -> None:
        self.backends[server] = Backend()
        self.replies[server] = b""
        server.greet()

    def send(self, number: int, size: int = 1 << 20) -> bool:
        """Let a client send up to size bytes; False if it has to wait, or is done."""
        client, own = self.clients[number], self.expected[number]
        if client.wire.closed:
            return False
        if not self.unsent[number]:
            if not self.parts[number] or len(self.received[number]) < len(own.output):
                return False
            self.unsent[number] = self.parts[number].pop(0)
            own.feed(self.unsent[number])
        data, self.unsent[number] = (
            self.unsent[number][:size],
            self.unsent[number][size:],
        )
        client.send(data)
        self._settle()
        return True

    def reply(self, number: int, size: int = 1 << 20) -> bool:
        """Let up to size bytes of a backend's replies arrive; False if it has none."""
        servers = [server for server in self.backends if self.replies[server]]
        if not servers:
            return False
        server = servers[number % len(servers)]
        data = self.replies[server]
        self.replies[server] = data[size:]
        server.send(data[:size])
        self._settle()
        return True

    def leave(self, number: int) -> None:
        """A client's socket is gone."""
        self.clients[number].vanish()
        self._settle()

    def finish(self) -> None:
        """Make all remaining moves, in a fixed order."""
        busy = True
        while busy:
            busy = any([self.send(number) for number in range(len(self.clients))])
            while self.reply(0):
                busy = True

    def _settle(self) -> None:
        """Let the backends serve what has reached them."""
        busy = True
        while busy:
            busy = False
            for server, backend in list(self.backends.items()):
                data = server.read()
                backend.feed(data)
                self.replies[server] += backend.read()
                if server.connection.phase is Phase.CLOSING:
                    backend.dead = True  # it reads the end of the stream
                if backend.dead and not self.replies[server]:
                    del self.backends[server], self.replies[server]
                    server.vanish()
                    data = b"gone"
                busy = busy or bool(data)
        for number, client in enumerate(self.clients):
            self.received[number] += client.read()
        for server, backend in self.backends.items():
            if not backend.dead:
                self._check(server, backend)

    def _check(self, server: Server, backend: Backend) -> None:
        connection = server.connection
        owed = bool(self.replies[server]) or backend.owes
        if connection.replies.settled():
            assert not owed, "it counts as settled, and owes a reply"
        if connection.session is None and connection in self.stage.pool.idle.get(
            connection.key, ()
        ):
            assert not owed, "it is idle, and owes a reply"
            assert not backend.input, "it is idle, and was sent half a message"
            assert backend.block is Block.DEFAULT, "it is idle in a transaction"

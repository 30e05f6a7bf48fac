"""What the server sends on one connection: told apart by whom it is for.

Owns the server's half of the stream, and what the server is known to hold because it
said so: settings, prepared statements, transaction status. Every byte goes to the
client that is served, except answers to what the proxy itself asked. Does not know
sockets.
"""

from collections.abc import Callable
from typing import Final

from librt.strings import BytesWriter, read_i32_be
from mypy_extensions import i64

from pinwatch.counters import TargetCounters
from pinwatch.errors import FATAL, ClientError, ProtocolViolation
from pinwatch.relay.parameters import ACCEPTED, NO_PARAMETERS, Values
from pinwatch.relay.prepared import ClientStatements, ServerStatements
from pinwatch.relay.reply_queue import FENCE, INJECTED, Change
from pinwatch.relay.reply_tracker import ReplyTracker
from pinwatch.relay.statements import Registry
from pinwatch.wire import messages
from pinwatch.wire.messages import (
    CLOSE_COMPLETE,
    COMMAND_COMPLETE,
    COPY_IN_RESPONSE,
    DATA_ROW,
    ERROR_RESPONSE,
    FAILED_TRANSACTION,
    IDLE,
    MAX_MESSAGE,
    NOTIFICATION_RESPONSE,
    PARAMETER_STATUS,
    PARSE_COMPLETE,
    READY_FOR_QUERY,
    ROW_DESCRIPTION,
    SYNC_MESSAGE,
    error_fields,
    query,
)

MAX_INSPECTED: Final = 65_536  # bytes; of a longer message only so much is looked at
INSPECTED_TYPES: Final = bytes(
    kind
    in (
        READY_FOR_QUERY,
        ERROR_RESPONSE,
        PARSE_COMPLETE,
        CLOSE_COMPLETE,
        COMMAND_COMPLETE,
        PARAMETER_STATUS,
        COPY_IN_RESPONSE,
    )
    for kind in range(256)
)
"""1 for each kind of message that changes what is known, or counted."""
ALL_TYPES: Final = b"\1" * 256

UINT32_MASK: Final = 0xFFFFFFFF

INSPECTED_TAGS: Final = bytes(kind in b"ACDR" for kind in range(256))
"""1 for the first letter of each tag that is looked at."""
SCHEMA_TAGS: Final = (b"CREATE ", b"ALTER ", b"DROP ")
FORGETTING_TAGS: Final = (b"DEALLOCATE ALL\0", b"DISCARD ALL\0")
ROLLBACK_TAG: Final = b"ROLLBACK\0"
PLAN_CHANGED: Final = b"\0RRevalidateCachedQuery\0"  # the result type would differ
UNDEFINED_STATEMENT: Final = "26000"

Row = list[bytes | None]
Answer = Callable[[Row, ClientError | None], None]
"""Takes the last row of what the proxy asked, and the error if there was one."""


class Client:
    """The part of a client session that replies change."""

    __slots__ = ("reported_parameters", "statements")

    def __init__(self, statements: ClientStatements) -> None:
        self.statements = statements
        self.reported_parameters: Values = NO_PARAMETERS  # by ParameterStatus


class DatabaseStream:
    """The stream of one database connection."""

    __slots__ = (
        "answer",
        "counters",
        "done",
        "error",
        "fatal",
        "fatal_sent",
        "fence_name",
        "inspected",
        "own",
        "parameters",
        "partial",
        "passing",
        "registry",
        "replies",
        "reported_parameters",
        "rollbacks",
        "rolling_back",
        "row",
        "statements",
        "status",
        "swallowing",
    )

    def __init__(
        self,
        registry: Registry,
        max_statements: int,
        reported_parameters: Values,
        counters: TargetCounters,
    ) -> None:
        self.registry = registry
        self.counters = counters
        self.replies = ReplyTracker()
        self.statements = ServerStatements(max_statements, counters, self.replies)
        self.status = IDLE
        self.rolling_back = False  # the transaction failed, or was told to
        self.rollbacks = 0
        self.parameters: Values | None = NO_PARAMETERS  # None is not known
        self.reported_parameters = reported_parameters
        self.own = False  # opened for one session, with its startup parameters
        self.partial = b""  # the beginning of a message that is not whole yet
        self.passing: i64 = 0  # bytes to come of a message that is let through
        self.inspected = INSPECTED_TYPES
        self.swallowing = False
        self.fence_name = b""
        self.answer: Answer | None = None
        self.done = False  # the answer is here and waits for deliver_answer
        self.row: Row = []
        self.error: ClientError | None = None
        self.fatal: ClientError | None = None  # the last words of the server
        self.fatal_sent = False  # to a client

    # What the proxy asks.

    def ask(self, sql: bytes, answer: Answer) -> bytes:
        """What to send so that answer learns what sql gives. Only while idle."""
        self.answer = answer
        self.row = []
        self.error = None
        self.swallowing = True
        return self._inject(INJECTED, sql)

    def deliver_answer(self) -> None:
        answer, self.answer = self.answer, None
        self.done = False
        if answer is not None:
            answer(self.row, self.error)

    def fence(self, keep: bool) -> bytes:
        """What to send to learn whether the server owes a reply that is not counted.

        What comes before its own reply was not counted, and is the client's. Nor is it
        known which statements are prepared by then: none are afterwards, unless the
        session is to keep its own.
        """
        self.fence_name = b"pinwatch_fence_%d" % self.replies.segment
        sql = b"SELECT 1 AS " + self.fence_name
        if not keep:
            self.statements.held.clear()
            sql += b"; DEALLOCATE ALL"
        return self._inject(FENCE, sql)

    def reset_query(self) -> bytes:
        """What to send after a batch that a Query ended, unseen by the client.

        On PostgreSQL 18 its Sync leaves a state in which the next statement fails,
        whoever sends it: "StartTransactionCommand: unexpected state STARTED".
        """
        self.replies.needs_reset_query = False
        self.swallowing = True
        return self._inject(INJECTED, b"SELECT 1")

    def hidden_batch(self, batch: bytes) -> bytes:
        """What to send so that batch runs, unseen by the client. Only while idle.

        An error in it is lost: what needs it will tell.
        """
        if not batch:
            return b""
        self.swallowing = True
        self.inspected = ALL_TYPES
        self.replies.inject(INJECTED)
        return batch + SYNC_MESSAGE

    def _inject(self, entry: int, sql: bytes) -> bytes:
        self.inspected = ALL_TYPES
        self.statements.unnamed = None
        self.replies.inject(entry)
        return query(sql)

    # What the server sends.

    def receive(self, data: bytes, client: Client | None) -> bytes:
        """Return the bytes for the client. Raises ProtocolViolation.

        Stops behind the reply to a hidden query, with ``done`` set: call
        ``deliver_answer``, then ``receive`` again for the bytes that follow it.
        """
        if self.partial:
            data = self.partial + data
            self.partial = b""
        inspected = self.inspected
        end: i64 = len(data)
        at: i64 = self.passing
        start: i64 = 0  # of what goes on as it is
        changed: BytesWriter | None = None
        while end - at > 4 and not self.done:
            kind: i64 = data[at]
            size: int = read_i32_be(data, at + 1)
            if not 4 <= size <= MAX_MESSAGE:
                raise ProtocolViolation(f"invalid message length {size & UINT32_MASK}")
            following: i64 = at + size + 1
            if inspected[kind]:
                if following > end and (
                    self.swallowing
                    or end - at < MAX_INSPECTED
                    or kind == PARAMETER_STATUS
                ):
                    break
                instead = self._inspect(kind, data, at + 5, following, client)
                inspected = self.inspected
                if instead is not None and following <= end:
                    changed = BytesWriter() if changed is None else changed
                    changed.write(data[start:at])
                    changed.write(instead)
                    start = following
            at = following
        if at < end:
            self.passing = 0
            self.partial = data[at:]
            data = data[start:at]
        else:
            self.passing = at - end
            if start:
                data = data[start:]
        if changed is None:
            return data
        changed.write(data)
        return changed.getvalue()

    def _inspect(  # noqa: C901 - a branch for each kind of message
        self, kind: i64, data: bytes, at: i64, following: i64, client: Client | None
    ) -> bytes | None:
        """Act on the message with this body; what goes on in its place, or None."""
        if kind == PARAMETER_STATUS:
            return self._parameter_status(data[at:following], client)
        if self.swallowing:
            return self._swallow(kind, data[at:following])
        if kind == READY_FOR_QUERY:
            self._ready(data[at])
            if not self.fence_name:
                self.replies.ready()
        elif kind == COMMAND_COMPLETE:
            if INSPECTED_TAGS[data[at]]:
                self._command_completed(data[at:following], client)
        elif kind == PARSE_COMPLETE or kind == CLOSE_COMPLETE:
            entry = self.replies.completed()
            if isinstance(entry, Change) and entry.swallow:
                return b""
        elif kind == ERROR_RESPONSE:
            return self._failed(data[at:following], client)
        elif kind == COPY_IN_RESPONSE:
            self.replies.copy_in()
        elif (
            kind == ROW_DESCRIPTION
            and self.fence_name
            and self.fence_name in data[at:following]
        ):
            self.fence_name = b""
            self.swallowing = True
            return b""
        return None

    def _ready(self, status: int) -> None:
        self.status = status
        if status == IDLE:
            if self.rolling_back:
                self.counters.rolled_back += 1
                self.rollbacks += 1
            else:
                self.counters.committed += 1
        if status != FAILED_TRANSACTION:
            self.rolling_back = False

    def _swallow(self, kind: i64, body: bytes) -> bytes | None:
        """A reply to what the proxy asked."""
        if kind == READY_FOR_QUERY:
            self.status = body[0]
            self.replies.ready()
            self.swallowing = False
            self.inspected = INSPECTED_TYPES
            self.done = self.answer is not None
        elif kind == DATA_ROW:
            self.row = columns(body)
        elif kind == ERROR_RESPONSE:
            self.error = client_error(body)
            self._note_fatal(self.error)
        elif kind == NOTIFICATION_RESPONSE:
            return None
        return b""

    def _parameter_status(self, body: bytes, client: Client | None) -> bytes | None:
        name, value, _ = body.split(b"\0")
        self.reported_parameters = self.reported_parameters.changed(name, value)
        if self.swallowing:
            return b""
        if name.lower() in ACCEPTED:
            self.parameters = None
        if client is not None:
            client.reported_parameters = self.reported_parameters
        return None

    def _command_completed(self, body: bytes, client: Client | None) -> None:
        if body in FORGETTING_TAGS:
            self.statements.forget_all()
            if client is not None:
                client.statements.forget_all()
        elif body == ROLLBACK_TAG:
            self.rolling_back = True
        elif body.startswith(SCHEMA_TAGS):
            self.registry.renew()

    def _failed(self, body: bytes, client: Client | None) -> bytes | None:
        """An ErrorResponse that is not about what the proxy asked."""
        error = client_error(body)
        self._note_fatal(error)
        self.rolling_back = True
        if client is None:
            return None
        self.fatal_sent = self.fatal is not None
        if self.replies.failed():
            client.statements.unnamed = self.statements.unnamed = None
        if PLAN_CHANGED in body:
            self.registry.renew()
        name = self.registry.named_in(body)
        if name is None:
            return None
        if error.sqlstate == UNDEFINED_STATEMENT:
            self.statements.forget(name)
        own = client.statements.own_name(name)
        return messages.message(ERROR_RESPONSE, body.replace(name, own))

    def _note_fatal(self, error: ClientError) -> None:
        if error.severity != "ERROR":
            self.fatal = error


def client_error(body: bytes) -> ClientError:
    """The ErrorResponse, as the server put it."""
    fields = error_fields(body)
    severity = fields.get("V", fields.get("S", FATAL))
    return ClientError(fields.get("M", ""), fields.get("C", "XX000"), severity)


def columns(body: bytes) -> Row:
    """The values of a DataRow; None is NULL."""
    values: Row = []
    at = 2
    while at < len(body):
        size = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        if size < 0:
            values.append(None)
        else:
            values.append(body[at : at + size])
            at += size
    return values

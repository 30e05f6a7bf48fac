"""The messages of the server on one connection, on their way to the client.

Owns the server's half of the stream, and the state that the server reports: settings,
prepared statements, transaction status. Replies to the proxy's own messages are
removed; all other bytes go to the client that the connection serves. Does not know
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
from pinwatch.relay.reply_queue import FENCE, INJECTED
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
    MAX_IDENTIFIER,
    MAX_MESSAGE,
    NOTIFICATION_RESPONSE,
    PARAMETER_STATUS,
    PARSE_COMPLETE,
    READY_FOR_QUERY,
    ROW_DESCRIPTION,
    SYNC_MESSAGE,
    error_fields,
    query,
    reported_parameter,
    transaction_status,
)

MAX_INSPECTED: Final = 65_536  # bytes of a longer message that are inspected
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
"""1 for each message type that changes a count or the known state."""
ALL_TYPES: Final = b"\1" * 256

UINT32_MASK: Final = 0xFFFFFFFF

INSPECTED_TAGS: Final = bytes(kind in b"ACDR" for kind in range(256))
"""1 for the first letter of each command tag that is inspected."""
SCHEMA_TAGS: Final = (b"CREATE ", b"ALTER ", b"DROP ")
FORGETTING_TAGS: Final = (b"DEALLOCATE ALL\0", b"DISCARD ALL\0")
ROLLBACK_TAG: Final = b"ROLLBACK\0"
PLAN_CHANGED: Final = b"\0RRevalidateCachedQuery\0"  # the result type has changed
UNDEFINED_STATEMENT: Final = "26000"
PROGRAM_LIMIT_EXCEEDED: Final = "54000"
TOO_MANY_BYTES: Final = (
    "The prepared statements of this session would take more than {} bytes "
    "(max_prepared_statement_bytes). Close statements that are no longer used."
)
OBJECT_IN_USE: Final = "55006"
DATABASE_ROUTINES: Final = (b"dropdb", b"RenameDatabase", b"movedb", b"createdb")
"""Functions of the server that need a database without other connections."""

Row = list[bytes | None]
Answer = Callable[[Row, ClientError | None], None]
"""Receives the last row of the proxy's own query, and its error or None."""


class Client:
    """The state of a client session that the server's messages change."""

    __slots__ = ("reported_parameters", "statements")

    def __init__(self, statements: ClientStatements) -> None:
        self.statements = statements
        self.reported_parameters: Values = NO_PARAMETERS  # as last sent to the client


class DatabaseStream:
    """The messages of the server on one database connection."""

    __slots__ = (
        "answer",
        "counters",
        "done",
        "error",
        "fatal",
        "fatal_sent",
        "fence_name",
        "in_use",
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
        counters: TargetCounters,
    ) -> None:
        self.registry = registry
        self.counters = counters
        self.replies = ReplyTracker()
        self.statements = ServerStatements(max_statements, counters, self.replies)
        self.status = IDLE
        self.rolling_back = False  # the transaction failed, or a ROLLBACK has run
        self.rollbacks = 0
        self.parameters: Values | None = NO_PARAMETERS  # None if unknown
        self.reported_parameters = NO_PARAMETERS
        self.own = False  # opened for one session, with its startup parameters
        self.partial = b""  # the beginning of an incomplete message
        self.passing: i64 = 0  # missing bytes of a message that is forwarded in part
        self.inspected = INSPECTED_TYPES
        self.swallowing = False
        self.fence_name: bytes | None = None  # in the reply to the fence that is due
        self.answer: Answer | None = None
        self.done = False  # the answer is complete; call deliver_answer
        self.row: Row = []
        self.error: ClientError | None = None
        self.fatal: ClientError | None = None  # the server's FATAL error
        self.fatal_sent = False  # the client received it
        self.in_use = ""  # the server's error about a database with other connections

    # The proxy's own messages.

    def ask(self, sql: bytes, answer: Answer) -> bytes:
        """Return the messages that run sql; answer receives its result.

        The connection must be idle.
        """
        self.answer = answer
        self.row = []
        self.error = None
        self.swallowing = True
        return self._inject(INJECTED, sql)

    def deliver_answer(self) -> None:
        """Pass the result of the finished query to its callback, ``answer``."""
        answer, self.answer = self.answer, None
        self.done = False
        if answer is not None:
            answer(self.row, self.error)

    def fence(self, keep: bool) -> bytes:
        """Return a query whose reply shows that all earlier replies have arrived.

        The number of these replies is unknown; they belong to the client. Which
        statements are prepared is unknown, too: the query deallocates all of them,
        unless keep is true or the unnamed statement must stay.
        """
        name = self.fence_name = b"pinwatch_fence_%d" % self.replies.batches
        if self._must_keep_unnamed():
            return self._inject_describe(FENCE, name)
        sql = b"SELECT 1 AS " + name
        if not keep:
            self.statements.clear()
            sql += b"; DEALLOCATE ALL"
        return self._inject(FENCE, sql)

    def reset_query(self) -> bytes:
        """Return a hidden query, to send after a batch that a Query has ended.

        On PostgreSQL 18, the Sync of such a batch leaves a state in which the next
        statement fails: "StartTransactionCommand: unexpected state STARTED".
        """
        self.replies.needs_reset_query = False
        self.swallowing = True
        if self._must_keep_unnamed():
            return self._inject_describe(INJECTED, self.registry.unused_name)
        return self._inject(INJECTED, b"SELECT 1")

    def hidden_batch(self, batch: bytes) -> bytes:
        """Return the messages that run batch; the client sees no replies.

        The connection must be idle. The client does not see an error in batch, only the
        errors of statements that depend on it.
        """
        if not batch:
            return b""
        self.swallowing = True
        self.inspected = ALL_TYPES
        self.replies.inject(INJECTED)
        return batch + SYNC_MESSAGE

    def describe_unnamed(self, answer: Answer) -> bytes:
        """Return the messages that describe the unnamed statement.

        answer receives the error UNDEFINED_STATEMENT if there is none. The connection
        must be idle.
        """
        self.answer = answer
        self.row = []
        self.error = None
        return self.hidden_batch(messages.describe_statement(b""))

    def _must_keep_unnamed(self) -> bool:
        """Return True if the proxy could not prepare the unnamed statement again.

        That is so if its text was too long to be kept. A Query would drop it for good.
        """
        unnamed = self.statements.unnamed
        return unnamed is not None and not isinstance(unnamed, bytes)

    def _inject_describe(self, entry: int, name: bytes) -> bytes:
        """Return a Describe of a name that does not exist; its error has the name.

        Unlike a Query, it keeps the unnamed statement.
        """
        self.inspected = ALL_TYPES
        self.replies.inject(entry)
        return messages.describe_statement(name) + SYNC_MESSAGE

    def _inject(self, entry: int, sql: bytes) -> bytes:
        self.inspected = ALL_TYPES
        self.statements.unnamed = None
        self.replies.inject(entry)
        return query(sql)

    # The server's messages.

    def receive(self, data: bytes, client: Client | None) -> bytes:
        """Return the bytes for the client. Raises ProtocolViolation.

        Stops after the reply to a query whose ``answer`` waits, and sets ``done``. Call
        ``deliver_answer`` then, and ``receive`` again for the remaining bytes.
        """
        if self.partial != b"":
            data = self.partial + data
            self.partial = b""
        inspected = self.inspected
        end: i64 = len(data)
        at: i64 = self.passing
        start: i64 = 0  # of the bytes that are forwarded unchanged
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
        """Handle a message; return the bytes that replace it, or None to forward it."""
        if kind == PARAMETER_STATUS:
            return self._parameter_status(data[at:following], client)
        if self.swallowing:
            return self._swallow(kind, data[at:following])
        if kind == READY_FOR_QUERY:
            if following - at != 1:
                raise ProtocolViolation("invalid ReadyForQuery")
            self._ready(data[at])
            if self.fence_name is not None or not self.replies.ready():
                self.replies.ready_was_not_due()
        elif kind == COMMAND_COMPLETE:
            if at < following and INSPECTED_TAGS[data[at]]:
                self._command_completed(data[at:following], client)
        elif kind == PARSE_COMPLETE or kind == CLOSE_COMPLETE:
            if self.replies.completed():
                return b""
        elif kind == ERROR_RESPONSE:
            if self._answers_fence(data[at:following]):
                return b""
            return self._failed(data[at:following], client)
        elif kind == COPY_IN_RESPONSE:
            self.replies.copy_in()
        elif kind == ROW_DESCRIPTION and self._answers_fence(data[at:following]):
            return b""
        return None

    def _answers_fence(self, body: bytes) -> bool:
        """Return True if body answers the fence; swallow its replies from now on."""
        if self.fence_name is None or self.fence_name not in body:
            return False
        self.fence_name = None
        self.swallowing = True
        return True

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
        """Handle a reply to the proxy's own messages; return as ``_inspect`` does."""
        if kind == READY_FOR_QUERY:
            self.status = transaction_status(body)
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
        name, value = reported_parameter(body)
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
        """Handle an ErrorResponse that is no reply to the proxy's own messages."""
        error = client_error(body)
        self._note_fatal(error)
        self.rolling_back = True
        if client is None:
            return None
        self.fatal_sent = self.fatal is not None
        name = self.registry.named_in(body)
        own = None if name is None else client.statements.own_name(name)
        if error.sqlstate == OBJECT_IN_USE and _is_about_a_database(body):
            self.in_use = error.text
        if self.replies.failed():
            client.statements.unnamed = self.statements.unnamed = None
        if PLAN_CHANGED in body:
            self.registry.renew()
        if self.registry.has_alias(body):
            return messages.message(ERROR_RESPONSE, self.registry.without_alias(body))
        if name is None:
            return None
        return self._with_own_name(error, body, name, own, client)

    def _with_own_name(
        self,
        error: ClientError,
        body: bytes,
        name: bytes,
        own: bytes | None,
        client: Client,
    ) -> bytes:
        """Return an error with the client's own name in place of the registry's."""
        if name == self.registry.rejected_name:
            text = TOO_MANY_BYTES.format(self.registry.max_client_bytes)
            return messages.error_response("ERROR", PROGRAM_LIMIT_EXCEEDED, text)
        if own is None:
            own = client.statements.own_name(name) or name
        if error.sqlstate == UNDEFINED_STATEMENT:
            statement = client.statements.named.get(own[:MAX_IDENTIFIER])
            if statement is not None:
                self.statements.forget(statement)
        return messages.message(ERROR_RESPONSE, body.replace(name, own))

    def _note_fatal(self, error: ClientError) -> None:
        if error.severity != "ERROR":
            self.fatal = error


def client_error(body: bytes) -> ClientError:
    """Return the error in the body of an ErrorResponse."""
    fields = error_fields(body)
    severity = fields.get("V", fields.get("S", FATAL))
    return ClientError(fields.get("M", ""), fields.get("C", "XX000"), severity)


def _is_about_a_database(error: bytes) -> bool:
    return any(b"\0R%s\0" % name in error for name in DATABASE_ROUTINES)


def columns(body: bytes) -> Row:
    """Return the values of a DataRow; NULL is None."""
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

"""One client of the proxy, from its first byte to its last.

Owns the client's socket and the session's life: its startup, when it borrows a
database connection and when it gives it back, its end. What it sends is read by
``requests``. Does not know how connections are opened, nor what the server answers.
"""

import ssl
from abc import ABCMeta, abstractmethod
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple, Protocol

from mypy_extensions import mypyc_attr

from pinwatch import errors, events
from pinwatch.auth.client import Conversation
from pinwatch.clock import Clock
from pinwatch.counters import EndpointCounters
from pinwatch.errors import (
    ClientError,
    ProtocolViolation,
    connection_failure,
    protocol_violation,
)
from pinwatch.pins.cache import VerdictCache
from pinwatch.pool.interfaces import NOWHERE, Connection, Key, Lender
from pinwatch.relay.client_startup import Door, Greeting
from pinwatch.relay.client_stream import Requests
from pinwatch.relay.database_stream import Client
from pinwatch.relay.interfaces import BorrowedConnection, Session
from pinwatch.relay.parameters import NEUTRAL, Values, of_reading
from pinwatch.relay.pin_state import Pinning
from pinwatch.relay.prepared import ClientStatements
from pinwatch.relay.statements import Registry
from pinwatch.sockets.transport import Receiver, Transport
from pinwatch.tls.stream import EncryptedStream
from pinwatch.wire import messages
from pinwatch.wire.messages import IDLE

LOGIN_PATIENCE: Final = 10.0
"""Seconds that a login may wait for what clients are told, if clients wait less."""
MAX_INPUT: Final = 294_912
"""Bytes kept of a client that waits: a Parse with 65,535 types of parameters."""
IN_A_REQUEST: Final = (
    "The client connection that borrowed this database connection from the "
    "connection pool was closed in the middle of a request."
)


class Phase(Enum):
    GREETING = "greeting"
    LOGIN = "login"
    READY = "ready"
    CLOSED = "closed"


GREETING: Final = Phase.GREETING
LOGIN: Final = Phase.LOGIN
READY: Final = Phase.READY
CLOSED: Final = Phase.CLOSED


class Greeted(NamedTuple):
    """What clients with the same key and parameters are told.

    They all have this very key, which is found faster than one that is only equal.
    """

    key: Key
    told: Values


@mypyc_attr(allow_interpreted_subclasses=True)
class Endpoint(metaclass=ABCMeta):
    """Where the client connected."""

    __slots__ = ("counters", "lender", "name")

    name: str
    counters: EndpointCounters

    lender: Lender
    """It may be another one at the next borrow."""

    @abstractmethod
    def greeting(self, key: Key, parameters: Values) -> Greeted | None:
        """Of a client with these parameters, if it was found out before."""

    @abstractmethod
    def keep_greeting(self, key: Key, parameters: Values, told: Values) -> None: ...


class House(Door, Protocol):
    """What the proxy has for each of its sessions."""

    registry: Registry
    verdicts: VerdictCache
    every_pin: bool
    clock: Clock

    def now(self) -> datetime:
        """In UTC."""

    def backend_key(self, session: "ClientSession") -> tuple[int, bytes] | None:
        """The key to give the client, if it may cancel."""

    def login_refused(
        self, session: "ClientSession", error: ClientError
    ) -> ClientError:
        """What to tell a client whose login the database refused."""

    def borrow_failed(self, session: "ClientSession", error: ClientError) -> None:
        """The session waited for a connection, and gets this error instead."""

    def welcomed(self, session: "ClientSession") -> None: ...

    def ended(self, session: "ClientSession") -> None: ...


class ClientSession(Session, Receiver):
    """A client connection and its session."""

    __slots__ = (
        "address",
        "cancel_key",
        "clock",
        "connected",
        "connected_at",
        "connection",
        "encryption",
        "endpoint",
        "greeting",
        "house",
        "number",
        "parameters",
        "phase",
        "pinning",
        "reading_paused",
        "transport",
        "waiting",
        "write_paused",
    )

    def __init__(self, number: int, house: House, endpoint: Endpoint) -> None:
        statements = ClientStatements(house.registry)
        self.number = number
        self.house = house
        self.clock = house.clock
        self.connected_at = house.now()
        self.endpoint = endpoint
        self.pool = NOWHERE
        self.shelf = self.shelf_of = self.wait = None
        self.phase: Phase = GREETING
        self.key: Key = (b"", b"")
        self.parameters = NEUTRAL
        self.client = Client(statements)
        self.pinning = Pinning(self)
        self.counters = endpoint.counters
        self.traffic = self.counters.plain
        self.requests = Requests(statements, house.verdicts, self.pinning, self.traffic)
        self.asked_at = 0.0
        self.connected = self.rested_at = self.clock.now
        self.connection: BorrowedConnection | None = None
        self.waiting = False
        self.greeting: Greeting | None = Greeting(self, house)
        self.encryption: EncryptedStream | None = None
        self.reading_paused = False
        self.write_paused = False
        self.address = ""
        self.cancel_key: tuple[int, bytes] | None = None
        self.transport: Transport | None = None

    # From the client.

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        self.address = _address(transport.ends()[1])
        self.house.observe(
            events.ClientConnected(self.number, self.address, self.endpoint.name)
        )

    def data_received(self, data: bytes) -> None:
        if self.encryption is None:
            self.receive(data)
        elif self.phase is not CLOSED:
            self._decrypt(self.encryption, data)

    def write(self, data: bytes) -> None:
        transport, encryption = self.transport, self.encryption
        assert transport is not None
        transport.write(data if encryption is None else encryption.encrypt(data))

    def receive(self, data: bytes) -> None:
        """What came from the client, in clear; it is told what is wrong with it."""
        try:
            if self.phase is READY:
                self._receive(data)
            elif self.phase is GREETING:
                self._greet(data)
            elif self.phase is LOGIN:
                self.requests.input += data
                self._adjust_reading()
        except ProtocolViolation as violation:
            self.close(protocol_violation(str(violation)))
        except ClientError as error:
            self.close(error)

    def _greet(self, data: bytes) -> None:
        assert self.greeting is not None
        self.greeting.receive(data)

    def prove(self, conversation: Conversation) -> None:
        """The way in which this client is to prove who it is is known at last."""
        if self.phase is not GREETING or self.greeting is None:
            return
        try:
            self.greeting.prove(conversation)
        except ClientError as error:
            self.close(error)
        self.receive(b"")

    def _receive(self, data: bytes) -> None:
        requests = self.requests
        connection = self.connection
        self.traffic.received += len(data)
        if not self.asked_at:
            self.asked_at = self.clock.now
        if connection is None:
            requests.input = requests.input + data if requests.input else data
            if self.waiting or not self._opens() or not self._borrowed():
                self._adjust_reading()
                return
            data = b""
        elif requests.held:
            requests.input += data
            self._adjust_reading()
            return
        self._forward(data)

    def _opens(self) -> bool:
        """Whether what came wants a connection now."""
        requests = self.requests
        if requests.begins():
            return True
        answers = requests.opening()
        if answers:
            self.write(answers)
        if requests.terminated:
            self._leave(requested=True)
        return requests.needs_connection()

    def _borrowed(self, patience: float = 0) -> bool:
        """Whether the pool lends a connection now rather than later."""
        self.waiting = True
        connection = self.endpoint.lender.borrow(self, patience)
        if connection is None:
            return False
        self._take(connection)
        return True

    def _forward(self, data: bytes) -> None:
        """Send what came on to the server."""
        connection, requests = self.connection, self.requests
        assert connection is not None
        data = requests.forward(data, connection.responses)
        sent = len(data)
        if sent:
            connection.counters.sent += sent
            connection.write(data)
            if not connection.replies.due:
                connection.check()
            elif not connection.asked_at:
                connection.asked_at = self.asked_at
        if requests.input:
            if requests.terminated:
                self._leave(requested=True)
            self._adjust_reading()

    # With a database connection.

    def lend(self, connection: Connection) -> None:
        """The pool has one at last."""
        self._take(connection)
        if self.phase is READY and self.connection is not None:
            self.connection.asked_at = self.connection.since = self.clock.now
            self.receive(b"")
            self._adjust_reading()

    def _take(self, connection: Connection) -> None:
        self.waiting = False
        borrowed: BorrowedConnection = connection  # type: ignore[assignment]
        self.connection = borrowed
        if self.write_paused:
            borrowed.pause_reading()
        if borrowed.lent(self, self.parameters):
            self.prepared(None)

    def prepared(self, error: ClientError | None) -> None:
        connection = self.connection
        assert connection is not None
        if error is not None:
            self.close(ClientError(error.text, error.sqlstate))
        elif self.phase is LOGIN:
            told = connection.responses.told
            self.endpoint.keep_greeting(self.key, self.parameters, told)
            self._give_back()
            self._welcome(told)
        elif connection.responses.told is not self.client.told:
            self._tell(connection.responses.told)

    def _tell(self, values: Values) -> None:
        """What of the server's settings is not as the client was told last."""
        for name, value in values.differing(self.client.told).items():
            self.write(messages.parameter_status(name, value))
        self.client.told = values

    def settled(self) -> None:
        requests, connection = self.requests, self.connection
        if connection is None:
            return
        if self.pinning.pinned:
            if self.pinning.state.changes and connection.replies.settled():
                self.pinning.transaction_ended(connection.responses)
            return
        if requests.passing or requests.held:
            return
        if connection.replies.settled() and not connection.cancelling:
            self._give_back()

    def _give_back(self) -> None:
        connection, self.connection = self.connection, None
        assert connection is not None
        if self.write_paused:
            connection.resume_reading()
        connection.released()
        self.pool.give_back(connection)

    def answered(self) -> None:
        self.requests.held = False
        self.receive(b"")
        self._adjust_reading()

    def connection_closed(self, told: bool) -> None:
        self.connection = None
        if told:
            self._end()
        else:
            self.close(connection_failure("The database connection was closed."))

    def idle_for(self, now: float) -> float:
        """Seconds since its last request ended; 0 while one is under way.

        now is of the monotonic clock.
        """
        connection = self.connection
        if self.phase is not READY or self.waiting:
            return 0
        if connection is not None and connection.replies.due:
            return 0
        return now - (self.asked_at or self.rested_at)

    @property
    def application_name(self) -> str:
        name = self.client.told.values.get(b"application_name", b"")
        return name.decode("utf-8", "replace")

    @property
    def busy(self) -> bool:
        """In a request or a transaction."""
        connection = self.connection
        if connection is None:
            return self.waiting
        return bool(self.requests.passing) or not connection.idle_outside_transaction

    @property
    def pinned(self) -> bool:
        return self.pinning.pinned

    @property
    def pinned_by(self) -> str | None:
        event = self.pinning.event
        return None if event is None else event.rule

    # Refusals and the end.

    def refuse(self, error: ClientError) -> None:
        """No connection could be had for the request that waits."""
        self.waiting = False
        self.house.borrow_failed(self, error)
        if self.phase is LOGIN:
            self.close(self.house.login_refused(self, error))
        else:
            self.write(self.requests.fail(error))
            self.receive(b"")

    def close(self, error: ClientError) -> None:
        """Tell the client why, and end."""
        if self.phase is CLOSED:
            return
        self.house.observe(
            events.ClientRefused(self.number, error.text, error.sqlstate, error.log)
        )
        self.write(messages.error_response(errors.FATAL, error.sqlstate, error.text))
        self._leave(requested=False)

    def _leave(self, requested: bool) -> None:
        """End the session; the connection that it holds is reset or closed."""
        busy = self.busy
        connection, self.connection = self.connection, None
        self._end(requested)
        if connection is None:
            return
        if busy or connection.cancelling:
            connection.abandon(IN_A_REQUEST, cancel=not requested)
        else:
            connection.reset()

    def _end(self, requested: bool = False) -> None:
        if self.phase is CLOSED:
            return
        self.phase = CLOSED
        self.waiting = False
        self.pool.take_back(self)
        assert self.transport is not None
        if self.encryption is not None and not self.transport.is_closing():
            self.transport.write(self.encryption.end())
        self.transport.close()
        self.pinning.end()
        self.house.observe(events.ClientClosed(self.number, requested))
        self.house.ended(self)

    def eof_received(self) -> None:
        if self.greeting is not None and self.greeting.begun:
            self.close(protocol_violation("incomplete startup packet"))

    def connection_lost(self, error: Exception | None) -> None:
        self._leave(requested=False)
        # What would keep itself alive in a circle, until garbage is collected.
        self.greeting = self.encryption = None

    # Backpressure.

    def pause_writing(self) -> None:
        self.write_paused = True
        if self.connection is not None:
            self.connection.pause_reading()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.connection is not None:
            self.connection.resume_reading()

    def connection_full(self) -> None:
        self._adjust_reading()

    def _adjust_reading(self) -> None:
        """Read from the client only while there is room for what it sends."""
        connection, transport = self.connection, self.transport
        pause = len(self.requests.input) > MAX_INPUT or (
            connection is not None and connection.write_paused
        )
        if pause is self.reading_paused or transport is None or transport.is_closing():
            return
        self.reading_paused = pause
        if pause:
            transport.pause_reading()
        else:
            transport.resume_reading()

    # Startup.

    def let_in(self, rest: bytes) -> None:
        self.phase = LOGIN
        assert self.greeting is not None
        self.key, self.parameters = self.greeting.key, self.greeting.parameters
        self.greeting = None
        self.client.statements.settings = of_reading(self.parameters)
        self.requests.input = rest
        greeted = self.endpoint.greeting(self.key, self.parameters)
        if greeted is not None:
            self.key = greeted.key
            self._welcome(greeted.told)
        else:
            self._borrowed(LOGIN_PATIENCE)

    def _welcome(self, told: Values) -> None:
        self.client.told = told
        greeting = [messages.parameter_status(*item) for item in told.values.items()]
        key = self.house.backend_key(self)
        if key is not None:
            greeting.append(messages.backend_key_data(*key))
        greeting.append(messages.ready_for_query(IDLE))
        self.phase = READY
        self.house.observe(
            events.ClientWelcomed(self.number, self.encryption is not None)
        )
        self.house.welcomed(self)
        self.write(b"".join(greeting))
        if self.requests.input:
            self.receive(b"")

    def send_away(self) -> None:
        self._end()

    # Encryption.

    def encrypt(self, stream: EncryptedStream) -> None:
        self.encryption = stream
        self.traffic = self.requests.traffic = self.counters.encrypted

    def decrypt(self, data: bytes) -> None:
        assert self.encryption is not None
        self._decrypt(self.encryption, data)

    def _decrypt(self, stream: EncryptedStream, data: bytes) -> None:
        transport = self.transport
        assert transport is not None
        try:
            plain, answer = stream.receive(data)
        except ssl.SSLError as error:
            transport.write(stream.alert())
            self.encryption = None
            self.close(protocol_violation(f"TLS failed: {error.reason}"))
            return
        if answer:
            transport.write(answer)
        if plain:
            self.receive(plain)
        if stream.ended and self.phase is not CLOSED:
            self._leave(requested=False)


def _address(peer: object) -> str:
    """host:port of a TCP peer; a Unix socket's has no name."""
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "local"

"""A client's login, from its first byte until it may send requests.

Owns the startup conversation and the choice of the parameters that the client
receives: cached ones from an earlier login, or those of a database connection that the
session borrows. Does not know what clients send after the login.
"""

from abc import ABCMeta, abstractmethod
from typing import Any, Final, NamedTuple, Protocol

from mypy_extensions import mypyc_attr

from pinwatch.auth.client import Conversation
from pinwatch.clock import Clock
from pinwatch.counters import EndpointCounters
from pinwatch.errors import ClientError
from pinwatch.pool.interfaces import ConnectionSource, Key
from pinwatch.relay.client_startup import ClientStartup, StartupServices
from pinwatch.relay.parameters import Values
from pinwatch.tls.stream import EncryptedStream

LOGIN_BORROW_TIMEOUT: Final = 10.0
"""Minimum borrow timeout during login, in seconds."""
PARAMETERS_MAX_AGE: Final = 0.25
"""Maximum age, in seconds, of the cached parameters that a login uses."""


class CachedParameters(NamedTuple):
    """The parameters that a database connection reported to an earlier client.

    Clients with the same key and startup parameters log in with them, without a
    database connection. Their sessions share this key object: a dictionary finds the
    same object faster than an equal one. read_at is the clock's time, in seconds, at
    which the parameters were read.
    """

    key: Key
    reported_parameters: Values
    read_at: float


@mypyc_attr(allow_interpreted_subclasses=True)
class Endpoint(metaclass=ABCMeta):
    """The endpoint that a client connected to."""

    __slots__ = ("counters", "name", "source")

    name: str
    counters: EndpointCounters

    source: ConnectionSource[Any]
    """The source of database connections; a failover or a fault may replace it."""

    @abstractmethod
    def cached_parameters(
        self, key: Key, parameters: Values
    ) -> CachedParameters | None:
        """Return the parameters last reported for these startup parameters, if any."""

    @abstractmethod
    def cache_parameters(self, parameters: Values, cached: CachedParameters) -> None:
        """Cache the parameters reported to a client with these startup parameters."""


class LoginSession(Protocol):
    """The part of a client session that its login uses."""

    number: int
    key: Key
    clock: Clock

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""

    def receive(self, data: bytes) -> None:
        """Handle decrypted client bytes."""

    def close(self, error: ClientError) -> None:
        """Send the client a FATAL error and end the session."""

    def end(self, requested: bool = False) -> None:
        """End the session without an answer."""

    def encrypt(self, stream: EncryptedStream) -> None:
        """Encrypt both directions, starting with the next byte."""

    def data_received(self, data: bytes) -> None:
        """Handle bytes from the socket, encrypted or not."""

    def authenticated(self, key: Key, parameters: Values, rest: bytes) -> None:
        """Store the client's identity; rest holds bytes that followed the login."""

    def borrow(self, min_timeout: float) -> None:
        """Borrow a database connection; ``ClientLogin.parameters_reported`` follows."""

    def finish_login(self, reported_parameters: Values) -> None:
        """Send the parameters and ReadyForQuery to the client."""

    def serves_at_once(self) -> bool:
        """Call ``ConnectionSource.serves_at_once`` for this session."""


class ClientLogin:
    """The login of one session; implements ``StartupClient`` for ``ClientStartup``."""

    __slots__ = ("_endpoint", "_session", "_startup", "number", "parameters")

    parameters: Values

    def __init__(
        self, session: LoginSession, services: StartupServices, endpoint: Endpoint
    ) -> None:
        self.number = session.number
        self._session = session
        self._endpoint = endpoint
        self._startup: ClientStartup | None = ClientStartup(self, services)

    @property
    def incomplete(self) -> bool:
        """True if a startup packet has arrived in part."""
        return self._startup is not None and self._startup.incomplete

    def receive(self, data: bytes) -> bool:
        """Handle decrypted bytes. After the authentication, only return False.

        Raises ProtocolViolation and ClientError.
        """
        if self._startup is None:
            return False
        self._startup.receive(data)
        return True

    def start_authentication(self, conversation: Conversation) -> None:
        """Start authentication, now that the credentials are loaded."""
        if self._startup is None:
            return
        try:
            self._startup.start_authentication(conversation)
        except ClientError as error:
            self._session.close(error)
        self._session.receive(b"")

    def write(self, data: bytes) -> None:
        self._session.write(data)

    def encrypt(self, stream: EncryptedStream) -> None:
        self._session.encrypt(stream)

    def decrypt(self, data: bytes) -> None:
        self._session.data_received(data)

    def disconnect(self) -> None:
        self._session.end()

    def authenticated(self, rest: bytes) -> None:
        """Finish the login with cached parameters, or borrow a connection for them."""
        startup, self._startup = self._startup, None
        assert startup is not None
        session, key = self._session, startup.key
        self.parameters = startup.parameters
        cached = self._endpoint.cached_parameters(key, self.parameters)
        if cached is not None:
            key = cached.key
        session.authenticated(key, self.parameters, rest)
        if cached is not None and self._current(cached):
            session.finish_login(cached.reported_parameters)
        else:
            session.borrow(LOGIN_BORROW_TIMEOUT)

    def _current(self, cached: CachedParameters) -> bool:
        """Return True if cached is recent, or if ``serves_at_once`` is false.

        The age is limited because the server's settings can change at any time, by
        ALTER SYSTEM, a restart or an upgrade, without a report on any connection. To
        learn of a change, a login borrows an idle connection, or opens one if the pool
        is empty. If neither is possible at once, the login uses the cached values.
        """
        age = self._session.clock.now - cached.read_at
        return age < PARAMETERS_MAX_AGE or not self._session.serves_at_once()

    def parameters_reported(self, reported_parameters: Values) -> None:
        """Cache the borrowed connection's parameters, then finish the login."""
        session = self._session
        cached = CachedParameters(session.key, reported_parameters, session.clock.now)
        self._endpoint.cache_parameters(self.parameters, cached)
        session.finish_login(reported_parameters)

    def stop(self) -> None:
        """Break reference cycles so that the session is freed at once."""
        self._startup = None

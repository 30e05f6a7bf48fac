"""A client's way from its first byte to its first request.

Owns the login: the startup conversation, then the parameters that the client receives.
An earlier login has found them out, or the session borrows a database connection and
reports that connection's. Does not know what clients send afterwards.
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
"""Seconds for which the parameters that one client received serve other logins."""


class CachedParameters(NamedTuple):
    """The parameters that a database connection reported to an earlier client.

    Clients with the same key and startup parameters log in with them, without a
    database connection. They all share this key object, which a dictionary finds faster
    than an equal one. read_at is the clock's time of the report, in seconds.
    """

    key: Key
    reported_parameters: Values
    read_at: float


@mypyc_attr(allow_interpreted_subclasses=True)
class Endpoint(metaclass=ABCMeta):
    """The address that a client connected to."""

    __slots__ = ("counters", "name", "source")

    name: str
    counters: EndpointCounters

    source: ConnectionSource[Any]
    """What serves its clients; a failover or a fault may replace it."""

    @abstractmethod
    def cached_parameters(
        self, key: Key, parameters: Values
    ) -> CachedParameters | None:
        """Return what was last reported to a client with these startup parameters."""

    @abstractmethod
    def cache_parameters(self, parameters: Values, cached: CachedParameters) -> None:
        """Keep what was reported to a client with these startup parameters."""


class LoginSession(Protocol):
    """The session that logs in, as its login sees it."""

    number: int
    key: Key
    clock: Clock

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""

    def receive(self, data: bytes) -> None:
        """Handle decrypted bytes of the client."""

    def close(self, error: ClientError) -> None:
        """Send the client a FATAL error and end the session."""

    def end(self, requested: bool = False) -> None:
        """End the session without an answer."""

    def encrypt(self, stream: EncryptedStream) -> None:
        """Encrypt both directions from the next byte on."""

    def data_received(self, data: bytes) -> None:
        """Handle bytes as they came from the socket."""

    def authenticated(self, key: Key, parameters: Values, rest: bytes) -> None:
        """Take the client's identity; rest came after its proof."""

    def borrow(self, min_timeout: float) -> None:
        """Borrow a database connection; ``ClientLogin.parameters_reported`` follows."""

    def finish_login(self, reported_parameters: Values) -> None:
        """Tell the client that it is logged in."""

    def must_wait(self) -> bool:
        """Whether a borrow now would wait for another client's connection."""


class ClientLogin:
    """The login of one session; its methods are what ``ClientStartup`` calls."""

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
        """Whether a part of a startup packet has arrived."""
        return self._startup is not None and self._startup.incomplete

    def receive(self, data: bytes) -> bool:
        """Handle decrypted bytes; return False once the client has proved itself.

        Raises ProtocolViolation and ClientError.
        """
        if self._startup is None:
            return False
        self._startup.receive(data)
        return True

    def start_authentication(self, conversation: Conversation) -> None:
        """Credentials are loaded; start authentication."""
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
        """The client has proved its identity: find out what to report to it."""
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
        """Whether to log in with these; old ones serve where asking would mean waiting.

        The server's settings can change at any time: by ALTER SYSTEM, a restart or an
        upgrade, which no connection of the pool may have noticed yet.
        """
        age = self._session.clock.now - cached.read_at
        return age < PARAMETERS_MAX_AGE or self._session.must_wait()

    def parameters_reported(self, reported_parameters: Values) -> None:
        """Keep what the borrowed connection reports, for this and other logins."""
        session = self._session
        cached = CachedParameters(session.key, reported_parameters, session.clock.now)
        self._endpoint.cache_parameters(self.parameters, cached)
        session.finish_login(reported_parameters)

    def stop(self) -> None:
        """Break reference cycles so that the session is freed at once."""
        self._startup = None

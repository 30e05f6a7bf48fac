"""One proxy: its endpoint, its target, and the clock that they share.

Owns starting and stopping, the sessions, and the one timer. The way of a statement
does not pass through here.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final

from pinwatch import events
from pinwatch.admission import Admission
from pinwatch.auth.client import Conversation
from pinwatch.config.model import Address, Settings
from pinwatch.config.target import Target
from pinwatch.counters import Counters
from pinwatch.database import DatabaseConnection
from pinwatch.errors import (
    ClientError,
    ListenError,
    admin_shutdown,
    authentication_timeout,
    no_credentials,
    too_many_clients,
)
from pinwatch.greeting import Guest
from pinwatch.parameters import Values
from pinwatch.pins.cache import VerdictCache
from pinwatch.pins.profiles import PROFILES
from pinwatch.pool import Key, Pool
from pinwatch.session import ClientSession
from pinwatch.statements import Registry
from pinwatch.targets import TargetConnections, Tasks, reason
from pinwatch.tls import ServerTls
from pinwatch.wire.startup import CancelRequest

log = logging.getLogger("pinwatch")

SWEEP: Final = 0.1  # seconds between looks at the clock
BACKLOG: Final = 4_096
MAX_GREETINGS: Final = 10_000


class Proxy:
    """The proxy of one target; ``start`` it on a running loop."""

    target_connections: TargetConnections

    def __init__(
        self,
        settings: Settings,
        target: Target,
        observers: tuple[events.Observe, ...] = (),
    ) -> None:
        self.settings = settings
        self.target = target
        self.observers = observers
        self.require_tls = settings.require_tls
        self.every_pin = False
        self.admission = Admission(settings, target)
        self.counters = Counters()
        self.verdicts = VerdictCache(PROFILES[settings.profile])
        self.registry = Registry(f"pinwatch_{secrets.token_hex(4)}_".encode())
        self.sessions: set[ClientSession] = set()
        self.starting: OrderedDict[ClientSession, float] = OrderedDict()
        self._keys: dict[tuple[int, bytes], ClientSession] = {}
        self._greetings: OrderedDict[tuple[Key, Values], Values] = OrderedDict()
        self._tasks = Tasks()

    # Starting and stopping.

    async def start(self) -> None:
        """Ask the target for its limit, then listen.

        Raises SettingError, TargetError and ListenError.
        """
        settings = self.settings
        self._loop = asyncio.get_running_loop()
        await self.admission.start()
        self.target_connections = TargetConnections(
            self.target,
            self.registry,
            settings.max_prepared_statements,
            settings.connection_pool.connection_borrow_timeout,
            self.admission.password,
            self._number,
            self.observe,
            self.counters,
        )
        percent = settings.connection_pool.max_connections_percent
        allowed = await self.target_connections.measure(percent)
        self.pool.max_connections = settings.max_connections or allowed
        await self._listen(settings.listen)
        self.admission.listening(self.address.port)
        self._timer = self._loop.call_later(SWEEP, self._sweep)

    async def _listen(self, address: Address) -> None:
        try:
            self._server = await self._loop.create_server(
                self._accept, address.host, address.port, backlog=BACKLOG
            )
        except OSError as error:
            raise ListenError(f"Cannot listen on {address}: {reason(error)}.") from None

    @property
    def address(self) -> Address:
        """Where clients connect, with the port that port 0 became."""
        host, port, *_ = self._server.sockets[0].getsockname()
        return Address(host, port)

    @property
    def pool(self) -> Pool:
        return self.target_connections.pool

    @property
    def tls(self) -> ServerTls | None:
        return self.admission.tls

    async def stop(self) -> None:
        """No new clients; transactions get shutdown_grace seconds; then all end."""
        self._server.close()
        deadline = self._loop.time() + self.settings.shutdown_grace
        while self._end_sessions(self._loop.time() >= deadline):  # noqa: ASYNC110
            await asyncio.sleep(SWEEP)
        await self.target_connections.stop()
        self._timer.cancel()
        await self._tasks.end()
        await self._server.wait_closed()

    def refresh(self) -> None:
        """Begin to read all secrets again, whatever their age."""
        self._tasks.run(self.admission.refresh())

    def _end_sessions(self, busy_too: bool) -> bool:
        """Whether some session still works on a transaction."""
        for session in list(self.sessions):
            if busy_too or not session.busy:
                session.close(admin_shutdown())
        return bool(self.sessions)

    def _accept(self) -> ClientSession:
        session = ClientSession(self._number(), self)
        self.sessions.add(session)
        self.starting[session] = (
            self._loop.time() + self.settings.authentication_timeout
        )
        return session

    def _number(self) -> int:
        """An identifier as in RDS Proxy's log: unsigned, 32 bits."""
        return secrets.randbits(32)

    def _sweep(self) -> None:
        now = self._loop.time()
        self._timer = self._loop.call_later(SWEEP, self._sweep)
        self.target_connections.sweep(now)
        while self.starting:
            session, deadline = next(iter(self.starting.items()))
            if deadline > now:
                break
            del self.starting[session]
            session.close(authentication_timeout())

    # What sessions ask (House).

    def now(self) -> datetime:
        return datetime.now(UTC)

    def observe(self, event: events.Event) -> None:
        for observer in self.observers:
            try:
                observer(event)
            except Exception:
                log.exception("an observer failed on %r", event)

    def authenticate(
        self, guest: Guest, user: str, encrypted: bool
    ) -> Conversation | None:
        most = self.settings.max_client_connections
        if len(self.sessions) > most:
            raise too_many_clients(most)
        if self.admission.stale():
            self._tasks.run(self._authenticate_later(guest, user, encrypted))
            return None
        return self.admission.conversation(user, encrypted)

    async def _authenticate_later(
        self, guest: Guest, user: str, encrypted: bool
    ) -> None:
        await self.admission.refresh(everything=False)
        guest.prove(self.admission.conversation(user, encrypted))

    def greeting(self, key: Key, parameters: Values) -> Values | None:
        return self._greetings.get((key, parameters))

    def keep_greeting(self, key: Key, parameters: Values, told: Values) -> None:
        self._greetings[key, parameters] = told
        if len(self._greetings) > MAX_GREETINGS:
            self._greetings.popitem(last=False)

    def login_refused(self, session: ClientSession, error: ClientError) -> ClientError:
        if error.sqlstate.startswith("28"):
            return no_credentials(session.key[0].decode("utf-8", "replace"))
        return error

    def welcomed(self, session: ClientSession) -> None:
        self.starting.pop(session, None)

    def ended(self, session: ClientSession) -> None:
        self.sessions.discard(session)
        self.starting.pop(session, None)
        if session.cancel_key is not None:
            del self._keys[session.cancel_key]

    def backend_key(self, session: ClientSession) -> tuple[int, bytes] | None:
        if self.settings.cancel != "forward":
            return None
        key = secrets.randbits(31), secrets.token_bytes(4)
        self._keys[key] = session
        session.cancel_key = key
        return key

    def cancel(self, request: CancelRequest) -> bool:
        session = self._keys.get((request.process, request.secret))
        connection = None if session is None else session.connection
        if not isinstance(connection, DatabaseConnection) or not connection.replies.due:
            return False
        self.target_connections.cancel(connection)
        return True

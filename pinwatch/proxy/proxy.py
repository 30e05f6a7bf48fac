"""One proxy: its endpoints, its targets, its sessions, and the clock that they share.

Owns starting, reloading and stopping, and the timer for timeouts. Statements do not
pass through this module.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from typing import Final

from pinwatch import events
from pinwatch.auth.client import Conversation
from pinwatch.auth.refusals import no_credentials
from pinwatch.clock import Clock
from pinwatch.config.model import DEFAULT, Address, EndpointEntry, Settings, TargetRole
from pinwatch.config.target import Target
from pinwatch.counters import EndpointCounters
from pinwatch.errors import (
    BorrowTimeout,
    ClientError,
    ListenError,
    ReleaseError,
    admin_shutdown,
    authentication_timeout,
    client_lifetime,
    idle_client_timeout,
    too_many_clients,
)
from pinwatch.pins.advice import by_rule
from pinwatch.pins.cache import VerdictCache
from pinwatch.pins.databases import DatabaseStatements
from pinwatch.pins.profiles import Profile, profile
from pinwatch.pins.verdict import Verdict, judge
from pinwatch.pool.interfaces import ConnectionSource
from pinwatch.pool.pool import Pool
from pinwatch.proxy.admission import Admission
from pinwatch.proxy.endpoints import Endpoint, stable_port
from pinwatch.proxy.faults import Faults
from pinwatch.relay.client_session import ClientSession
from pinwatch.relay.client_startup import StartupClient
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.relay.statements import Registry
from pinwatch.sockets.loop import running
from pinwatch.targets.connections import TargetConnections
from pinwatch.targets.group import TargetGroup
from pinwatch.targets.release import release
from pinwatch.targets.tasks import Tasks
from pinwatch.tls.certificates import ServerTls
from pinwatch.wire.startup import CancelRequest

log = logging.getLogger("pinwatch")

MAX_WITHOUT_STARTUP: Final = 100
"""Client connections without a startup packet, beyond max_client_connections."""
SWEEP_INTERVAL: Final = 0.1  # real seconds between checks for timeouts
CLIENT_SWEEP_INTERVAL: Final = 1.0  # seconds between checks for idle clients
RESTART_SETTINGS: Final = (
    "target",
    "targets",
    "listen",
    "http",
    "http_token",
    "state_folder",
    "event_log",
    "event_log_max_bytes",
    "event_log_backups",
    "wait",
    "allow_faults",
    "time_scale",
)
"""Settings that take effect at a restart only."""

CLIENT_LIFETIME: Final = 24 * 3600.0  # seconds


class Proxy:
    """A proxy; ``start`` it on a running ``sockets.loop.Loop`` that serves no other.

    target is the only target, or the first one if the settings have several.
    """

    group: TargetGroup
    clock: Clock
    started: float
    """When it began to listen, in seconds of the clock."""
    started_at: datetime

    def __init__(
        self,
        settings: Settings,
        target: Target,
        observers: tuple[events.Observe, ...] = (),
    ) -> None:
        self.settings = settings
        self.target = target
        self.observers = observers
        self.every_pin = False
        self.admission = Admission(settings, target)
        self.counters: defaultdict[str, EndpointCounters] = defaultdict(
            EndpointCounters
        )
        self.verdicts = VerdictCache(_profile(settings), defers=True)
        self.database_statements = DatabaseStatements(settings.release_on_ddl)
        self._judges = ThreadPoolExecutor(1, "pinwatch-judge")
        self.registry = Registry(
            f"pinwatch_{secrets.token_hex(4)}_".encode(),
            settings.max_prepared_statement_bytes,
        )
        self.sessions: set[ClientSession] = set()
        self.starting: OrderedDict[ClientSession, float] = OrderedDict()
        self._silent: dict[int, ClientSession] = {}
        """The sessions without a startup packet by number, the oldest first."""
        self._keys: dict[tuple[int, bytes], ClientSession] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.faults = Faults(self)
        self._suspects = count(1)
        self._tasks = Tasks()

    # Starting and stopping.

    async def start(self) -> None:
        """Check the targets, for which it waits if the settings say so, then listen.

        Raises SettingError, TargetError and ListenError.
        """
        settings = self.settings
        self._loop = running()
        self.clock = self._loop.clock
        self.clock.run_at(settings.time_scale)
        await self.admission.start()
        self.group = TargetGroup(self.observe, self.faults.put, self.clock)
        targets = self._targets()
        for name, role, target in targets:
            single = len(targets) == 1
            self.group.add(role, self._connections(name, target), single)
        by_rule()  # or else the first pin would read the catalogue on the event loop
        try:
            await self.group.start(settings.wait)
            await self._listen(settings)
        except BaseException:
            self._stop_listening()
            await self.group.stop()
            raise
        self.admission.listening(self.ports)
        self._timer = self._loop.call_later(SWEEP_INTERVAL, self._sweep)
        self._client_sweep_at = self.started = self.clock.now
        self.started_at = self.now()

    def _targets(self) -> list[tuple[str, TargetRole, Target]]:
        """Return name, role and address of each target; raises SettingError."""
        several = self.settings.targets
        if not several:
            return [(DEFAULT, "READ_WRITE", self.target)]
        return [(one.name, one.role, Target.parse(one.url)) for one in several]

    def _connections(self, name: str, target: Target) -> TargetConnections:
        return TargetConnections(
            name,
            target,
            self.settings,
            self.registry,
            lambda user: self.admission.password(target, user),
            self._number,
            self.observe,
        )

    async def _listen(self, settings: Settings) -> None:
        """Open all endpoints; raises ListenError."""
        default = EndpointEntry(name=DEFAULT, listen=settings.listen)
        for entry in (default, *settings.endpoints):
            self.endpoints[entry.name] = await self._open_endpoint(entry)
        self.faults.put()

    async def _open_endpoint(self, entry: EndpointEntry) -> Endpoint:
        """Open an endpoint and return it; raises ListenError."""
        name = entry.name
        endpoint = Endpoint(name, entry.target_role, self.pool, self.counters[name])
        if entry.listen is not None:
            await endpoint.listen(entry.listen, self._accept)
        else:
            port = stable_port(self.settings.db_proxy_name, name)
            near = self.settings.listen._replace(port=port)
            await endpoint.listen_near(near, self._accept)
        return endpoint

    def source(self, endpoint: Endpoint) -> ConnectionSource[DatabaseConnection]:
        return self.group if endpoint.role == "READ_ONLY" else self.pool

    @property
    def address(self) -> Address:
        """The address of the default endpoint."""
        return self.endpoints[DEFAULT].address

    def ports(self) -> list[int]:
        """Return the ports of the endpoints, the default one's first."""
        return [endpoint.address.port for endpoint in self.endpoints.values()]

    @property
    def pool(self) -> Pool[DatabaseConnection]:
        """The writer's pool."""
        return self.group.writer.pool

    @property
    def pools(self) -> list[Pool[DatabaseConnection]]:
        return [member.pool for member in self.group.members]

    @property
    def require_tls(self) -> bool:
        return self.settings.require_tls

    @property
    def tls(self) -> ServerTls | None:
        return self.admission.tls

    async def stop(self) -> None:
        """Stop listening, wait up to shutdown_grace for transactions, close all."""
        self._stop_listening()
        deadline = self.clock.now + self.settings.shutdown_grace
        while self._end_sessions(self.clock.now >= deadline):  # noqa: ASYNC110
            await asyncio.sleep(SWEEP_INTERVAL)
        await self.group.stop()
        self._timer.cancel()
        await self._tasks.end()
        self._judges.shutdown(wait=False)

    async def reload(self, settings: Settings) -> list[str]:
        """Apply the settings without losing a client.

        Return the names of changed settings that need a restart. Raises SettingError
        and ListenError, and changes nothing then.
        """
        fixed = {name: getattr(self.settings, name) for name in RESTART_SETTINGS}
        late = [
            name for name in RESTART_SETTINGS if getattr(settings, name) != fixed[name]
        ]
        settings = settings.model_copy(update=fixed)
        admission = Admission(settings, self.target)
        await admission.start()
        admission.listening(self.ports)
        await self._change_endpoints(settings)
        self.settings, self.admission = settings, admission
        self.verdicts.follow(_profile(settings))
        self.database_statements.enabled = settings.release_on_ddl
        self.group.apply(settings)
        return late

    async def _change_endpoints(self, settings: Settings) -> None:
        """Open new endpoints and close removed ones; raises ListenError.

        The clients of a removed endpoint stay.
        """
        wanted = {entry.name: entry for entry in settings.endpoints}
        before = {entry.name: entry for entry in self.settings.endpoints}
        stay = {
            name
            for name in wanted
            if name in before and wanted[name].listen == before[name].listen
        }
        added: dict[str, Endpoint] = {}
        try:
            for name in wanted.keys() - stay:
                added[name] = await self._open_endpoint(wanted[name])
        except ListenError:
            for endpoint in added.values():
                endpoint.close()
            raise
        for name in before.keys() - stay:
            self.endpoints.pop(name).close()
        for name in stay:
            self.endpoints[name].role = wanted[name].target_role
        self.endpoints |= added
        self.faults.put()

    async def release(self, database: str | None = None) -> int:
        """Close the idle connections to database, or all; see ``targets.release``.

        Raises ReleaseError for a database to which nothing has connected.
        """
        if database is None:
            return await self._release(None)
        known = self._known_databases()
        if database not in known:
            names = ", ".join(sorted(known))
            raise ReleaseError(
                f"No client has connected to a database {database}; "
                f"known databases: {names}."
            )
        return await self._release(frozenset((database.encode(),)))

    async def _release(self, databases: frozenset[bytes] | None) -> int:
        targets = [member.connections for member in self.group.members]
        return await release(targets, databases)

    def _known_databases(self) -> set[str]:
        """Return the databases of the targets, and those that clients connected to."""
        keys = [key for pool in self.pools for key in pool.idle]
        keys += [session.key for session in self.sessions]
        own = {member.connections.target.database for member in self.group.members}
        return own | {key[1].decode("utf-8", "replace") for key in keys if key[1]}

    def refresh(self) -> None:
        """Start to read all secrets again, stale or not."""
        self._tasks.run(self.admission.refresh())

    def _stop_listening(self) -> None:
        for endpoint in self.endpoints.values():
            endpoint.close()

    def _end_sessions(self, busy_too: bool) -> bool:
        """Close idle sessions, or all with busy_too; return True while any is left."""
        for session in list(self.sessions):
            if busy_too or not session.busy:
                session.close(admin_shutdown())
        return bool(self.sessions)

    def _accept(self, endpoint: Endpoint) -> ClientSession:
        session = ClientSession(self._number(), self, endpoint)
        self.sessions.add(session)
        self.starting[session] = self.clock.now + self.settings.authentication_timeout
        self._silent[session.number] = session
        if len(self._silent) > MAX_WITHOUT_STARTUP:
            self._limit_silent_sessions()
        return session

    def _limit_silent_sessions(self) -> None:
        """Close the oldest connections without a startup packet beyond the limit."""
        most = self.settings.max_client_connections
        free = max(most - self._clients(), 0)
        while len(self._silent) > free + MAX_WITHOUT_STARTUP:
            next(iter(self._silent.values())).close(too_many_clients(most))

    def _clients(self) -> int:
        """Count the client connections that have sent a startup packet."""
        return len(self.sessions) - len(self._silent)

    def _number(self) -> int:
        """Return an identifier as in RDS Proxy's log: unsigned, 32 bits."""
        return secrets.randbits(32)

    def _sweep(self) -> None:
        now = self.clock.now
        self._timer = self._loop.call_later(SWEEP_INTERVAL, self._sweep)
        self.group.sweep()
        self.faults.sweep()
        while self.starting:
            session, deadline = next(iter(self.starting.items()))
            if deadline > now:
                break
            del self.starting[session]
            session.close(authentication_timeout())

        if now >= self._client_sweep_at:
            self._client_sweep_at = now + CLIENT_SWEEP_INTERVAL
            self._end_the_idle()

    def _end_the_idle(self) -> None:
        """Close clients that are idle for too long, or connected for a day."""
        now, longest = self.clock.now, self.settings.idle_client_timeout
        for session in list(self.sessions):
            if session.idle_for(now) >= longest:
                session.close(idle_client_timeout())
            elif now - session.connected >= CLIENT_LIFETIME:
                session.close(client_lifetime())

    def is_probing(self) -> bool:
        """Return True if a database connection is probed for hidden state."""
        return any(member.connections.probes.running for member in self.group.members)

    async def probes_done(self) -> None:
        """Wait until no database connection is probed for hidden state."""
        for member in self.group.members:
            await member.connections.probes.done()

    def reset_leaks(self) -> None:
        """Start to reset the idle connections on which hidden state was found."""
        for member in self.group.members:
            member.connections.reset_leaks()

    # ProxyServices, for the sessions.

    def now(self) -> datetime:
        return datetime.now(UTC)

    def suspect_number(self) -> int:
        return next(self._suspects)

    def observe(self, event: events.Event) -> None:
        for observer in self.observers:
            try:
                observer(event)
            except Exception:
                log.exception("An observer failed on %r.", event)

    def authenticate(
        self, client: StartupClient, user: str, encrypted: bool
    ) -> Conversation | None:
        self._silent.pop(client.number, None)
        most = self.settings.max_client_connections
        if self._clients() > most:
            raise too_many_clients(most)
        if self.admission.stale():
            self._tasks.run(self._authenticate_later(client, user, encrypted))
            return None
        return self.admission.conversation(user, encrypted)

    async def _authenticate_later(
        self, client: StartupClient, user: str, encrypted: bool
    ) -> None:
        await self.admission.refresh(everything=False)
        client.start_authentication(self.admission.conversation(user, encrypted))

    def login_refused(self, session: ClientSession, error: ClientError) -> ClientError:
        user = session.key[0].decode("utf-8", "replace")
        known = self.admission.password(self.target, user) is not None
        refused = error.sqlstate.startswith("28")
        return no_credentials(user) if refused and not known else error

    def borrow_failed(self, session: ClientSession, error: ClientError) -> None:
        timed_out = isinstance(error, BorrowTimeout)
        usage = session.pool.usage() if timed_out else None
        self.observe(events.BorrowFailed(session.number, error.text, usage))

    def release_databases(
        self, databases: frozenset[bytes], done: Callable[[], None]
    ) -> None:
        async def run() -> None:
            try:
                await self._release(databases)
            finally:
                done()

        self._tasks.run(run())

    def judge(self, sql: bytes, done: Callable[[], None]) -> None:
        self._tasks.run(self._judge(sql, done))

    async def _judge(self, sql: bytes, done: Callable[[], None]) -> None:
        """Judge sql in a thread; if that fails, it counts as a syntax error."""
        profile = self.verdicts.profile
        try:
            found = await self._loop.run_in_executor(self._judges, judge, sql, profile)
        except Exception as error:
            log.exception("A statement of %d bytes could not be judged.", len(sql))
            found = Verdict("", error=str(error))
        self.verdicts.remember(sql, found, profile)
        done()

    def logged_in(self, session: ClientSession) -> None:
        self.starting.pop(session, None)

    def ended(self, session: ClientSession) -> None:
        self.sessions.discard(session)
        self.starting.pop(session, None)
        self._silent.pop(session.number, None)
        if session.cancel_key is not None:
            del self._keys[session.cancel_key]

    def backend_key(self, session: ClientSession) -> tuple[int, bytes] | None:
        if self.settings.cancel != "forward":
            return None
        key = secrets.randbits(31), secrets.token_bytes(4)
        self._keys[key] = session
        session.cancel_key = key
        return key

    def cancel(self, request: CancelRequest, delivered: Callable[[], None]) -> bool:
        session = self._keys.get((request.process, request.secret))
        connection = None if session is None else session.connection
        if connection is None or not connection.replies.due:
            return False
        connection.cancel(delivered)
        return True


def _profile(settings: Settings) -> Profile:
    return profile(settings.profile, notes_unseen=settings.hidden_state != "off")

"""The target group: the writer, the readers, and failover between them.

Owns the targets with their monitors, and the choice of the writer. Clients are known
only as borrowers: at a failover the waiters move to the new writer's pool, and keep
their order and their deadlines.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.config.model import Settings, TargetRole
from pinwatch.errors import (
    ClientError,
    FailoverError,
    TargetError,
    no_reader,
    planned_outage,
)
from pinwatch.pool.interfaces import Borrower, ConnectionSource
from pinwatch.pool.pool import Pool
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.targets.connections import TargetConnections
from pinwatch.targets.health import Monitor
from pinwatch.targets.tasks import Tasks
from pinwatch.targets.waiting import may_come_up, wait_for

FAILED_OVER: Final = "The target is no longer the writer after a failover."
PLANNED: Final = ""
"""The cause of an outage that a failover simulates; no fault has this name."""


@dataclass(slots=True)
class Member:
    """A target of the group; only the writer's role is READ_WRITE."""

    role: TargetRole
    connections: TargetConnections
    monitor: Monitor

    @property
    def name(self) -> str:
        return self.connections.name

    @property
    def pool(self) -> Pool[DatabaseConnection]:
        return self.connections.pool

    @property
    def load(self) -> float:
        """Connections in use and waiters, relative to the target's max_connections."""
        busy = self.pool.in_use + len(self.pool.waiting)
        return busy / self.connections.status.max_connections


class TargetGroup(ConnectionSource[DatabaseConnection]):
    """The targets and their writer; READ_ONLY endpoints borrow from it.

    moved is called after a failover.
    """

    def __init__(
        self,
        observe: events.Observe,
        moved: Callable[[], None],
        clock: Clock,
    ) -> None:
        self.members: list[Member] = []
        self._observe = observe
        self._moved = moved
        self._clock = clock
        self._started = False
        self._failing_over = False
        self._down_since = 0.0  # when the writer went down; 0 while it is up
        self._tasks = Tasks()

    # Starting and stopping.

    def add(
        self, role: TargetRole, connections: TargetConnections, single: bool
    ) -> None:
        """Add a target; single is true if the group has no other."""
        monitor = Monitor(connections, self._changed, single)
        connections.lost = self._check_soon
        self.members.append(Member(role, connections, monitor))

    async def start(self, wait: float = 0) -> None:
        """Check all targets and choose the writer; raises TargetError.

        Unless a READ_WRITE target accepts writes, the READ_WRITE targets that cannot be
        reached are checked again for up to ``wait`` real seconds.
        """
        await asyncio.gather(*(member.monitor.check() for member in self.members))
        await wait_for(self._awaited, wait)
        marked = sorted(self.members, key=lambda member: member.role != "READ_WRITE")
        writable = [one for one in marked if one.monitor.serves_writes]
        self._writer = (writable or marked)[0]
        self._raise_for(self._writer)
        self._assign_roles()
        self._started = True
        for member in self.members:
            self._tasks.run(member.monitor.run())

    def _awaited(self) -> list[Monitor]:
        """Return the monitors of the targets that may come up and be the writer."""
        marked = [one.monitor for one in self.members if one.role == "READ_WRITE"]
        if any(monitor.serves_writes for monitor in marked):
            return []
        return [monitor for monitor in marked if may_come_up(monitor)]

    async def reach(self) -> None:
        """Check the writer, unless it is up and connected; raises TargetError."""
        writer = self._writer
        if writer.monitor.error is not None or not writer.pool.open_count:
            await writer.monitor.check()
            self._raise_for(writer)

    def _raise_for(self, member: Member) -> None:
        error = member.monitor.error
        if error is not None:
            address = member.connections.target.address
            why = error.text.rstrip(".")
            raise TargetError(f"The target {address} cannot be used: {why}.")

    async def stop(self) -> None:
        await self._tasks.end()
        await asyncio.gather(*(member.connections.stop() for member in self.members))

    def sweep(self) -> None:
        for member in self.members:
            member.connections.sweep()

    def apply(self, settings: Settings) -> None:
        for member in self.members:
            member.connections.apply(settings)

    # Serving borrowers.

    @property
    def writer(self) -> Member:
        return self._writer

    @property
    def readers(self) -> list[Member]:
        return [member for member in self.members if member is not self._writer]

    def borrow(
        self, borrower: Borrower[DatabaseConnection], min_timeout: float = 0
    ) -> DatabaseConnection | None:
        """Borrow from the least loaded reader, as ``Pool.borrow`` does.

        Of equally loaded readers, the borrower's last one is preferred. Without any
        reader, the borrow fails in the next round of the event loop.
        """
        readers = [one for one in self.readers if one.monitor.available] or self.readers
        if not readers:
            borrower.pool = self._writer.pool
            asyncio.get_running_loop().call_soon(self._fail, borrower)
            return None
        least = min(readers, key=lambda reader: (reader.load, reader.name))
        for reader in readers:
            if reader.pool is borrower.pool and reader.load == least.load:
                least = reader
        return least.pool.borrow(borrower, min_timeout)

    def serves_at_once(self, borrower: Borrower[DatabaseConnection]) -> bool:
        return any(reader.pool.serves_at_once(borrower) for reader in self.readers)

    def _fail(self, borrower: Borrower[DatabaseConnection]) -> None:
        borrower.counters.borrows_refused += 1
        borrower.borrow_failed(no_reader())

    # Failover.

    async def failover(self, to: str | None = None, outage: float = 0) -> Member:
        """Make another target the writer, after outage seconds without a writer.

        Without a name, another writable target is chosen; a single target drops its
        connections and stays the writer. Return the writer. Raises FailoverError.
        """
        if self._failing_over:
            raise FailoverError("A failover is already in progress.")
        chosen = self._chosen(to)
        self._failing_over = True
        before, began = self._writer, self._clock.now
        before.pool.pause()
        if outage:
            before.monitor.simulate(PLANNED, planned_outage(outage))
        try:
            before.connections.drop(FAILED_OVER)
            await asyncio.sleep(self._clock.real_seconds(outage))
        finally:
            self._failing_over = False
            before.pool.resume()
            before.monitor.simulate(PLANNED, None)
        self._move(chosen, began)
        self._changed()
        return self._writer

    def simulate(self, cause: str, error: ClientError | None) -> None:
        """Report all targets as unavailable with error; None ends it."""
        for member in self.members:
            member.monitor.simulate(cause, error)
        self._changed()

    def _chosen(self, to: str | None) -> Member:
        """Return the target to fail over to; raises FailoverError."""
        if to is None:
            able = [one for one in self.readers if one.monitor.serves_writes]
            if self.readers and not able:
                raise FailoverError(
                    "No other target is writable: promote a replica first."
                )
            return (able or [self._writer])[0]
        for member in self.members:
            if member.name == to:
                if not member.monitor.available:
                    raise FailoverError(f"The target {to} is not available.")
                if not member.monitor.writable:
                    raise FailoverError(
                        f"The target {to} is read-only: promote it first."
                    )
                return member
        names = ", ".join(sorted(member.name for member in self.members))
        raise FailoverError(f"There is no target {to}: there are {names}.")

    def _changed(self) -> None:
        """React to a change in a target's health."""
        if self._failing_over or not self._started:
            return
        monitor = self._writer.monitor
        if monitor.down or (monitor.available and not monitor.writable):
            self._down_since = self._down_since or self._clock.now
            for member in self.readers:
                if member.monitor.serves_writes:
                    self._move(member, self._down_since)
                    break
        else:
            self._down_since = 0.0
        for member in self.members:
            if member.monitor.available:
                member.pool.try_again()
        self._move_readers()

    def _move(self, to: Member, began: float) -> None:
        before, self._writer = self._writer, to
        self._down_since = 0.0
        self._assign_roles()
        if before is not to:
            to.pool.adopt(before.pool)
            self._moved()
            before.connections.drop(FAILED_OVER)
        self._observe(events.FailedOver(before.name, to.name, self._clock.now - began))

    def _move_readers(self) -> None:
        """If a reader is down, move its waiters to a reader that is up."""
        up = [member for member in self.readers if member.monitor.available]
        for member in self.readers:
            if up and member.monitor.down and member.pool.waiting:
                up[0].pool.adopt(member.pool)

    def _assign_roles(self) -> None:
        for member in self.members:
            member.role = "READ_WRITE" if member is self._writer else "READ_ONLY"

    def _check_soon(self) -> None:
        for member in self.members:
            member.monitor.check_soon()

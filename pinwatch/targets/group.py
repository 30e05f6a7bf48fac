"""The target group: which target is written to, which are read from, and failover.

Owns the targets with their monitors, and who is the writer. Clients are known only as
borrowers: those that wait go with the role from one target's pool to another's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pinwatch import events
from pinwatch.config.model import Settings, TargetRole
from pinwatch.errors import FailoverError, TargetError, no_reader
from pinwatch.pool.interfaces import Borrower, Connection, ConnectionSource
from pinwatch.pool.pool import Pool
from pinwatch.targets.connections import TargetConnections, Tasks
from pinwatch.targets.health import Monitor

FAILED_OVER: Final = "The target is not the writer any more: there was a failover."


@dataclass(slots=True)
class Member:
    """A target of the group; role is READ_WRITE of the writer alone."""

    role: TargetRole
    connections: TargetConnections
    monitor: Monitor

    @property
    def name(self) -> str:
        return self.connections.name

    @property
    def pool(self) -> Pool:
        return self.connections.pool

    @property
    def load(self) -> float:
        """Outstanding connections relative to max_connections."""
        busy = self.pool.lent + len(self.pool.waiting)
        return busy / self.connections.status.max_connections


class TargetGroup(ConnectionSource):
    """Its members, of which one is the writer.

    now is the proxy's clock, scale how many of its seconds pass in one.
    """

    def __init__(
        self,
        observe: events.Observe,
        moved: Callable[[], None],
        now: Callable[[], float],
        scale: float,
    ) -> None:
        self.members: list[Member] = []
        self.failovers = 0
        self._observe = observe
        self._moved = moved
        self._now = now
        self._scale = scale
        self._started = False
        self._failing_over = False
        self._down_since = 0.0  # of the writer; 0 is not
        self._tasks = Tasks()

    # Starting and stopping.

    def add(
        self, role: TargetRole, connections: TargetConnections, alone: bool
    ) -> None:
        monitor = Monitor(connections, self._changed, alone, self._scale)
        connections.lost = self._look_again
        self.members.append(Member(role, connections, monitor))

    async def start(self) -> None:
        """Look at all of them, and choose the writer; raises TargetError."""
        await asyncio.gather(*(member.monitor.look() for member in self.members))
        marked = sorted(self.members, key=lambda member: member.role != "READ_WRITE")
        writable = [one for one in marked if one.monitor.serves_writes]
        self._writer = (writable or marked)[0]
        self._raise_for(self._writer)
        self._assign_roles()
        self._started = True
        for member in self.members:
            self._tasks.run(member.monitor.run())

    async def reach(self) -> None:
        """Look at the writer, unless a connection to it is open; raises TargetError."""
        writer = self._writer
        if not writer.pool.open:
            await writer.monitor.look()
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

    # Who serves.

    @property
    def writer(self) -> Member:
        return self._writer

    @property
    def readers(self) -> list[Member]:
        return [member for member in self.members if member is not self._writer]

    def borrow(self, borrower: Borrower, patience: float = 0) -> Connection | None:
        """From the reader with the least load; the last one where it is one of them.

        As ``Pool.borrow``. Without any reader the borrower is refused soon.
        """
        readers = [one for one in self.readers if one.monitor.available] or self.readers
        if not readers:
            borrower.pool = self._writer.pool
            asyncio.get_running_loop().call_soon(self._refuse, borrower)
            return None
        least = min(readers, key=lambda reader: (reader.load, reader.name))
        for reader in readers:
            if reader.pool is borrower.pool and reader.load == least.load:
                least = reader
        return least.pool.borrow(borrower, patience)

    def must_wait(self, borrower: Borrower) -> bool:
        return all(reader.pool.must_wait(borrower) for reader in self.readers)

    def _refuse(self, borrower: Borrower) -> None:
        borrower.counters.borrows_refused += 1
        borrower.refuse(no_reader())

    # Failover.

    async def failover(self, to: str | None = None, outage: float = 0) -> Member:
        """Make another target the writer, after outage seconds without any.

        Without a name it is another one that can be written to; where there is no
        other target at all, the writer goes away and comes back. Gives the writer.
        Raises FailoverError.
        """
        if self._failing_over:
            raise FailoverError("A failover is under way.")
        chosen = self._chosen(to)
        self._failing_over = True
        before, began = self._writer, self._now()
        before.pool.pause()
        try:
            before.connections.drop(FAILED_OVER)
            await asyncio.sleep(outage / self._scale)
        finally:
            self._failing_over = False
            before.pool.resume()
        self._move(chosen, began)
        self._changed()
        return self._writer

    def _chosen(self, to: str | None) -> Member:
        """Raises FailoverError."""
        if to is None:
            able = [one for one in self.readers if one.monitor.serves_writes]
            if self.readers and not able:
                raise FailoverError(
                    "No other target can be written to: promote a replica first."
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
        """A target's health is another."""
        if self._failing_over or not self._started:
            return
        monitor = self._writer.monitor
        if monitor.down or (monitor.available and not monitor.writable):
            self._down_since = self._down_since or self._now()
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
        self.failovers += 1
        if before is not to:
            to.pool.adopt(before.pool)
            self._moved()
            before.connections.drop(FAILED_OVER)
        self._observe(events.FailedOver(before.name, to.name, self._now() - began))

    def _move_readers(self) -> None:
        """Those that wait for a reader that is down go to one that is not."""
        up = [member for member in self.readers if member.monitor.available]
        for member in self.readers:
            if up and member.monitor.down and member.pool.waiting:
                up[0].pool.adopt(member.pool)

    def _assign_roles(self) -> None:
        for member in self.members:
            member.role = "READ_WRITE" if member is self._writer else "READ_ONLY"

    def _look_again(self) -> None:
        for member in self.members:
            member.monitor.check_soon()

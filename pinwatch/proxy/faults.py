"""Faults on demand: failures as in production, injected for a while.

Owns the active faults and their ends. A fault of borrows stands between an endpoint and
its pool while it is active. Without one, statements are not slowed down.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal, Protocol

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.errors import FaultError, borrow_timeout, unreachable
from pinwatch.pool.interfaces import Borrower, ConnectionSource
from pinwatch.pool.pool import Pool
from pinwatch.proxy.endpoints import Endpoint
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.targets.group import TargetGroup
from pinwatch.text import number_of

Kind = Literal["latency", "refuse", "kill", "pause"]
KILLED: Final = "Killed by a fault on demand."


@dataclass(slots=True)
class Fault:
    """An active fault.

    The kind latency delays each borrow by ``seconds``. refuse fails one of ``every``
    borrows. kill aborts ``connections`` of the pool (None: all), once or every
    ``seconds``. pause serves no borrow. The fault ends at ``until``, in seconds of the
    clock; None means that it lasts until it is removed. ``kill_at`` is the time of the
    next kill, if there is one.
    """

    name: str
    kind: Kind
    seconds: float = 0.0
    every: int = 1
    connections: int | None = None
    until: float | None = None
    happened: int = 0
    kill_at: float | None = None
    _borrows: int = field(default=0, repr=False)

    @property
    def is_outage(self) -> bool:
        """True if no borrow succeeds while the fault is active."""
        return self.kind == "pause" or (self.kind == "refuse" and self.every == 1)

    @property
    def meaning(self) -> str:
        """The effect of the fault, as a phrase."""
        if self.kind == "latency":
            return f"{self.seconds:g} s before each borrow"
        if self.kind == "refuse":
            return "every borrow" if self.every == 1 else f"1 borrow in {self.every}"
        if self.kind == "pause":
            return "no borrow is served"
        closed = number_of(self.connections or "all", "database connection")
        return f"{closed} every {self.seconds:g} s" if self.seconds else closed

    def refuses(self) -> bool:
        """Count a borrow; return True if the fault refuses it."""
        self._borrows += 1
        return self._borrows % self.every == 0


class FaultTargets(Protocol):
    """The part of the proxy that its faults use."""

    endpoints: dict[str, Endpoint]

    @property
    def pool(self) -> Pool[DatabaseConnection]: ...

    @property
    def pools(self) -> Collection[Pool[DatabaseConnection]]: ...

    clock: Clock
    group: TargetGroup

    def observe(self, event: events.Event) -> None: ...

    def source(self, endpoint: Endpoint) -> ConnectionSource[DatabaseConnection]:
        """Return the source that serves the endpoint without faults."""


class Faults:
    """The active faults of one proxy; ``sweep`` removes those that have ended."""

    def __init__(self, targets: FaultTargets) -> None:
        self.targets = targets
        self.on: dict[str, Fault] = {}
        self._numbers = count(1)

    def add(
        self,
        kind: Kind,
        name: str | None = None,
        seconds: float = 0.0,
        every: int = 1,
        connections: int | None = None,
        lasting: float | None = None,
    ) -> Fault:
        """Activate a fault, for lasting seconds or until removed; raises FaultError."""
        name = name or f"{kind}-{next(self._numbers)}"
        if name in self.on:
            raise FaultError(f"A fault named {name} is already active.")
        if kind == "latency" and not seconds:
            raise FaultError("latency needs seconds greater than 0.")
        until = None if lasting is None else self.targets.clock.now + lasting
        fault = Fault(name, kind, seconds, every, connections, until)
        if kind == "kill":
            self._kill(fault)
            if not seconds:
                return fault
            fault.kill_at = self.targets.clock.now + seconds
        if kind == "pause":
            fault.happened = 1
            for pool in self.targets.pools:
                pool.pause()
        self.on[name] = fault
        self.put()
        self.targets.observe(events.FaultBegan(name, kind, fault.meaning))
        if fault.is_outage:
            text = f"The fault {name} is active: {kind}, {fault.meaning}."
            self.targets.group.simulate(name, unreachable(text))
        return fault

    def remove(self, name: str) -> Fault:
        """Remove an active fault and return it; raises FaultError."""
        fault = self.on.pop(name, None)
        if fault is None:
            there = ", ".join(self.on) or "none"
            raise FaultError(f"No fault named {name}; active faults: {there}.")
        if fault.kind == "pause":
            for pool in self.targets.pools:
                pool.resume()
        self.put()
        if fault.is_outage:
            self.targets.group.simulate(name, None)
        self.targets.observe(events.FaultEnded(name, fault.happened))
        return fault

    def put(self) -> None:
        """Connect each endpoint to its source, if needed through ``Unreliable``."""
        between = any(one.kind in ("latency", "refuse") for one in self.on.values())
        for endpoint in self.targets.endpoints.values():
            source = self.targets.source(endpoint)
            endpoint.serve_from(Unreliable(self, source) if between else source)

    def sweep(self) -> None:
        """Remove the faults that have ended, and repeat the kills that are due."""
        now = self.targets.clock.now
        for fault in list(self.on.values()):
            if fault.until is not None and fault.until <= now:
                self.remove(fault.name)
            elif fault.kill_at is not None and fault.kill_at <= now:
                self._kill(fault)
                fault.kill_at = now + fault.seconds

    def _kill(self, fault: Fault) -> None:
        """Abort connections of the writer's pool, those in use first."""
        pool = self.targets.pool
        used, idle = pool.used_connections(), pool.idle_connections()
        random.shuffle(used)
        for connection in [*used, *idle][: fault.connections]:
            connection.owner.kill(connection, KILLED)
            fault.happened += 1


class Unreliable(ConnectionSource[DatabaseConnection]):
    """A source of connections that delays or refuses borrows."""

    def __init__(
        self, faults: Faults, source: ConnectionSource[DatabaseConnection]
    ) -> None:
        self.faults = faults
        self.source = source
        self._delayed: dict[Borrower[DatabaseConnection], asyncio.TimerHandle] = {}

    def borrow(
        self, borrower: Borrower[DatabaseConnection], min_timeout: float = 0
    ) -> DatabaseConnection | None:
        """Borrow as ``Pool.borrow`` does, with the faults' delays and refusals."""
        loop = asyncio.get_running_loop()
        borrower.pool = self
        delay = 0.0
        for fault in self.faults.on.values():
            if fault.kind == "refuse" and fault.refuses():
                fault.happened += 1
                borrower.counters.borrow_timeouts += 1
                self._after(
                    loop, 0, borrower, lambda: borrower.borrow_failed(borrow_timeout())
                )
                return None
            if fault.kind == "latency":
                fault.happened += 1
                delay += fault.seconds
        if not delay:
            return self.source.borrow(borrower, min_timeout)
        self._after(loop, delay, borrower, lambda: self._borrow(borrower, min_timeout))
        return None

    def serves_at_once(self, borrower: Borrower[DatabaseConnection]) -> bool:
        return self.source.serves_at_once(borrower)

    def _after(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        borrower: Borrower[DatabaseConnection],
        work: Callable[[], None],
    ) -> None:
        def run() -> None:
            del self._delayed[borrower]
            work()

        self._delayed[borrower] = loop.call_later(
            self.faults.targets.clock.real_seconds(seconds), run
        )

    def _borrow(
        self, borrower: Borrower[DatabaseConnection], min_timeout: float
    ) -> None:
        connection = self.source.borrow(borrower, min_timeout)
        if connection is not None:
            borrower.connection_borrowed(connection)

    def cancel_borrow(self, borrower: Borrower[DatabaseConnection]) -> None:
        delayed = self._delayed.pop(borrower, None)
        if delayed is not None:
            delayed.cancel()

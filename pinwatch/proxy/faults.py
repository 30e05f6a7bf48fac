"""Faults on demand: what goes wrong in production, made to happen for a while.

Owns which faults there are and until when. They stand between an endpoint and its
lender, and only while there is one: without, nothing on a statement's way knows them.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal, Protocol

from pinwatch.errors import FaultError, borrow_timeout
from pinwatch.pool.interfaces import Borrower, Connection, ConnectionSource
from pinwatch.pool.pool import Pool
from pinwatch.proxy.endpoints import Endpoint
from pinwatch.relay.database_connection import DatabaseConnection

Kind = Literal["latency", "refuse", "kill", "pause"]
KILLED: Final = "A fault was asked for: kill."


@dataclass(slots=True)
class Fault:
    """One that is on.

    latency holds a borrow back for seconds; refuse refuses each every-th borrow; kill
    ends connections of the pool, at once or once each seconds; pause lends nothing.
    until is when it ends by itself, on the proxy's clock, None is never.
    """

    name: str
    kind: Kind
    seconds: float = 0.0
    every: int = 1
    connections: int | None = None
    until: float | None = None
    happened: int = 0
    _borrows: int = field(default=0, repr=False)

    def refuses(self) -> bool:
        """Whether this borrow is one that it refuses."""
        self._borrows += 1
        return self._borrows % self.every == 0


class FaultTargets(Protocol):
    """The proxy."""

    endpoints: dict[str, Endpoint]

    @property
    def pool(self) -> Pool: ...

    @property
    def pools(self) -> Collection[Pool]: ...

    def time(self) -> float: ...

    def lender(self, endpoint: Endpoint) -> ConnectionSource:
        """Who serves endpoint where there is no fault."""


class Faults:
    """Those of one proxy; ``sweep`` ends what is over."""

    def __init__(self, targets: FaultTargets) -> None:
        self.targets = targets
        self.on: dict[str, Fault] = {}
        self._numbers = count(1)
        self._next_kill: dict[str, float] = {}

    def add(
        self,
        kind: Kind,
        name: str | None = None,
        seconds: float = 0.0,
        every: int = 1,
        connections: int | None = None,
        lasting: float | None = None,
    ) -> Fault:
        """Put one on, for lasting seconds or until it is removed; raises FaultError."""
        name = name or f"{kind}-{next(self._numbers)}"
        if name in self.on:
            raise FaultError(f"There is a fault {name} already.")
        if kind == "latency" and not seconds:
            raise FaultError("latency needs seconds greater than 0.")
        until = None if lasting is None else self.targets.time() + lasting
        fault = Fault(name, kind, seconds, every, connections, until)
        if kind == "kill":
            self._kill(fault)
            if not seconds:
                return fault
            self._next_kill[name] = self.targets.time() + seconds
        if kind == "pause":
            fault.happened = 1
            for pool in self.targets.pools:
                pool.pause()
        self.on[name] = fault
        self.put()
        return fault

    def remove(self, name: str) -> Fault:
        """Raises FaultError."""
        fault = self.on.pop(name, None)
        if fault is None:
            there = ", ".join(self.on) or "none"
            raise FaultError(f"There is no fault {name}; on are: {there}.")
        self._next_kill.pop(name, None)
        if fault.kind == "pause":
            for pool in self.targets.pools:
                pool.resume()
        self.put()
        return fault

    def put(self) -> None:
        """Stand between endpoints and lenders, or do not."""
        between = any(one.kind in ("latency", "refuse") for one in self.on.values())
        for endpoint in self.targets.endpoints.values():
            lender = self.targets.lender(endpoint)
            endpoint.serve_from(Unreliable(self, lender) if between else lender)

    def sweep(self) -> None:
        """What time alone brings."""
        now = self.targets.time()
        for fault in list(self.on.values()):
            if fault.until is not None and fault.until <= now:
                self.remove(fault.name)
            elif self._next_kill.get(fault.name, now + 1) <= now:
                self._kill(fault)
                self._next_kill[fault.name] = now + fault.seconds

    def _kill(self, fault: Fault) -> None:
        """Of the writer's pool, borrowed ones first."""
        pool = self.targets.pool
        borrowed = [*pool.borrowed]
        idle = [one for connections in pool.idle.values() for one in connections]
        random.shuffle(borrowed)
        for connection in [*borrowed, *idle][: fault.connections]:
            assert isinstance(connection, DatabaseConnection)
            connection.owner.kill(connection, KILLED)
            fault.happened += 1


class Unreliable(ConnectionSource):
    """A lender that has faults."""

    def __init__(self, faults: Faults, lender: ConnectionSource) -> None:
        self.faults = faults
        self.lender = lender
        self._delayed: dict[Borrower, asyncio.TimerHandle] = {}

    def borrow(self, borrower: Borrower, patience: float = 0) -> Connection | None:
        """As ``Pool.borrow``, but later, or in vain."""
        loop = asyncio.get_running_loop()
        borrower.pool = self
        delay = 0.0
        for fault in self.faults.on.values():
            if fault.kind == "refuse" and fault.refuses():
                fault.happened += 1
                self._after(
                    loop, 0, borrower, lambda: borrower.refuse(borrow_timeout())
                )
                return None
            if fault.kind == "latency":
                fault.happened += 1
                delay += fault.seconds
        if not delay:
            return self.lender.borrow(borrower, patience)
        self._after(loop, delay, borrower, lambda: self._lend(borrower, patience))
        return None

    def must_wait(self, borrower: Borrower) -> bool:
        return self.lender.must_wait(borrower)

    def _after(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        borrower: Borrower,
        work: Callable[[], None],
    ) -> None:
        def run() -> None:
            del self._delayed[borrower]
            work()

        self._delayed[borrower] = loop.call_later(seconds, run)

    def _lend(self, borrower: Borrower, patience: float) -> None:
        connection = self.lender.borrow(borrower, patience)
        if connection is not None:
            borrower.lend(connection)

    def cancel_borrow(self, borrower: Borrower) -> None:
        delayed = self._delayed.pop(borrower, None)
        if delayed is not None:
            delayed.cancel()


def _refuse(borrower: Borrower) -> None:
    borrower.refuse(borrow_timeout())

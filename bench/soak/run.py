"""The sequence of a soak: fill, work, stop, compare."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import psycopg

from bench.process import LOOPBACK
from bench.server import DATABASE, Server
from bench.soak import drivers, fill, visits
from bench.soak.books import Books
from bench.soak.faults import Faults
from bench.soak.http import Http, Observers
from bench.soak.memory import Curve, open_files
from bench.soak.proxy import Running
from bench.soak.site import SETUP, Site, tls_context
from bench.soak.wire import Lost, ServerError, Wrong

PROGRESS_INTERVAL: Final = 10.0
THREADS: Final = 8
"""Clients with psycopg's blocking connection, each of which needs a thread."""

PATIENCE: Final = 90.0
"""Seconds until the clients have left; a borrow may take a third of that."""

POLL_INTERVAL: Final = 0.2
SETTLING: Final = 20.0
"""Seconds until pinwatch has no client and no borrowed connection any more."""

KINDS: Final[tuple[tuple[Callable[[Site, Random], Awaitable[None]], int], ...]] = (
    (visits.reader, 8),
    (visits.writer, 8),
    (visits.pinner, 4),
    (visits.wrong_password, 1),
    (visits.stranger, 1),
    (drivers.with_asyncpg, 4),
    (drivers.with_psycopg, 4),
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a soak; ``think`` is in seconds, see `bench.soak.site.Site`."""

    minutes: float
    clients: int
    seed: int
    think: float
    faults: bool


@dataclass(slots=True)
class State:
    """The files, tasks, objects and server connections of pinwatch's process."""

    files: list[str]
    tasks: list[str]
    objects: dict[str, int]
    server_connections: int


@dataclass(slots=True)
class Outcome:
    """All that a soak has found."""

    books: Books
    curve: Curve
    before: State
    observers: Observers
    metrics: dict[str, float] = field(default_factory=dict)
    sessions: list[Any] = field(default_factory=list)
    pool: dict[str, Any] = field(default_factory=dict)
    after: State | None = None
    faults: dict[str, int] = field(default_factory=dict)


async def soak(plan: Plan, server: Server, proxy: Running, say: Say) -> Outcome:
    """Run the plan. Raises NotStarted if pinwatch ends."""
    set_up(server)
    http = Http(proxy.http_port)
    books = Books()
    site = Site(proxy.port, proxy.readers_port, books, tls_context(), plan.think)
    await asyncio.sleep(2)  # of the checks of both targets
    before = state(proxy, server)
    observers = Observers(http)
    outcome = Outcome(books, Curve(proxy.pid), before, observers)
    watching = observers.scrape(), observers.browse(), observers.follow()
    async with running_until_left(*watching):
        say("filling the stores of pins, digests and verdicts")
        await fill.fill(site, Random(plan.seed))
        async with running_until_left(outcome.curve.record()):
            await _work(plan, site, http, outcome, say)
            await until(lambda: _has_settled(http), SETTLING)
        outcome.metrics = await http.metrics()
    outcome.sessions = await http.get("/api/sessions")
    outcome.pool = await http.get("/api/pool")
    await http.request("POST", "/api/release", {"database": None})
    await until(lambda: _is_as_before(proxy, server, before), SETTLING)
    outcome.after = state(proxy, server)
    return outcome


async def _work(plan: Plan, site: Site, http: Http, outcome: Outcome, say: Say) -> None:
    """Let the clients work for the minutes of the plan, and leave."""
    faults = Faults(http, Random(plan.seed))
    threads = drivers.Threads(THREADS)
    injecting = (faults.run(),) if plan.faults else ()
    async with running_until_left(*injecting, _progress(outcome, plan, say)):
        clients = [
            asyncio.ensure_future(client(site, Random(f"{plan.seed} {n}"), n, threads))
            for n in range(plan.clients)
        ]
        finishing = asyncio.gather(*clients)
        await asyncio.wait([finishing], timeout=plan.minutes * 60)
        site.stopping.set()
    await faults.remove()
    outcome.faults = dict(faults.happened)
    try:
        await asyncio.wait_for(finishing, PATIENCE)
    except TimeoutError:
        site.books.problem(f"clients were still there after {PATIENCE:.0f} s")
    threads.close()


async def client(site: Site, chance: Random, number: int, threads: Any) -> None:
    """Make visits until the soak stops."""
    kinds = [kind for kind, _ in KINDS]
    weights = [weight for _, weight in KINDS]
    while not site.stopping.is_set():
        kind = threads if number < THREADS else chance.choices(kinds, weights)[0]
        await visit(site, chance, kind)
        await site.pause(chance)


async def visit(site: Site, chance: Random, kind: Any) -> None:
    """Make one visit; enter in the books how it ended, if it ended early."""
    books = site.books
    name = getattr(kind, "__name__", "with_threads")
    books.visits[name] += 1
    try:
        await kind(site, chance)
    except (Lost, ServerError) as error:
        books.errors[str(error)[:40]] += 1
    except Wrong as wrong:
        books.problem(f"{name}: {wrong}")
    except Exception as error:  # of a driver, say: the other clients go on
        books.problem(f"{name}: {type(error).__name__}: {error}")


async def _progress(outcome: Outcome, plan: Plan, say: Say) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(PROGRESS_INTERVAL)
        books, latest = outcome.books, outcome.curve.samples[-1]
        minutes = (time.monotonic() - began) / 60
        say(
            f"{minutes:5.1f} of {plan.minutes:g} min: {latest.uss:.2f} MB, "
            f"{latest.files} files, {sum(books.visits.values()):,} visits, "
            f"{books.statements.answered:,} statements, "
            f"{books.rows.committed:,} rows, {books.pins.answered:,} pins, "
            f"{sum(books.errors.values()):,} errors, {len(books.problems)} problems"
        )


@asynccontextmanager
async def running_until_left(*works: Awaitable[None]) -> AsyncIterator[None]:
    """Run works beside the block; raise what they raise; cancel them at its end."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Wait until the condition holds, for at most so many seconds."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(POLL_INTERVAL)


async def _has_settled(http: Http) -> bool:
    pool = await http.get("/api/pool")
    return not (pool["clients"] or pool["borrowed"] or pool["open"] - pool["idle"])


async def _is_as_before(proxy: Running, server: Server, before: State) -> bool:
    """Return whether the checks of both targets alone are connected."""
    return (
        len(open_files(proxy.pid)) == len(before.files)
        and server_connections(server) == before.server_connections
    )


def set_up(server: Server) -> None:
    with connect(server) as connection:
        for statement in SETUP:
            connection.execute(statement)


def connect(server: Server) -> psycopg.Connection[Any]:
    """Connect to the server past pinwatch."""
    return psycopg.connect(
        host=LOOPBACK,
        port=server.port,
        user="postgres",
        dbname=DATABASE,
        autocommit=True,
    )


def server_connections(server: Server) -> int:
    """Return the number of connections that clients have to the server."""
    with connect(server) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert found is not None
    return int(found[0])


def state(proxy: Running, server: Server) -> State:
    report = proxy.report()
    return State(
        open_files(proxy.pid),
        report["tasks"],
        report["objects"],
        server_connections(server),
    )

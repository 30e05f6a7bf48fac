"""The line that pinned is found for every driver, while others work beside it."""

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import anyio.to_thread
import asyncpg
import psycopg
import pytest
import uvloop
from asgiref.sync import sync_to_async

from pinwatch import Proxy
from pinwatch.testing.found import Pin
from pinwatch.testing.origin import Frame, find
from tests.harness import Postgres, eventually
from tests.testing.origin import shop
from tests.testing.origin.shop import AWAITING, BLOCKING, BUSY, SQL

Blocking = Callable[[Proxy, str], None]


@pytest.fixture
def proxy(postgres: Postgres, database: str) -> Iterator[Proxy]:
    with Proxy(postgres.endpoint(database).url()) as proxy:
        yield proxy


def check(pin: Pin, work: Any) -> None:
    lines, start = inspect.getsourcelines(work)
    (line,) = [start + n for n, text in enumerate(lines) if text.endswith("# pins\n")]
    assert pin.frame is not None
    assert (pin.frame.file, pin.frame.line) == ("tests/testing/origin/shop.py", line)
    assert pin.frame.function.endswith("checkout")
    assert pin.frames[-2].function.rpartition(".")[2] == work.__name__


def set_pin(proxy: Proxy) -> Pin:
    """Drivers pin by more than the application asks for."""
    (pin,) = [pin for pin in proxy.pins if pin.rule == "set"]
    return pin


@pytest.mark.parametrize("driver", BLOCKING)
def test_in_the_main_thread(proxy: Proxy, driver: str) -> None:
    BLOCKING[driver](proxy, SQL)
    check(set_pin(proxy), BLOCKING[driver])


@pytest.mark.parametrize("driver", sorted(BLOCKING.keys() - {"psycopg2"}))
def test_a_blocking_call_without_a_search_of_all_stacks(
    proxy: Proxy, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is for each statement that may leave state, so that its cost matters."""
    monkeypatch.setattr(find, "stacks", lambda: pytest.fail("searched all stacks"))
    BLOCKING[driver](proxy, SQL)
    check(set_pin(proxy), BLOCKING[driver])


@pytest.fixture
def beside(
    proxy: Proxy, direct: psycopg.Connection[Any]
) -> Iterator[Callable[[Blocking], None]]:
    """Starts two threads that do work with a statement that does not end yet."""
    threads: list[Thread] = []
    direct.execute("CREATE TABLE busy (id int)")
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"

    def start(work: Blocking) -> None:
        threads.extend(Thread(target=work, args=(proxy, BUSY)) for _ in range(2))
        for thread in threads:
            thread.start()
        eventually(lambda: direct.execute(waiting).fetchone() == (2,))

    try:
        with direct.transaction():
            direct.execute("LOCK TABLE busy")
            yield start
    finally:
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("driver", BLOCKING)
def test_in_one_thread_of_several(
    proxy: Proxy, driver: str, beside: Callable[[Blocking], None]
) -> None:
    work = BLOCKING[driver]
    beside(work)
    thread = Thread(target=work, args=(proxy, SQL))
    thread.start()
    thread.join()
    check(set_pin(proxy), work)


@pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uv"])
@pytest.mark.parametrize("driver", AWAITING)
def test_in_one_task_of_several(
    proxy: Proxy, driver: str, loop: Any, direct: psycopg.Connection[Any]
) -> None:
    work = AWAITING[driver]
    direct.execute("CREATE TABLE busy (id int)")
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"

    def wait_for_the_busy() -> None:
        eventually(lambda: direct.execute(waiting).fetchone() == (2,))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            with direct.transaction():
                direct.execute("LOCK TABLE busy")
                for _ in range(2):
                    group.create_task(work(proxy, BUSY))
                await asyncio.to_thread(wait_for_the_busy)
                await group.create_task(work(proxy, SQL))

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
    check(set_pin(proxy), work)


def test_a_connection_that_no_variable_holds(proxy: Proxy) -> None:
    shop.with_psycopg2_in_one_breath(proxy, SQL)
    check(set_pin(proxy), shop.with_psycopg2_in_one_breath)


# Where the stack itself has no line of the application.


def line_of(function: Callable[..., object], text: str) -> int:
    lines, start = inspect.getsourcelines(function)
    (line,) = [start + n for n, line in enumerate(lines) if text in line]
    return line


def check_here(proxy: Proxy, function: Callable[..., Any], text: str) -> None:
    pin = set_pin(proxy)
    assert pin.frame is not None
    here = Path(__file__).relative_to(Path.cwd()).as_posix()
    assert (pin.frame.file, pin.frame.line) == (here, line_of(function, text))


async def by_wait_for(connection: Any) -> None:
    await asyncio.wait_for(connection.execute(SQL), 60)  # pins


async def by_a_group(connection: Any) -> None:
    async with asyncio.TaskGroup() as group:  # pins
        group.create_task(connection.execute(SQL))


async def by_shield(connection: Any) -> None:
    await asyncio.shield(connection.execute(SQL))  # pins


async def by_gather(connection: Any) -> None:
    await asyncio.gather(connection.execute(SQL), asyncio.sleep(0))  # pins


async def by_wait(connection: Any) -> None:
    await asyncio.wait([asyncio.ensure_future(connection.execute(SQL))])  # pins


async def by_completion(connection: Any) -> None:
    for one in asyncio.as_completed([connection.execute(SQL)]):
        await one  # pins


async def by_what_has_an_await(connection: Any) -> None:
    class Query:
        def __await__(self) -> Any:
            return connection.execute(SQL).__await__()

    await Query()  # pins


async def by_a_generator(connection: Any) -> None:
    async def rows() -> AsyncIterator[None]:
        await connection.execute(SQL)  # pins
        yield

    async for _ in rows():
        pass


async def by_a_callback(connection: Any) -> None:
    """Nobody waits for the task itself."""
    done = asyncio.Event()
    task = asyncio.ensure_future(connection.execute(SQL))
    task.add_done_callback(lambda _: done.set())
    await done.wait()  # pins


WAYS = [
    by_wait_for,
    by_a_group,
    by_shield,
    by_gather,
    by_wait,
    by_completion,
    by_what_has_an_await,
    by_a_generator,
    by_a_callback,
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uv"])
def test_a_task_of_the_driver_alone(proxy: Proxy, way: Any, loop: Any) -> None:
    async def main() -> None:
        connection = await asyncpg.connect(proxy.url())
        try:
            await way(connection)
        finally:
            await connection.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
    check_here(proxy, way, "# pins")


async def in_a_thread(connection: Any) -> None:
    await asyncio.to_thread(connection.execute, SQL)  # pins


async def in_an_executor(connection: Any) -> None:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, connection.execute, SQL)  # pins


async def by_asgiref(connection: Any) -> None:
    await sync_to_async(connection.execute)(SQL)  # pins


async def by_anyio(connection: Any) -> None:
    await anyio.to_thread.run_sync(connection.execute, SQL)  # pins


@pytest.mark.parametrize("way", [in_a_thread, in_an_executor, by_asgiref, by_anyio])
@pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uv"])
def test_a_thread_of_the_driver_alone(proxy: Proxy, way: Any, loop: Any) -> None:
    with (
        psycopg.connect(proxy.dsn) as connection,
        asyncio.Runner(loop_factory=loop) as runner,
    ):
        runner.run(way(connection))
    check_here(proxy, way, "# pins")


# Out of this process.

ELSEWHERE = """
import sys, psycopg
with psycopg.connect(sys.argv[1]) as connection:
    connection.execute(sys.argv[2])
"""


@pytest.mark.parametrize(
    ("comment", "frames"),
    [
        ("", ()),
        ("/*traceparent='00-0-0-01'*/", ()),
        (
            "/*code.filepath='app%2Forders.py',code.lineno='42',code.function='pay'*/",
            (Frame("app/orders.py", 42, "pay"),),
        ),
        (
            "/*file:app/orders.py:42,controller:orders*/",
            (Frame("app/orders.py", 42, "orders"),),
        ),
        ("/*line='app/models/order.rb'*/", (Frame("app/models/order.rb", 0, ""),)),
        (
            "/*file='app%2Forders.js',line='12',controller='orders'*/",
            (Frame("app/orders.js", 12, "orders"),),
        ),
        ("/*route='%2Forders',line='12'*/", (Frame("", 0, "/orders"),)),
    ],
)
def test_another_process_is_known_by_its_tags_alone(
    proxy: Proxy, comment: str, frames: tuple[Frame, ...]
) -> None:
    """This thread waits too, has the text, and is not taken for it."""
    sql = f"{SQL} {comment}"
    subprocess.run([sys.executable, "-c", ELSEWHERE, proxy.dsn, sql], check=True)
    assert set_pin(proxy).frames == frames

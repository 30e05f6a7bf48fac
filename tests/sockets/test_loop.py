"""The loop serves streams in rounds of its own, beside everything that asyncio does."""

import asyncio
import signal
import socket
import threading
from time import monotonic

import pytest

from pinwatch.sockets.loop import running
from tests.sockets.conftest import TIMEOUT, Ends, Run, stream_of


def test_timers_and_callbacks_run_beside_busy_streams(run: Run) -> None:
    """Two streams send the same byte back and forth without a pause."""

    async def work() -> None:
        near, far = socket.socketpair()
        ping, pinged = stream_of(near, lambda: ping.write(b"x"))
        pong, ponged = stream_of(far, lambda: pong.write(b"x"))
        ping.write(b"x")
        async with asyncio.timeout(TIMEOUT):
            for _ in range(20):
                await asyncio.sleep(0.001)
                await asyncio.to_thread(lambda: None)
        assert len(pinged.data) > 20
        ping.close()
        for receiver in pinged, ponged:
            await receiver.ended()

    run(work())


def test_a_callback_scheduled_by_a_receiver_runs_at_once(run: Run, ends: Ends) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        stream_of(ends[0], lambda: loop.call_soon(done.set))
        far_away = loop.call_later(3600, lambda: None)
        ends[1].sendall(b"x")
        async with asyncio.timeout(TIMEOUT):
            await done.wait()
        far_away.cancel()

    run(work())


def test_a_timer_set_by_a_receiver_may_be_the_next_one(run: Run, ends: Ends) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        stream_of(ends[0], lambda: loop.call_later(0.001, done.set))
        far_away = loop.call_later(3600, lambda: None)
        ends[1].sendall(b"x")
        await done.wait()
        far_away.cancel()

    run(work())


def test_asyncio_s_own_sockets_work_beside_streams(run: Run) -> None:
    async def answer(
        reader: asyncio.StreamReader,  # noqa: TID251 - other code may use it on this loop
        writer: asyncio.StreamWriter,
    ) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"hello\n")
        assert await reader.read() == b"HELLO\n"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(work())


def test_other_threads_and_signals_wake_the_loop(run: Run) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        woken, signalled = asyncio.Event(), asyncio.Event()
        thread = threading.Thread(
            target=lambda: loop.call_soon_threadsafe(woken.set), name="another"
        )
        thread.start()
        async with asyncio.timeout(TIMEOUT):
            await woken.wait()
        thread.join()
        loop.add_signal_handler(signal.SIGUSR1, signalled.set)
        signal.raise_signal(signal.SIGUSR1)
        async with asyncio.timeout(TIMEOUT):
            await signalled.wait()
        loop.remove_signal_handler(signal.SIGUSR1)

    run(work())


def test_the_clock_advances(run: Run, ends: Ends) -> None:
    async def work() -> None:
        clock = running().clock
        before = clock.now
        assert before <= monotonic()
        await asyncio.sleep(0.001)
        assert before < clock.now <= monotonic()

    run(work())


def test_another_loop_is_rejected_with_the_way_out() -> None:
    async def work() -> None:
        with pytest.raises(RuntimeError, match="loop_factory=Loop"):
            running()

    asyncio.run(work())

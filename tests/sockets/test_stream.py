"""A stream: reading, writing, back-pressure, and each way in which it closes."""

import asyncio
import os
import select
import socket
import struct
from itertools import pairwise

import pytest

from pinwatch.sockets.calls import SMALL_READ
from pinwatch.sockets.loop import running
from pinwatch.sockets.stream import (
    HIGH_WATER,
    LARGE_READ,
    LOW_WATER,
    MEDIUM_READ,
    Stream,
)
from tests.sockets.conftest import Ends, RecordingReceiver, Run, stream_of

MUCH = 8_000_000  # bytes, more than the buffers of two sockets hold


def read_to_end(far: socket.socket) -> bytes:
    """Return all data up to the end."""
    data = b""
    while chunk := far.recv(65_536):
        data += chunk
    return data


def test_data_passes_in_both_directions(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, receiver = stream_of(ends[0])
        assert receiver.calls == ["made"]
        ends[1].sendall(b"ping")
        await receiver.until(lambda: receiver.data == b"ping")
        stream.write(b"pong")
        assert await asyncio.to_thread(ends[1].recv, 10) == b"pong"
        stream.close()
        await receiver.ended()
        assert receiver.error is None

    run(work())


@pytest.mark.parametrize(
    "size",
    [
        1,
        SMALL_READ - 1,
        SMALL_READ,
        SMALL_READ + 1,
        SMALL_READ + MEDIUM_READ,
        3 * LARGE_READ + 5,
        MUCH,
    ],
)
def test_all_data_is_read(run: Run, ends: Ends, size: int) -> None:
    """The poll reports a socket once for all of its data, in reads of any size."""

    async def work() -> None:
        _, receiver = stream_of(ends[0])
        data = os.urandom(size)
        await asyncio.to_thread(ends[1].sendall, data)
        await receiver.until(lambda: len(receiver.data) == size)
        assert receiver.data == data
        ends[1].sendall(b"more")
        await receiver.until(lambda: receiver.data[size:] == b"more")

    run(work())


def test_the_end_is_reported_after_the_data_before_it(run: Run, ends: Ends) -> None:
    async def work() -> None:
        ends[1].sendall(b"last words")
        ends[1].shutdown(socket.SHUT_WR)
        stream, receiver = stream_of(ends[0])
        await receiver.ended()
        assert receiver.data == b"last words"
        assert receiver.calls == ["made", "eof", "lost"]
        assert stream.is_closing()

    run(work())


def test_a_reset_is_an_error(run: Run, ends: Ends) -> None:
    async def work() -> None:
        _, receiver = stream_of(ends[0])
        ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ends[1].close()
        await receiver.ended()
        assert isinstance(receiver.error, ConnectionResetError)

    run(work())


def test_a_long_queue_pauses_the_receiver(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, receiver = stream_of(ends[0])
        data = os.urandom(MUCH)
        parts = [data[a:b] for a, b in pairwise(range(0, MUCH + 1, MUCH // 400))]
        for part in parts:
            stream.write(part)
        assert receiver.calls == ["made", "pause"]
        stream.close()
        assert await asyncio.to_thread(read_to_end, ends[1]) == data
        await receiver.ended()
        assert receiver.calls == ["made", "pause", "resume", "lost"]

    assert LOW_WATER < HIGH_WATER < MUCH
    run(work())


def test_data_written_in_a_round_is_sent_at_its_end(run: Run, ends: Ends) -> None:
    """A second write to the same stream sends the first at once."""

    async def work() -> None:
        near, far = socket.socketpair()

        def answer() -> None:
            other.write(b"to another ")
            stream.write(b"to the first")
            assert select.select([ends[1], far], [], [], 0)[0] == []
            other.write(b"twice")

        with near, far:
            stream, receiver = stream_of(ends[0], answer)
            other, _ = stream_of(near)
            ends[1].sendall(b"asked")
            await receiver.until(lambda: receiver.data)
            assert ends[1].recv(99) == b"to the first"
            assert far.recv(99) == b"to another twice"

    run(work())


def test_a_write_from_another_stream_s_pause_is_not_lost(run: Run, ends: Ends) -> None:
    """Both sockets took only a part; both queues exist before the first is paused."""

    class Closing(RecordingReceiver):
        other: Stream

        def pause_writing(self) -> None:
            self.other.write(b"the last")
            self.other.close()

    async def work() -> None:
        loop, closing = running(), Closing()
        stream = Stream(loop, loop.poller, ends[0], closing)
        stream.open()
        near, far = socket.socketpair()
        with near, far:
            closing.other, receiver = stream_of(near)
            stream.write(bytes(MUCH))
            closing.other.write(bytes(MUCH))
            assert (
                await asyncio.to_thread(read_to_end, far) == bytes(MUCH) + b"the last"
            )
            await receiver.ended()

    run(work())


def test_close_sends_all_data_first(run: Run, ends: Ends) -> None:
    """The stream is closed in the round in which it was written to."""

    async def work() -> None:
        stream, receiver = stream_of(ends[0], lambda: farewell())

        def farewell() -> None:
            stream.write(bytes(MUCH))
            stream.close()

        ends[1].sendall(b"go")
        assert await asyncio.to_thread(read_to_end, ends[1]) == bytes(MUCH)
        await receiver.ended()

    run(work())


def test_an_error_in_pause_writing_closes_only_that_stream(
    ends: Ends, run: Run
) -> None:
    class Failing(RecordingReceiver):
        def pause_writing(self) -> None:
            raise ZeroDivisionError

    async def work() -> None:
        loop = running()
        uncaught: list[object] = []
        loop.set_exception_handler(lambda _, c: uncaught.append(c["exception"]))
        failing = Failing()
        stream = Stream(loop, loop.poller, ends[0], failing)
        stream.open()
        near, far = socket.socketpair()
        with near, far:
            other, well = stream_of(near)
            stream.write(bytes(MUCH))
            other.write(b"well")
            await failing.ended()
            assert far.recv(99) == b"well"
            other.close()
            await well.ended()
        assert [type(error) for error in uncaught] == [ZeroDivisionError]

    run(work())


def test_nothing_is_read_while_reading_is_paused(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, receiver = stream_of(ends[0])
        stream.pause_reading()
        ends[1].sendall(b"early")
        pair = socket.socketpair()
        with pair[0], pair[1]:
            _, other = stream_of(pair[0])
            pair[1].sendall(b"a sign that a round is over")
            await other.until(lambda: other.data)
            assert receiver.data == b""
            stream.resume_reading()
            await receiver.until(lambda: receiver.data == b"early")

    run(work())


def test_pausing_between_two_reads_stops_at_once(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, receiver = stream_of(ends[0], lambda: stream.pause_reading())
        sending = asyncio.to_thread(ends[1].sendall, bytes(2 * LARGE_READ))
        _, _ = await asyncio.gather(sending, read_by_chunks(stream, receiver))

    async def read_by_chunks(stream: Stream, receiver: RecordingReceiver) -> None:
        while len(receiver.data) < 2 * LARGE_READ:
            stream.resume_reading()
            receiver.changed.clear()
            await receiver.changed.wait()
            assert receiver.chunks.pop()
            assert not receiver.chunks

    run(work())


def test_a_half_closed_stream_still_reads(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, receiver = stream_of(ends[0])
        stream.write(b"goodbye")
        stream.write_eof()
        stream.write(b"too late")
        assert await asyncio.to_thread(read_to_end, ends[1]) == b"goodbye"
        ends[1].sendall(b"and you")
        await receiver.until(lambda: receiver.data == b"and you")
        assert not stream.is_closing()

    run(work())


def test_write_eof_sends_all_data_first(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, receiver = stream_of(ends[0])
        stream.write(bytes(MUCH))
        stream.write_eof()
        assert len(await asyncio.to_thread(read_to_end, ends[1])) == MUCH
        assert "lost" not in receiver.calls

    run(work())


def test_abort_drops_unsent_data(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, receiver = stream_of(ends[0])
        stream.write(bytes(MUCH))
        stream.abort()
        stream.abort()
        stream.write(b"nothing")
        assert "lost" not in receiver.calls, "connection_lost is never a nested call"
        await receiver.ended()
        assert len(await asyncio.to_thread(read_to_end, ends[1])) < MUCH
        assert receiver.calls.count("lost") == 1

    run(work())


def test_writing_to_a_disconnected_peer_is_an_error(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, receiver = stream_of(ends[0])
        stream.pause_reading()
        ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ends[1].close()
        while not stream.is_closing():
            stream.write(b"are you there?")
        await receiver.ended()
        assert isinstance(receiver.error, OSError)

    run(work())


def test_an_error_in_data_received_closes_only_that_stream(
    ends: Ends, run: Run
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def work() -> None:
        loop = asyncio.get_running_loop()
        uncaught: list[object] = []
        loop.set_exception_handler(lambda _, c: uncaught.append(c["exception"]))
        near, far = socket.socketpair()
        with near, far:
            failing = stream_of(ends[0], fail)[1]
            stream, well = stream_of(near)
            ends[1].sendall(b"fail")
            far.sendall(b"work")
            await failing.ended()
            await well.until(lambda: well.data == b"work")
            stream.close()
            await well.ended()
        assert [type(error) for error in uncaught] == [ZeroDivisionError]

    run(work())


def test_a_stream_closed_by_another_in_the_same_round_receives_nothing(
    run: Run, ends: Ends
) -> None:
    async def work() -> None:
        near, far = socket.socketpair()
        streams: list[Stream] = []

        def close_all() -> None:
            for stream in streams:
                stream.close()

        with near, far:
            ends[1].sendall(b"x")
            far.sendall(b"x")
            one, receiver_one = stream_of(ends[0], close_all)
            two, receiver_two = stream_of(near, close_all)
            streams += [one, two]
            for receiver in receiver_one, receiver_two:
                await receiver.ended()
        assert sorted((receiver_one.data, receiver_two.data)) == [b"", b"x"]

    run(work())


def test_addresses_of_both_ends(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, _ = stream_of(ends[0])
        assert stream.ends() == (ends[1].getpeername(), ends[1].getsockname())
        stream.close()

    run(work())

"""One socket: what comes, what is written, and how it ends."""

import asyncio
import os
import select
import socket
import struct
from itertools import pairwise

import pytest

from pinwatch.sockets.calls import AT_HAND
from pinwatch.sockets.loop import running
from pinwatch.sockets.stream import HIGH, LARGE, LOW, USUAL, Stream
from tests.sockets.conftest import Ends, Heard, Run, stream_of

MUCH = 8_000_000  # bytes, more than sockets take


def drain(far: socket.socket) -> bytes:
    """All, to the end."""
    data = b""
    while chunk := far.recv(65_536):
        data += chunk
    return data


def test_what_comes_is_heard_and_what_is_written_arrives(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, heard = stream_of(ends[0])
        assert heard.told == ["made"]
        ends[1].sendall(b"ping")
        await heard.until(lambda: heard.data == b"ping")
        stream.write(b"pong")
        assert await asyncio.to_thread(ends[1].recv, 10) == b"pong"
        stream.close()
        await heard.ended()
        assert heard.error is None

    run(work())


@pytest.mark.parametrize(
    "size", [1, AT_HAND - 1, AT_HAND, AT_HAND + 1, AT_HAND + USUAL, 3 * LARGE + 5, MUCH]
)
def test_nothing_that_comes_is_left_behind(run: Run, ends: Ends, size: int) -> None:
    """Whatever it is read by: the socket is told of once, and read to its end."""

    async def work() -> None:
        _, heard = stream_of(ends[0])
        data = os.urandom(size)
        await asyncio.to_thread(ends[1].sendall, data)
        await heard.until(lambda: len(heard.data) == size)
        assert heard.data == data
        ends[1].sendall(b"more")
        await heard.until(lambda: heard.data[size:] == b"more")

    run(work())


def test_the_end_is_heard_together_with_what_came_before(run: Run, ends: Ends) -> None:
    async def work() -> None:
        ends[1].sendall(b"last words")
        ends[1].shutdown(socket.SHUT_WR)
        stream, heard = stream_of(ends[0])
        await heard.ended()
        assert heard.data == b"last words"
        assert heard.told == ["made", "eof", "lost"]
        assert stream.is_closing()

    run(work())


def test_a_reset_is_an_error(run: Run, ends: Ends) -> None:
    async def work() -> None:
        _, heard = stream_of(ends[0])
        ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ends[1].close()
        await heard.ended()
        assert isinstance(heard.error, ConnectionResetError)

    run(work())


def test_who_writes_more_than_is_taken_hears_to_pause(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, heard = stream_of(ends[0])
        data = os.urandom(MUCH)
        parts = [data[a:b] for a, b in pairwise(range(0, MUCH + 1, MUCH // 400))]
        for part in parts:
            stream.write(part)
        assert heard.told == ["made", "pause"]
        stream.close()
        assert await asyncio.to_thread(drain, ends[1]) == data
        await heard.ended()
        assert heard.told == ["made", "pause", "resume", "lost"]

    assert LOW < HIGH < MUCH
    run(work())


def test_what_is_written_in_a_round_goes_out_when_it_ends(run: Run, ends: Ends) -> None:
    """So that nobody who is told something takes the processor from the others."""

    async def work() -> None:
        near, far = socket.socketpair()

        def answer() -> None:
            other.write(b"to another ")
            stream.write(b"to who asked")
            assert select.select([ends[1], far], [], [], 0)[0] == []
            other.write(b"twice")

        with near, far:
            stream, heard = stream_of(ends[0], answer)
            other, _ = stream_of(near)
            ends[1].sendall(b"asked")
            await heard.until(lambda: heard.data)
            assert ends[1].recv(99) == b"to who asked"
            assert far.recv(99) == b"to another twice"

    run(work())


def test_who_is_touched_by_another_s_pause_loses_nothing(run: Run, ends: Ends) -> None:
    """Both were refused in one round, and so neither is idle when the first hears."""

    class Closing(Heard):
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
            closing.other, heard = stream_of(near)
            stream.write(bytes(MUCH))
            closing.other.write(bytes(MUCH))
            assert await asyncio.to_thread(drain, far) == bytes(MUCH) + b"the last"
            await heard.ended()

    run(work())


def test_what_was_written_goes_out_before_the_end(run: Run, ends: Ends) -> None:
    """Whoever ends it, in the round in which it was written."""

    async def work() -> None:
        stream, heard = stream_of(ends[0], lambda: farewell())

        def farewell() -> None:
            stream.write(bytes(MUCH))
            stream.close()

        ends[1].sendall(b"go")
        assert await asyncio.to_thread(drain, ends[1]) == bytes(MUCH)
        await heard.ended()

    run(work())


def test_a_receiver_that_fails_when_it_is_to_pause_loses_its_stream_alone(
    ends: Ends, run: Run
) -> None:
    class Failing(Heard):
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
        stream, heard = stream_of(ends[0])
        stream.pause_reading()
        ends[1].sendall(b"early")
        pair = socket.socketpair()
        with pair[0], pair[1]:
            _, other = stream_of(pair[0])
            pair[1].sendall(b"a sign that a round is over")
            await other.until(lambda: other.data)
            assert heard.data == b""
            stream.resume_reading()
            await heard.until(lambda: heard.data == b"early")

    run(work())


def test_who_pauses_in_the_middle_of_much_hears_no_more(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, heard = stream_of(ends[0], lambda: stream.pause_reading())
        sending = asyncio.to_thread(ends[1].sendall, bytes(2 * LARGE))
        _, _ = await asyncio.gather(sending, read_by_chunks(stream, heard))

    async def read_by_chunks(stream: Stream, heard: Heard) -> None:
        while len(heard.data) < 2 * LARGE:
            stream.resume_reading()
            heard.changed.clear()
            await heard.changed.wait()
            assert heard.chunks.pop()
            assert not heard.chunks

    run(work())


def test_half_closed_it_still_hears(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, heard = stream_of(ends[0])
        stream.write(b"goodbye")
        stream.write_eof()
        stream.write(b"too late")
        assert await asyncio.to_thread(drain, ends[1]) == b"goodbye"
        ends[1].sendall(b"and you")
        await heard.until(lambda: heard.data == b"and you")
        assert not stream.is_closing()

    run(work())


def test_half_closed_once_all_is_taken(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, heard = stream_of(ends[0])
        stream.write(bytes(MUCH))
        stream.write_eof()
        assert len(await asyncio.to_thread(drain, ends[1])) == MUCH
        assert "lost" not in heard.told

    run(work())


def test_aborted_it_ends_without_what_was_not_taken(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, heard = stream_of(ends[0])
        stream.write(bytes(MUCH))
        stream.abort()
        stream.abort()
        stream.write(b"nothing")
        assert "lost" not in heard.told, "in the middle of a call"
        await heard.ended()
        assert len(await asyncio.to_thread(drain, ends[1])) < MUCH
        assert heard.told.count("lost") == 1

    run(work())


def test_written_to_a_peer_that_is_gone(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, heard = stream_of(ends[0])
        stream.pause_reading()
        ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ends[1].close()
        while not stream.is_closing():
            stream.write(b"anybody there?")
        await heard.ended()
        assert isinstance(heard.error, OSError)

    run(work())


def test_a_receiver_that_fails_loses_its_stream_and_no_other(
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


def test_a_stream_closed_by_another_in_the_same_round_hears_nothing(
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
            one, heard_one = stream_of(ends[0], close_all)
            two, heard_two = stream_of(near, close_all)
            streams += [one, two]
            for heard in heard_one, heard_two:
                await heard.ended()
        assert sorted((heard_one.data, heard_two.data)) == [b"", b"x"]

    run(work())


def test_its_ends(run: Run, ends: Ends) -> None:
    async def work() -> None:
        stream, _ = stream_of(ends[0])
        assert stream.ends() == (ends[1].getpeername(), ends[1].getsockname())
        stream.close()

    run(work())

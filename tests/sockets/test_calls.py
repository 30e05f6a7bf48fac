"""The system calls, whichever build's they are: what they give, and how they fail."""

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pinwatch.sockets import calls
from pinwatch.sockets.calls import SMALL_READ, receive, send_all
from pinwatch.sockets.polls import READABLE, WRITABLE, Poll, SelectorPoll, system_poll
from tests.sockets.conftest import Ends

LARGE_READ = 4 * SMALL_READ
MORE_THAN_TAKEN = 1 << 24  # bytes


@pytest.fixture
def pair() -> Iterator[Ends]:
    """Of one machine, so that each end knows at once what the other does."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield near, far


def send(fd: int, data: bytes) -> int:
    """How much of it was taken; -errno if that failed."""
    for _, _, taken in send_all(["who", fd, data]):
        return taken
    return len(data)


@pytest.mark.parametrize("most", [1, SMALL_READ, LARGE_READ])
def test_what_was_sent_is_received(pair: Ends, most: int) -> None:
    near, far = pair
    data = os.urandom(most)
    assert send(far.fileno(), data) == most
    assert receive(near.fileno(), most) == data


@pytest.mark.parametrize("most", [SMALL_READ, LARGE_READ])
def test_no_more_is_received_than_is_there(pair: Ends, most: int) -> None:
    near, far = pair
    send(far.fileno(), b"here")
    assert receive(near.fileno(), most) == b"here"
    with pytest.raises(BlockingIOError):
        receive(near.fileno(), most)


def test_no_more_is_received_than_was_asked_for(pair: Ends) -> None:
    near, far = pair
    send(far.fileno(), b"123456")
    assert [receive(near.fileno(), 4), receive(near.fileno(), 4)] == [b"1234", b"56"]


def test_the_end_is_nothing(pair: Ends) -> None:
    near, far = pair
    far.close()
    assert receive(near.fileno(), SMALL_READ) == b""
    assert send(near.fileno(), b"late") == -errno.EPIPE


def test_a_descriptor_that_is_none(pair: Ends) -> None:
    near, _far = pair
    fd = near.fileno()
    near.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        receive(fd, 1)
    assert send(fd, b"x") == -errno.EBADF


@pytest.fixture
def pairs() -> Iterator[list[Ends]]:
    """More than one system call sends to."""
    with ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(150)]
        for end in (end for pair in pairs for end in pair):
            stack.enter_context(end).setblocking(False)
        yield pairs


@pytest.mark.parametrize("count", [0, 1, 2, 64, 65, 150])
def test_all_are_sent_at_once(pairs: list[Ends], count: int) -> None:
    words = {far: b"to %d" % far.fileno() for _, far in pairs[:count]}
    pieces = [
        entry
        for near, far in pairs[:count]
        for entry in (near, near.fileno(), words[far])
    ]
    assert send_all(pieces) == []
    assert pieces == []
    assert {far: receive(far.fileno(), 99) for far in words} == words


@pytest.mark.parametrize("at", [0, 70, 149])
def test_who_takes_not_all_is_told_and_the_others_get_theirs(
    pairs: list[Ends], at: int
) -> None:
    """First a part of it, then nothing, then that there is nobody to take it."""

    def send_to_all(data: bytes) -> list[int]:
        pieces = [x for near, _ in pairs for x in (near, near.fileno(), b"well")]
        pieces[3 * at + 2] = data
        refused = send_all(pieces)
        for far in (far for _, far in pairs if far is not pairs[at][1]):
            assert receive(far.fileno(), 99) == b"well"
        assert all(one[:2] == (pairs[at][0], data) for one in refused)
        return [taken for _, _, taken in refused]

    (taken,) = send_to_all(bytes(MORE_THAN_TAKEN))
    assert 0 < taken < MORE_THAN_TAKEN
    assert send_to_all(b"more") == [-errno.EAGAIN]
    pairs[at][1].close()
    assert send_to_all(b"late") == [-errno.EPIPE]


def test_one_descriptor_that_is_none_and_the_others_get_theirs(
    pairs: list[Ends],
) -> None:
    pieces = [x for near, _ in pairs for x in (near, near.fileno(), b"well")]
    pairs[70][0].close()
    assert send_all(pieces) == [(pairs[70][0], b"well", -errno.EBADF)]
    for far in (far for _, far in pairs if far is not pairs[70][1]):
        assert receive(far.fileno(), 99) == b"well"


def test_what_cannot_be_sent_is_not_tried_again(pairs: list[Ends]) -> None:
    near, _far = pairs[0]
    pieces: list[Any] = [near, near.fileno(), b"once", near, near.fileno(), "text"]
    with pytest.raises(TypeError):
        send_all(pieces)
    assert pieces == []


SENDING = """
import os
import resource
import socket

from pinwatch.sockets.calls import send_all

pairs = [socket.socketpair() for _ in range(2)]

def send(word):
    assert send_all([x for near, _ in pairs for x in (None, near.fileno(), word)]) == []
    assert [far.recv(99) for _, far in pairs] == [word, word]
"""
FORKED = """
send(b"from a parent")
child = os.fork()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
send(b"from either")
"""
FULL = """
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
send(b"without a descriptor to try it")
send(b"twice")
"""


@pytest.mark.parametrize("script", [FORKED, FULL], ids=["a child", "no descriptor"])
def test_without_the_call_that_sends_to_all(script: str) -> None:
    """A child process has not what the kernel keeps for its parent's; and without a
    descriptor nobody can tell whether it sends at once."""
    subprocess.run([sys.executable, "-c", SENDING + script], check=True, timeout=60)


@pytest.mark.skipif(not calls.OWN, reason="Python's own calls say it in other words")
@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (receive, ()),
        (receive, (0,)),
        (receive, (0, 0)),
        (receive, (0, -1)),
        (receive, (0, "1")),
        (receive, (-1, 1)),
        (receive, (1 << 32, 1)),
        (receive, (1 << 64, 1)),
        (send_all, ()),
        (send_all, ((None, 0, b"x"),)),
        (send_all, ([None, 0, "text"],)),
        (send_all, ([None, 0, bytearray(b"x")],)),
        (send_all, ([None, "0", b"x"],)),
        (send_all, ([None, -1, b"x"],)),
        (calls.wait, ()),
        (calls.wait, (0, None)),
        (calls.wait, (-1, 0.0)),
    ],
)
def test_arguments_that_make_no_sense(call: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        call(*arguments)


@pytest.fixture(params=[system_poll, SelectorPoll], ids=["system", "portable"])
def poll(request: pytest.FixtureRequest) -> Iterator[Poll]:
    poll = request.param()
    yield poll
    poll.close()


def test_nothing_is_ready(poll: Poll, pair: Ends) -> None:
    poll.register(pair[0].fileno(), READABLE)
    assert poll.poll(0.0) == []
    assert poll.poll(0.0101) == []


def test_what_is_ready_is_told_with_its_mask(poll: Poll, pair: Ends) -> None:
    near, far = pair
    poll.register(near.fileno(), READABLE)
    poll.register(far.fileno(), WRITABLE)
    send(far.fileno(), b"x")
    flat = poll.poll(-1.0)
    told = dict(zip(flat[::2], flat[1::2], strict=True))
    assert told == {near.fileno(): READABLE, far.fileno(): WRITABLE}
    poll.unregister(far.fileno())
    assert poll.poll(-1.0) == [near.fileno(), READABLE]


def test_a_wait_lets_other_threads_work(poll: Poll, pair: Ends) -> None:
    near, far = pair
    poll.register(near.fileno(), READABLE)
    thread = threading.Thread(target=lambda: send(far.fileno(), b"x"))
    thread.start()
    assert poll.poll(-1.0) == [near.fileno(), READABLE]
    thread.join()


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll")
def test_a_signal_is_handled_while_nothing_comes(pair: Ends) -> None:
    """As Ctrl-C is, where nobody has asked to be woken by signals."""
    poll = system_poll()
    poll.register(pair[0].fileno(), READABLE)

    def handle(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        with pytest.raises(KeyboardInterrupt):
            poll.poll(-1.0)
    finally:
        signal.signal(signal.SIGALRM, before)
        poll.close()

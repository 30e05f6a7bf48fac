"""The system calls, whichever build's they are: what they give, and how they fail."""

import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pinwatch.sockets import calls
from pinwatch.sockets.calls import AT_HAND, receive, send
from pinwatch.sockets.polls import READABLE, WRITABLE, Poll, Selector, system_poll
from tests.sockets.conftest import Ends

LARGE = 4 * AT_HAND


@pytest.fixture
def pair() -> Iterator[Ends]:
    """Of one machine, so that each end knows at once what the other does."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield near, far


@pytest.mark.parametrize("most", [1, AT_HAND, LARGE])
def test_what_was_sent_is_received(pair: Ends, most: int) -> None:
    near, far = pair
    data = os.urandom(most)
    assert send(far.fileno(), data) == most
    assert receive(near.fileno(), most) == data


@pytest.mark.parametrize("most", [AT_HAND, LARGE])
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
    assert receive(near.fileno(), AT_HAND) == b""
    with pytest.raises(BrokenPipeError):
        send(near.fileno(), b"late")


def test_a_socket_that_is_full_takes_a_part_and_then_nothing(pair: Ends) -> None:
    near, _far = pair
    data = bytes(1 << 24)
    sent = send(near.fileno(), data)
    assert 0 < sent < len(data)

    def go_on() -> None:
        while True:
            send(near.fileno(), data)

    with pytest.raises(BlockingIOError):
        go_on()


def test_a_descriptor_that_is_none(pair: Ends) -> None:
    near, _far = pair
    fd = near.fileno()
    near.close()
    for call in (lambda: receive(fd, 1), lambda: send(fd, b"x")):
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()


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
        (send, (0,)),
        (send, (0, "text")),
        (send, (0, bytearray(b"x"))),
        (send, ("0", b"x")),
        (calls.wait, ()),
        (calls.wait, (0, None)),
        (calls.wait, (-1, 0.0)),
    ],
)
def test_arguments_that_make_no_sense(call: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        call(*arguments)


@pytest.fixture(params=[system_poll, Selector], ids=["system", "portable"])
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

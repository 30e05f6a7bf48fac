"""The system calls of both builds: their results and their errors."""

import errno
import os
import platform
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
from pinwatch.sockets.calls import SMALL_READ, Sender, new_sender, receive
from pinwatch.sockets.polls import READABLE, WRITABLE, Poll, SelectorPoll, system_poll
from tests.sockets.conftest import Ends

LARGE_READ = 4 * SMALL_READ
TOO_MUCH = 1 << 24  # bytes, more than the buffers of two sockets hold


@pytest.fixture
def pair() -> Iterator[Ends]:
    """Two Unix-domain sockets, so that each end sees at once what the other did."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield near, far


def send(fd: int, data: bytes) -> int:
    """Return the number of bytes that were sent, or -errno."""
    for _, _, sent in new_sender().send(["writer", fd, data]):
        return sent
    return len(data)


@pytest.mark.parametrize("most", [1, SMALL_READ, LARGE_READ])
def test_sent_data_is_received(pair: Ends, most: int) -> None:
    near, far = pair
    data = os.urandom(most)
    assert send(far.fileno(), data) == most
    assert receive(near.fileno(), most) == data


@pytest.mark.parametrize("most", [SMALL_READ, LARGE_READ])
def test_a_read_returns_only_what_has_arrived(pair: Ends, most: int) -> None:
    near, far = pair
    send(far.fileno(), b"here")
    assert receive(near.fileno(), most) == b"here"
    with pytest.raises(BlockingIOError):
        receive(near.fileno(), most)


def test_a_read_returns_at_most_the_given_size(pair: Ends) -> None:
    near, far = pair
    send(far.fileno(), b"123456")
    assert [receive(near.fileno(), 4), receive(near.fileno(), 4)] == [b"1234", b"56"]


def test_the_end_of_the_data_reads_as_no_bytes(pair: Ends) -> None:
    near, far = pair
    far.close()
    assert receive(near.fileno(), SMALL_READ) == b""
    assert send(near.fileno(), b"late") == -errno.EPIPE


def test_a_closed_descriptor(pair: Ends) -> None:
    near, _far = pair
    fd = near.fileno()
    near.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        receive(fd, 1)
    assert send(fd, b"x") == -errno.EBADF


@pytest.fixture
def sender() -> Iterator[Sender]:
    sender = new_sender()
    yield sender
    sender.close()


@pytest.fixture
def pairs() -> Iterator[list[Ends]]:
    """More pairs than one system call sends to."""
    with ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(150)]
        for end in (end for pair in pairs for end in pair):
            stack.enter_context(end).setblocking(False)
        yield pairs


@pytest.mark.parametrize("count", [0, 1, 2, 64, 65, 150])
def test_each_socket_gets_its_piece(
    sender: Sender, pairs: list[Ends], count: int
) -> None:
    words = {far: b"to %d" % far.fileno() for _, far in pairs[:count]}
    pieces = [
        entry
        for near, far in pairs[:count]
        for entry in (near, near.fileno(), words[far])
    ]
    before = pieces.copy()
    assert sender.send(pieces) == []
    assert pieces == before
    assert {far: receive(far.fileno(), 99) for far in words} == words


def test_a_closed_sender_still_sends(sender: Sender, pairs: list[Ends]) -> None:
    for _ in range(2):
        sender.close()
        assert send_to_all(sender, pairs) == []
        assert receive(pairs[0][1].fileno(), 99) == b"well"


def send_to_all(
    sender: Sender, pairs: list[Ends], at: int = 0, data: bytes = b"well"
) -> list[int]:
    """Send data to the pair at an index, and check that all others get their piece.

    Returns what the sender returned for the pair.
    """
    pieces = [x for near, _ in pairs for x in (near, near.fileno(), b"well")]
    pieces[3 * at + 2] = data
    unsent = sender.send(pieces)
    for far in (far for _, far in pairs if far is not pairs[at][1]):
        assert receive(far.fileno(), 99) == b"well"
    assert all(one[:2] == (pairs[at][0], data) for one in unsent)
    return [sent for _, _, sent in unsent]


@pytest.mark.parametrize("at", [0, 70, 149])
def test_a_full_socket_is_reported_and_the_others_get_their_pieces(
    sender: Sender, pairs: list[Ends], at: int
) -> None:
    """The socket takes a part, then nothing; then its peer disconnects."""
    (sent,) = send_to_all(sender, pairs, at, bytes(TOO_MUCH))
    assert 0 < sent < TOO_MUCH
    assert send_to_all(sender, pairs, at, b"more") == [-errno.EAGAIN]
    pairs[at][1].close()
    assert send_to_all(sender, pairs, at, b"late") == [-errno.EPIPE]


@pytest.mark.parametrize("at", [0, 70, 149])
def test_a_closed_descriptor_is_reported_and_the_others_get_their_pieces(
    sender: Sender, pairs: list[Ends], at: int
) -> None:
    pieces = [x for near, _ in pairs for x in (near, near.fileno(), b"well")]
    pairs[at][0].close()
    assert sender.send(pieces) == [(pairs[at][0], b"well", -errno.EBADF)]
    for far in (far for _, far in pairs if far is not pairs[at][1]):
        assert receive(far.fileno(), 99) == b"well"


def test_the_sender_keeps_no_reference(sender: Sender, pairs: list[Ends]) -> None:
    writer, data = object(), os.urandom(9)
    before = sys.getrefcount(writer), sys.getrefcount(data)
    for _ in range(3):
        sender.send([x for near, _ in pairs for x in (writer, near.fileno(), data)])
        with pytest.raises(TypeError):
            sender.send([writer, pairs[0][0].fileno(), data, writer, 0, "text"])
    assert (sys.getrefcount(writer), sys.getrefcount(data)) == before


SETUP = """
import ctypes
import errno
import os
import platform
import platform
import resource
import socket

from pinwatch.sockets.calls import new_sender

pairs = [socket.socketpair() for _ in range(2)]
for near, _ in pairs:
    near.setblocking(False)

def send(word):
    pieces = [x for near, _ in pairs for x in (None, near.fileno(), word)]
    unsent = sender.send(pieces)
    assert [far.recv(99) for _, far in pairs] == [word, word]
    return [sent for _, _, sent in unsent]

# Let a system call fail with EPERM from now on, as container profiles do.
def forbid(call):
    class Filter(ctypes.Structure):
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte),
                    ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
    numbers = {"x86_64": {"setup": 206, "getevents": 208, "submit": 209},
               "aarch64": {"setup": 0, "getevents": 4, "submit": 2}}
    number = numbers[platform.machine()][call]
    filters = (Filter * 4)(
        Filter(0x20, 0, 0, 0),  # load the number of the call
        Filter(0x15, 0, 1, number),  # if it differs, skip the next instruction
        Filter(0x06, 0, 0, 0x00050000 | errno.EPERM),  # SECCOMP_RET_ERRNO
        Filter(0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
    )
    program = Program(4, filters)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0  # PR_SET_SECCOMP
"""
FORKED = """
sender = new_sender()
assert send(b"from the parent") == []
child = os.fork()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert send(b"from either") == []
sender.close()
assert send(b"from either, closed") == []
"""
NO_DESCRIPTOR = """
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
sender = new_sender()
assert send(b"once") == []
assert send(b"twice") == []
"""
NO_SETUP = """
forbid("setup")
sender = new_sender()
assert send(b"once") == []
assert send(b"twice") == []
"""
NO_SUBMIT = """
sender = new_sender()
assert send(b"once") == []
forbid("submit")
assert send(b"twice") == []
"""
NO_RESULTS = """
sender = new_sender()
assert send(b"once") == []
forbid("getevents")
assert send(b"twice") in ([], [-errno.EIO, -errno.EIO])
assert send(b"three times") == []
sender.close()
assert send(b"four times") == []
"""


@pytest.mark.parametrize("script", [FORKED, NO_DESCRIPTOR], ids=["fork", "EMFILE"])
def test_a_sender_without_the_common_call_sends_one_by_one(script: str) -> None:
    """A forked child has no part in its parent's kernel context, and without a
    descriptor the sender cannot check that the call sends at once.
    """
    subprocess.run([sys.executable, "-c", SETUP + script], check=True, timeout=60)


@pytest.mark.skipif(
    not sys.platform.startswith("linux")
    or platform.machine() not in ("x86_64", "aarch64"),
    reason="seccomp filters name the system calls of Linux on x86_64 and aarch64",
)
@pytest.mark.parametrize(
    "script",
    [NO_SETUP, NO_SUBMIT, NO_RESULTS],
    ids=["io_setup", "io_submit", "io_getevents"],
)
def test_a_forbidden_system_call_degrades_the_sender(script: str) -> None:
    """Pieces without a result fail with EIO, which closes their streams; the process
    goes on.
    """
    subprocess.run([sys.executable, "-c", SETUP + script], check=True, timeout=60)


@pytest.mark.skipif(not calls.COMPILED, reason="Python's own calls raise other errors")
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
        (new_sender, (1,)),
        (new_sender().send, ()),
        (new_sender().send, ((None, 0, b"x"),)),
        (new_sender().send, ([None, 0, "text"],)),
        (new_sender().send, ([None, 0, bytearray(b"x")],)),
        (new_sender().send, ([None, "0", b"x"],)),
        (new_sender().send, ([None, -1, b"x"],)),
        (new_sender().send, ([None, 1 << 64, b"x"],)),
        (new_sender().close, (1,)),
        (calls.wait, ()),
        (calls.wait, (0, None)),
        (calls.wait, (-1, 0.0)),
    ],
)
def test_invalid_arguments_are_rejected(call: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        call(*arguments)


@pytest.fixture(params=[system_poll, SelectorPoll], ids=["system", "portable"])
def poll(request: pytest.FixtureRequest) -> Iterator[Poll]:
    poll = request.param()
    yield poll
    poll.close()


def test_a_wait_that_times_out_returns_nothing(poll: Poll, pair: Ends) -> None:
    poll.register(pair[0].fileno(), READABLE)
    assert poll.poll(0.0) == []
    assert poll.poll(0.0101) == []


def test_ready_descriptors_are_returned_with_their_masks(
    poll: Poll, pair: Ends
) -> None:
    near, far = pair
    poll.register(near.fileno(), READABLE)
    poll.register(far.fileno(), WRITABLE)
    send(far.fileno(), b"x")
    flat = poll.poll(-1.0)
    ready = dict(zip(flat[::2], flat[1::2], strict=True))
    assert ready == {near.fileno(): READABLE, far.fileno(): WRITABLE}
    poll.unregister(far.fileno())
    assert poll.poll(-1.0) == [near.fileno(), READABLE]


def test_a_wait_releases_the_interpreter_lock(poll: Poll, pair: Ends) -> None:
    near, far = pair
    poll.register(near.fileno(), READABLE)
    thread = threading.Thread(target=lambda: send(far.fileno(), b"x"))
    thread.start()
    assert poll.poll(-1.0) == [near.fileno(), READABLE]
    thread.join()


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="the platform has no epoll")
def test_a_signal_is_handled_during_a_wait(pair: Ends) -> None:
    """Ctrl-C works in a thread without a wake-up descriptor for signals."""
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

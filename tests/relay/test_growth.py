"""The cost of a message does not grow with what is outstanding or kept.

For each kind of message, the CPU time of 16 n is compared with that of 4 n. It is 4
times as much if the cost is in proportion, and 16 times if each message costs as much
as all before it. The bound leaves room for caches, which 4 n messages fit better. The
two are measured one after the other, so that other work slows both, and the best
of a few attempts counts.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import thread_time
from typing import Final

import pytest

from pinwatch.wire import messages
from pinwatch.wire.messages import HEADER, message, parameter_status
from tests.stage import READY, Client, Stage, complete
from tests.wireclient import (
    COPY_DONE,
    SYNC,
    bind,
    close,
    close_portal,
    describe,
    execute,
    parse,
    query,
)

N: Final = 50
ATTEMPTS: Final = 12
MAX_GROWTH: Final = 5
CHUNK: Final = 65_536
PARSED: Final = message(messages.PARSE_COMPLETE, b"")
COPY_IN: Final = message(messages.COPY_IN_RESPONSE, b"\0\0\0")
REPLIES: Final = {
    messages.PARSE: PARSED,
    messages.BIND: message(messages.BIND_COMPLETE, b""),
    messages.DESCRIBE: message(messages.NO_DATA, b""),
    messages.CLOSE: message(messages.CLOSE_COMPLETE, b""),
    messages.EXECUTE: complete(b"SELECT 0"),
    messages.SYNC: READY,
    messages.QUERY: complete(b"SELECT 0") + READY,
}


@pytest.fixture(scope="module", autouse=True)
def frozen() -> Iterator[None]:
    """Exempt what other tests have left from the collections of these."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Clock:
    """Sums up the CPU time that the thread spends in ``running``."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        start = thread_time()
        yield
        self.seconds += thread_time() - start


def replies(sent: bytes) -> bytes:
    """Return the replies of a server that runs all requests."""
    found, at = [], 0
    while at < len(sent):
        kind, size = HEADER.unpack_from(sent, at)
        found.append(REPLIES.get(kind, b""))
        at += size + 1
    return b"".join(found)


def deliver(to: Callable[[bytes], None], data: bytes, size: int = CHUNK) -> None:
    for at in range(0, len(data), size):
        to(data[at : at + size])


def exchange(clock: Clock, client: Client, stage: Stage, sent: bytes) -> None:
    """Send messages, and answer the servers until they receive no more."""
    with clock.running():
        deliver(client.session.data_received, sent)
    answer(clock, stage)
    client.read()


def answer(clock: Clock, stage: Stage) -> None:
    busy = True
    while busy:
        busy = False
        for server in stage.servers:
            data = replies(server.read())
            busy = busy or bool(data)
            with clock.running():
                deliver(server.connection.data_received, data)


def many(count: int, one: Callable[[int], bytes]) -> bytes:
    return b"".join(map(one, range(count)))


def kept(client: Client, stage: Stage, count: int) -> None:
    """Prepare count statements."""
    exchange(
        Clock(), client, stage, many(count, lambda n: parse(f"s{n}", f"SELECT {n}"))
    )
    exchange(Clock(), client, stage, SYNC)


def run(unnamed: str = "") -> bytes:
    return parse(unnamed, "SELECT 1") + bind(unnamed) + execute()


ONE_BATCH: Final[dict[str, Callable[[int], bytes]]] = {
    "Parse of new names": lambda n: parse(f"s{n}", f"SELECT {n}"),
    "Parse of one name": lambda n: parse("s", "SELECT 1"),
    "Parse of one text": lambda n: parse(f"s{n}", "SELECT 1"),
    "Parse without a name": lambda n: run(),
    "Parse with a name": lambda n: run(f"s{n}"),
    "Parse and Close": lambda n: run("s") + close("s"),
    "Parse that pins": lambda n: parse(f"s{n}", "SET a = 1") + bind(f"s{n}"),
    "Bind": lambda n: bind("s0"),
    "Bind of an unknown name": lambda n: bind(f"t{n}"),
    "Bind of many": lambda n: bind(f"s{n % 400}"),
    "Bind without a name": lambda n: bind(""),
    "Describe": lambda n: describe(f"s{n % 400}"),
    "Execute": lambda n: execute(),
    "Close of an unknown name": lambda n: close(f"t{n}"),
    "Close of known names": lambda n: close(f"s{n}"),
    "Close without a name": lambda n: close(""),
    "Close of a portal": lambda n: close_portal("p"),
    "Query in a batch": lambda n: parse("", "SELECT 1") + query("SELECT 1"),
    "CopyDone": lambda n: execute() + COPY_DONE,
}
REQUESTS: Final[dict[str, Callable[[int], bytes]]] = {
    "Sync": lambda n: SYNC,
    "Query": lambda n: query("SELECT 1"),
    "Query of new texts": lambda n: query(f"SELECT {n}"),
    "Query that drops statements": lambda n: (
        query("DEALLOCATE ALL") + parse("s", "SELECT 1") + SYNC
    ),
    "Parse without a name": lambda n: run() + SYNC,
    "Parse without a name, in two batches": lambda n: (
        parse("", "SELECT 1") + SYNC + bind("") + execute() + SYNC
    ),
    "Parse of new names": lambda n: parse(f"s{n}", f"SELECT {n}") + SYNC,
    "Parse of one name": lambda n: parse("s", "SELECT 1") + SYNC,
    "Parse with a name": lambda n: run(f"t{n}") + SYNC,
    "Bind": lambda n: bind(f"s{n % 400}") + execute() + SYNC,
    "Close": lambda n: close(f"s{n}") + SYNC,
}

Scenario = Callable[[Clock, int], None]


def grows(scenario: Scenario, most: float = MAX_GROWTH) -> float:
    """Return the least ratio of the CPU times of 16 n and 4 n in some attempts."""
    least = float("inf")
    for _ in range(ATTEMPTS):
        small, large = (measure(scenario, factor * N) for factor in (4, 16))
        least = min(least, large / small)
        if least <= most:
            break
    return least


def measure(scenario: Scenario, count: int) -> float:
    """Return the CPU seconds of a scenario, without those of the garbage collector."""
    clock = Clock()
    gc.collect()
    gc.disable()
    try:
        scenario(clock, count)
    finally:
        gc.enable()
    return clock.seconds


@pytest.mark.parametrize("kind", ONE_BATCH)
def test_messages_of_one_batch(kind: str) -> None:
    def scenario(clock: Clock, count: int) -> None:
        stage = Stage()
        client = stage.client()
        if kind.startswith(("Bind", "Describe", "Close")):
            kept(client, stage, count if kind == "Close of known names" else 400)
        exchange(clock, client, stage, many(count, ONE_BATCH[kind]) + SYNC)

    assert grows(scenario) <= MAX_GROWTH


@pytest.mark.parametrize("kind", REQUESTS)
def test_requests_of_one_pipeline(kind: str) -> None:
    def scenario(clock: Clock, count: int) -> None:
        stage = Stage()
        client = stage.client()
        if kind.startswith(("Bind", "Close")):
            kept(client, stage, count if kind == "Close" else 400)
        exchange(clock, client, stage, many(count, REQUESTS[kind]))

    assert grows(scenario) <= MAX_GROWTH


@pytest.mark.parametrize("limit", [100, 100_000])
def test_statements_that_are_kept(limit: int) -> None:
    """Each statement is prepared by a request; client and connection keep it."""

    def scenario(clock: Clock, count: int) -> None:
        stage = Stage(max_statements=limit)
        client = stage.client()
        kept(client, stage, 12 * count)
        for n in range(N):
            exchange(clock, client, stage, run(f"t{n}") + SYNC)

    assert grows(scenario, 2) <= 2


@pytest.mark.parametrize("limit", [100, 100_000])
def test_bind_after_a_swap(limit: int) -> None:
    def scenario(clock: Clock, count: int) -> None:
        stage = Stage(2, max_statements=limit)
        client, other = stage.client(), stage.client()
        kept(client, stage, count)
        other.send(query("BEGIN"))
        (busy,) = [one for one in stage.servers if one.read()]
        busy.send(complete(b"BEGIN"), messages.ready_for_query(ord("T")))
        uses = many(count, lambda n: bind(f"s{n}") + execute()) + SYNC
        exchange(clock, client, stage, uses)

    assert grows(scenario) <= MAX_GROWTH


def test_messages_that_an_error_skips() -> None:
    def scenario(clock: Clock, count: int) -> None:
        client, server = Stage().connected()
        sent = many(count, lambda n: parse(f"s{n}", f"SELECT {n}") + close(f"s{n}"))
        error = messages.error_response("ERROR", "42601", "no")
        with clock.running():
            client.send(sent + SYNC)
            server.send(error, READY)

    assert grows(scenario) <= MAX_GROWTH


def test_copies_of_one_batch() -> None:
    def scenario(clock: Clock, count: int) -> None:
        client, server = Stage().connected()
        sent = many(count, lambda n: execute() + COPY_DONE)
        with clock.running():
            client.send(sent + SYNC)
            deliver(
                server.connection.data_received, (COPY_IN + complete(b"COPY 0")) * count
            )
            server.send(READY)

    assert grows(scenario) <= MAX_GROWTH


@pytest.mark.parametrize("size", [100, CHUNK])
def test_reports_of_parameters(size: int) -> None:
    def scenario(clock: Clock, count: int) -> None:
        client, server = Stage().connected()
        client.send(query("SELECT change()"))
        flood = many(4 * count, lambda n: parameter_status(b"search_path", b"%d" % n))
        with clock.running():
            deliver(server.connection.data_received, flood, size)

    assert grows(scenario) <= MAX_GROWTH


def test_small_chunks_of_blocked_input() -> None:
    """The input waits for replies to earlier messages."""

    def scenario(clock: Clock, count: int) -> None:
        client, _ = Stage().connected()
        client.send(parse("s", "SELECT 1") + SYNC + bind("s"))
        client.read()
        waiting = execute() * (4 * count)
        with clock.running():
            deliver(client.session.data_received, waiting, 8)

    assert grows(scenario) <= MAX_GROWTH


def test_small_chunks_for_a_client_without_a_connection() -> None:
    def scenario(clock: Clock, count: int) -> None:
        stage = Stage()
        other, _ = stage.connected()
        client = stage.client()
        other.send(query("BEGIN"))
        waiting = query("SELECT 1") * (4 * count)
        with clock.running():
            deliver(client.session.data_received, waiting, 8)

    assert grows(scenario) <= MAX_GROWTH

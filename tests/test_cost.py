"""The cost of a transaction on its way through the core, counted and not timed.

The count is of calls of functions, in Python and in C, on which plain Python spends its
time. A bound is a little above the present count: a change that needs more must say
why. The compiled build makes most of these calls without the interpreter, and is not
counted.
"""

import gc
import sys
from collections.abc import Callable
from typing import Any, Final

import pytest

from pinwatch.relay import client_stream
from pinwatch.wire import messages
from pinwatch.wire.messages import SYNC_MESSAGE, message, parse, query
from tests.stage import READY, Client, Server, Stage, complete, row

TEXT: Final = b"SELECT abalance FROM pgbench_accounts WHERE aid = $1;"
VALUES: Final = b"\0\0\0\1\0\0\0\x0512345\0\0"
DESCRIBED: Final = message(messages.ROW_DESCRIPTION, b"\0\1abalance\0" + b"\0" * 18)
ANSWER: Final = DESCRIBED + row(b"0") + complete(b"SELECT 1") + READY
BOUND: Final = message(messages.BIND_COMPLETE, b"")
PARSED: Final = message(messages.PARSE_COMPLETE, b"")
REST: Final = (
    message(messages.DESCRIBE, b"P\0")
    + message(messages.EXECUTE, b"\0\0\0\0\0")
    + SYNC_MESSAGE
)
SIMPLE: Final = query(TEXT)
PREPARED: Final = message(messages.BIND, b"\0s\0" + VALUES) + REST
EXTENDED: Final = (
    parse(b"", TEXT + b"\0\0\0") + message(messages.BIND, b"\0\0" + VALUES) + REST
)
MANY: Final = 1_000

pytestmark = pytest.mark.skipif(
    not client_stream.__file__.endswith(".py"),
    reason="the compiled build is not counted",
)


def calls(action: Callable[[], None]) -> int:
    """Return the number of calls that action makes after a first run."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    action()
    gc.disable()  # a collection would add calls that are not action's
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.fixture
def stage() -> tuple[Client, Server]:
    client, server = Stage().connected()
    client.send(parse(b"s", TEXT + b"\0\0\0") + SYNC_MESSAGE)
    server.send(PARSED, READY)
    client.read()
    server.read()
    return client, server


@pytest.mark.parametrize(
    ("sent", "answer", "bound"),
    [
        (SIMPLE, ANSWER, 62),
        (EXTENDED, PARSED + BOUND + ANSWER, 97),
        (PREPARED, BOUND + ANSWER, 97),
    ],
    ids=["simple", "extended", "prepared"],
)
def test_a_transaction(
    stage: tuple[Client, Server], sent: bytes, answer: bytes, bound: int
) -> None:
    client, server = stage

    def transaction() -> None:
        client.session.data_received(sent)
        server.connection.data_received(answer)

    assert calls(transaction) <= bound
    assert server.connection.session is None


def test_a_request_of_a_client_with_startup_parameters() -> None:
    """The search of a request for resets takes a few calls."""
    plain, server = Stage().connected()
    stage = Stage()
    named = stage.client(application_name=b"app")
    (other,) = stage.servers
    other.send(complete(b"SELECT 1"), READY)
    named.read(), other.read()

    def transaction(client: Client, server: Server) -> None:
        client.session.data_received(SIMPLE)
        server.connection.data_received(ANSWER)

    without = calls(lambda: transaction(plain, server))
    assert other.connection.session is None
    assert calls(lambda: transaction(named, other)) <= without + 4


def test_rows_that_only_pass(stage: tuple[Client, Server]) -> None:
    """One call a row: its header, read as numbers."""
    client, server = stage
    rows = row(b"12345", b"a row as they come") * MANY

    def reading() -> None:
        client.session.data_received(SIMPLE)
        server.connection.data_received(DESCRIBED + rows + complete(b"SELECT") + READY)

    assert calls(reading) <= MANY + 65


def test_data_of_a_copy_that_only_passes(stage: tuple[Client, Server]) -> None:
    client, server = stage
    data = message(messages.COPY_DATA, b"1\ta row as they come\n") * MANY
    done = message(messages.COPY_DONE, b"")

    def copying() -> None:
        client.session.data_received(query(b"COPY t FROM STDIN"))
        server.connection.data_received(message(messages.COPY_IN_RESPONSE, b"\0\0\0"))
        client.session.data_received(data + done)
        server.connection.data_received(complete(b"COPY 1000") + READY)

    assert calls(copying) <= MANY + 106
    assert server.connection.session is None

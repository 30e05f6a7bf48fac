"""A database that answers a request, or the SSLRequest, with something else."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final

import pytest

from pinwatch.errors import TargetError
from pinwatch.wire import messages
from pinwatch.wire.messages import HEADER, INT32, SSL_REQUEST_CODE, message
from tests.harness import Endpoint, Postgres, Proxies
from tests.live.relay import Relay
from tests.wireclient import Reply, WireClient

TRIGGER: Final = b"SELECT 'lie'"
PROBE: Final = b"pg_listening_channels"
"""A name in each probe for hidden state."""
ROW: Final = message(messages.DATA_ROW, b"\0\1\0\0\0\1x")
LIES: Final = {
    "garbage": b"\xff" * 100,
    "an HTTP reply": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a length of 3": HEADER.pack(messages.DATA_ROW, 3),
    "a ParameterStatus without a value": message(messages.PARAMETER_STATUS, b"a"),
    "an empty ReadyForQuery": message(messages.READY_FOR_QUERY, b""),
    "a flood of rows": ROW * 100_000,
    "a flood of CopyInResponse": message(messages.COPY_IN_RESPONSE, b"\0\0\0") * 1_000,
    "a flood of ParseComplete": message(messages.PARSE_COMPLETE, b"") * 10_000,
}
SSL_REQUEST: Final = INT32.pack(8) + INT32.pack(SSL_REQUEST_CODE)
ANSWERS_TO_SSL_REQUEST: Final = {
    "nothing": b"",
    "garbage": b"\xff" * 100,
    "an HTTP reply": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an ErrorResponse": messages.error_response("FATAL", "0A000", "no"),
    "S and no TLS": b"S",
    "S and garbage": b"S" + b"\xff" * 100,
    "S and a login in clear text": b"S" + message(messages.AUTHENTICATION, bytes(4)),
    "N and garbage": b"N" + b"\xff" * 100,
    "N and a flood": b"N" + ROW * 100_000,
}
HALF_A_MESSAGE: Final = HEADER.pack(messages.DATA_ROW, 100)


class Liar(Relay):
    """A relay that answers trigger with the lie, and then disconnects.

    It lies the given number of times.
    """

    def __init__(
        self, server: str, lie: bytes, trigger: bytes = TRIGGER, times: int = 1_000
    ) -> None:
        self.lie = lie
        self.trigger = trigger
        self.times = times
        super().__init__(server)

    def answers(self, data: bytes, source: socket.socket, drain: socket.socket) -> bool:
        if not (self.times and self.trigger in data):
            return False
        self.times -= 1
        source.sendall(self.lie)
        return True


class Substitute(Liar):
    """A relay that sends a query in place of the trigger, and passes on its answer."""

    def answers(self, data: bytes, source: socket.socket, drain: socket.socket) -> bool:
        if not (self.times and self.trigger in data):
            return False
        self.times -= 1
        drain.sendall(messages.query(self.lie))
        while data := source.recv(65_536):
            drain.sendall(data)
        return True


@pytest.mark.parametrize("lie", LIES.values(), ids=list(LIES))
def test_the_client_gets_an_error_and_the_pool_recovers(
    postgres: Postgres, database: str, lie: bytes
) -> None:
    replies = lied_to(postgres, database, lie)
    assert [reply.errors[-1][:2] for reply in replies] == 2 * [("FATAL", "08006")]


def test_the_client_is_disconnected_in_the_middle_of_a_message(
    postgres: Postgres, database: str
) -> None:
    """It would take an error for the rest of the message."""
    replies = lied_to(postgres, database, HALF_A_MESSAGE)
    assert [reply.kinds for reply in replies] == ["", ""]


@pytest.mark.parametrize(
    "lie", ANSWERS_TO_SSL_REQUEST.values(), ids=list(ANSWERS_TO_SSL_REQUEST)
)
def test_the_pool_recovers_from_an_answer_to_ssl_request(
    postgres: Postgres, database: str, lie: bytes
) -> None:
    """The proxy opens a connection to another database than those at its start."""
    liar = Liar(postgres.server.host, lie, SSL_REQUEST, times=0)
    server = Endpoint("127.0.0.1", liar.port, "postgres", database)
    with ExitStack() as stack:
        running = Proxies(replace(postgres, server=server), database, stack)(1)
        liar.times = 3
        other = replace(running.endpoint(), database="postgres")
        with WireClient.login(other) as client:
            assert client.query("SELECT 'honest'").value == "honest"
    assert liar.times == 0
    liar.listening.close()


@pytest.mark.parametrize("lie", LIES.values(), ids=list(LIES))
def test_a_lie_as_the_answer_to_a_probe(
    postgres: Postgres, database: str, lie: bytes
) -> None:
    """The first probe is that of a new connection, the second follows a statement."""
    liar = Liar(postgres.server.host, lie, PROBE, times=1)
    with probing(liar, postgres, database) as probe:
        probe()
        liar.times = 1
        probe()
    assert liar.times == 0


@pytest.mark.parametrize("sql", [b"SELECT 'x'", b"SELECT", b"LISTEN a"])
def test_an_answer_to_a_probe_that_has_no_state(
    postgres: Postgres, database: str, sql: bytes
) -> None:
    liar = Substitute(postgres.server.host, sql, PROBE, times=1)
    with probing(liar, postgres, database) as probe:
        probe()
    assert liar.times == 0


def test_data_in_clear_text_is_not_taken_for_data_under_tls(
    postgres: Postgres, database: str
) -> None:
    lie = b"S" + message(messages.AUTHENTICATION, bytes(4))
    liar = Liar(postgres.server.host, lie, SSL_REQUEST)
    server = Endpoint("127.0.0.1", liar.port, "postgres", database)
    with (
        ExitStack() as stack,
        pytest.raises(TargetError, match="unencrypted data after the answer to TLS"),
    ):
        Proxies(replace(postgres, server=server), database, stack)(1)
    liar.listening.close()


@contextmanager
def probing(
    liar: Liar, postgres: Postgres, database: str
) -> Iterator[Callable[[], None]]:
    """Run a proxy that probes; yield a call for a statement that it probes after.

    At the end, the client is served.
    """
    server = Endpoint("127.0.0.1", liar.port, "postgres", database)
    with ExitStack() as stack:
        proxies = Proxies(replace(postgres, server=server), database, stack)
        running = proxies(1, hidden_state="report")
        client = stack.enter_context(WireClient.login(running.endpoint()))

        def probe() -> None:
            assert client.query("DO $$ BEGIN END $$").tags == ["DO"]
            running.run(running.proxy.probes_done())

        yield probe
        assert client.query("SELECT 'honest'").value == "honest"
    liar.listening.close()


def lied_to(postgres: Postgres, database: str, lie: bytes) -> list[Reply]:
    """Return what two clients get; after each, another one is served."""
    replies = []
    liar = Liar(postgres.server.host, lie)
    server = Endpoint("127.0.0.1", liar.port, "postgres", database)
    with ExitStack() as stack:
        running = Proxies(replace(postgres, server=server), database, stack)(1)
        for _ in range(2):
            with WireClient.login(running.endpoint()) as client:
                client.send(messages.query(TRIGGER))
                replies.append(client.rest())
            with WireClient.login(running.endpoint()) as client:
                assert client.query("SELECT 'honest'").value == "honest"
    liar.listening.close()
    return replies

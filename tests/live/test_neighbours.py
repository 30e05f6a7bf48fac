"""One client's actions do not affect the next client on the same connection."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pinwatch import events
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.targets import dial
from pinwatch.wire import messages
from pinwatch.wire.messages import message
from tests.harness import Postgres, eventually
from tests.live.clients import Clients, running
from tests.live.conftest import Serve
from tests.wireclient import (
    SYNC,
    TERMINATE,
    Reply,
    WireClient,
    bind,
    close_portal,
    copy_data,
    describe,
    execute,
    parse,
    query,
)

INSTANT = "SELECT extract(epoch FROM '2026-01-01 00:00'::timestamptz)::bigint"
DAY = "SELECT '01/02/2026'::date - '2026-01-01'::date"
LETTERS = "SELECT length('\u00e9\u00e9')"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ([{"TimeZone": "UTC"}, {"TimeZone": "Asia/Tokyo"}], INSTANT),
        ([{"DateStyle": "ISO, MDY"}, {"DateStyle": "ISO, DMY"}], DAY),
        ([{"client_encoding": "UTF8"}, {"client_encoding": "LATIN1"}], LETTERS),
    ],
    ids=["TimeZone", "DateStyle", "client_encoding"],
)
def test_the_same_text_is_parsed_by_each_client_s_settings(
    serve: Serve, settings: list[dict[str, str]], text: str
) -> None:
    """The server converts constants to values when it parses them."""
    clients = serve(1)
    one, other = [clients(**given) for given in settings]
    mine = [client.query(text).value for client in (one, other)]
    assert mine[0] != mine[1]
    for client in (one, other):
        assert client.ask(parse("s", text), SYNC).kinds == "1Z"
    for _ in range(2):
        assert [client.run("s").value for client in (one, other)] == mine


def test_a_parameter_is_read_in_no_other_client_s_encoding(serve: Serve) -> None:
    clients = serve(1)
    clients(client_encoding="LATIN1").query("SELECT 1")
    other = clients(search_path="sch\u00e9ma")
    assert other.query("SHOW search_path").value == "sch\u00e9ma"


@pytest.mark.parametrize(
    "wrong",
    [
        message(messages.FLUSH, b"x"),
        message(messages.SYNC, b"x"),
        message(messages.COPY_DONE, b"x"),
    ],
    ids=["Flush", "Sync", "CopyDone"],
)
def test_a_message_that_has_a_wrong_length(serve: Serve, wrong: bytes) -> None:
    """The server would skip later messages, or close the connection."""
    clients = serve(1)
    client, other = clients(), clients()
    client.send(query("SELECT 1"), wrong)
    assert client.rest().errors[-1][:2] == ("FATAL", "08P01")
    assert other.query("SELECT 'mine'").value == "mine"


def test_a_copy_fail_that_is_too_long_for_the_server(serve: Serve) -> None:
    clients = serve(1)
    client, other = clients(), clients()
    client.send(query("SELECT 1"), message(messages.COPY_FAIL, b"x" * 10_000))
    for _ in range(10):
        assert other.query("SELECT 'mine'").value == "mine"


def test_statements_lost_in_a_copy_are_prepared_again(
    serve: Serve, direct: psycopg.Connection[Any]
) -> None:
    """Some messages of such a pipeline have no reply."""
    direct.execute("CREATE TABLE item (id int, name text)")
    clients = serve(1)
    client, other = clients(), clients()
    assert other.ask(parse("own", "SELECT 42"), SYNC).kinds == "1Z"
    copying = query("COPY item FROM STDIN") + copy_data(b"bad\trow\n")
    client.send(copying, SYNC, parse("s1", "SELECT 42"), SYNC, query("SELECT 'end'"))
    while client.reply().rows != [("end",)]:
        pass
    for _ in range(2):
        assert other.run("own").value == "42"
    third = clients()
    third.ask(parse("new", "SELECT 42"), SYNC)
    assert third.run("new").value == "42"


@pytest.mark.parametrize(
    "flight",
    [
        query("DEALLOCATE ALL")
        + parse("", "SELECT 1")
        + bind("")
        + execute()
        + parse("s1", "SELECT 2")
        + bind("s1")
        + execute()
        + SYNC,
        describe("")
        + query("-- c")
        + parse("", "SELECT 1")
        + SYNC
        + close_portal()
        + bind("s2")
        + SYNC,
    ],
    ids=["after DEALLOCATE", "after a Query in a batch"],
)
def test_a_statement_name_waits_for_earlier_replies(
    serve: Serve, postgres: Postgres, database: str, flight: bytes
) -> None:
    answers = []
    for endpoint in postgres.endpoint(database), serve(1).proxy.endpoint():
        with WireClient.login(endpoint) as client:
            client.send(flight)
            answers.append([client.reply().kinds for _ in range(2)])
    assert answers[0] == answers[1]


def test_an_unnamed_statement_after_one_that_failed(serve: Serve) -> None:
    client = serve(1)()
    client.send(
        parse("", "SELECT * FROM nowhere") + SYNC,
        parse("s2", "SELECT 1") + parse("", "SELECT $1::int + 1") + SYNC,
        bind("", "41") + execute() + SYNC,
    )
    assert [client.reply().kinds for _ in range(2)] == ["EZ", "11Z"]
    assert client.reply().value == "42"


def test_requests_before_terminate_run(
    serve: Serve, direct: psycopg.Connection[Any]
) -> None:
    direct.execute("CREATE TABLE item (id int)")
    client = serve(1)()
    insert = "INSERT INTO item SELECT 1 FROM pg_sleep(0.5)"
    client.send(query("BEGIN") + query(insert) + query("COMMIT"), TERMINATE)
    client.vanish()

    def inserted() -> bool:
        return direct.execute("SELECT * FROM item").fetchall() == [(1,)]

    eventually(inserted)


def test_a_parse_with_as_many_types_as_there_can_be(serve: Serve) -> None:
    client = serve(1)()
    types = [0] * 65_535
    assert client.ask(parse("s", "SELECT 1", *types), SYNC).kinds in ("1Z", "EZ")
    assert client.query("SELECT 'well'").value == "well"


def test_a_terminated_connection_is_not_borrowed(
    serve: Serve, direct: psycopg.Connection[Any]
) -> None:
    """The next client gets another connection, or an error with the reason."""
    clients = serve(1)
    for _ in range(10):
        client = clients()
        pid = client.query("SELECT pg_backend_pid()").value
        direct.execute("SELECT pg_terminate_backend(%s)", [pid])
        client.send(query("SELECT 'next'"))
        first = Reply([client.receive()])
        if first.kinds == "T":
            assert client.reply().rows == [("next",)]
        else:
            assert first.errors[0][0] == "FATAL"


class TestCancelRequests:
    def test_a_cancel_request_counts_from_its_arrival(
        self, serve: Serve, direct: psycopg.Connection[Any]
    ) -> None:
        clients = serve(1, cancel="forward")
        client = clients()
        client.send(query("SELECT pg_sleep(60) AS counted"))
        eventually(lambda: running(direct, "SELECT pg_sleep(60) AS counted"))
        assert self.cancelled(clients) == 1
        assert client.reply().errors[0][1] == "57014"

    def test_its_connection_closes_after_the_server_has_acted(
        self, serve: Serve, postgres: Postgres, direct: psycopg.Connection[Any]
    ) -> None:
        """Any earlier, the request could cancel the client's next statement."""
        clients = serve(1, cancel="forward")
        client = clients.stranger()
        (key,) = [
            message.body
            for message in client.start().messages
            if message.kind == messages.BACKEND_KEY_DATA
        ]
        client.send(query("SELECT pg_sleep(60) AS acted"))
        eventually(lambda: running(direct, "SELECT pg_sleep(60) AS acted"))
        request = clients.stranger()
        with stopped(postgres):
            process, secret = messages.INT32.unpack_from(key)[0], key[4:]
            request.send(messages.cancel_request(process, secret))
            eventually(lambda: clients.proxy.happened(events.CancelRequested))
            request.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                request.receive()
        request.socket.settimeout(20)
        assert request.rest().kinds == ""
        assert client.reply().errors[0][1] == "57014"

    @staticmethod
    def cancelled(clients: Clients) -> int:
        async def cancel() -> int:
            (session,) = clients.proxy.proxy.sessions
            connection = session.connection
            assert isinstance(connection, DatabaseConnection)
            connection.cancel(lambda: None)
            return connection.cancelling

        return clients.proxy.run(cancel())

    def test_a_cancel_request_that_is_not_read_closes_the_connection(
        self, serve: Serve, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dial, "CANCEL_TIMEOUT", 0.1)
        clients = serve(1, cancel="forward")
        client = clients()
        client.send(query("SELECT pg_sleep(60)"))
        eventually(lambda: clients.proxy.proxy.pool.borrowed)
        with stopped(postgres):
            self.cancelled(clients)
            assert client.rest().errors[-1][:2] == ("FATAL", "08006")


@contextmanager
def stopped(postgres: Postgres) -> Iterator[None]:
    """Stop the server, so that it reads no request, as if it were slow to fork."""
    file = Path(postgres.server.host, "data", "postmaster.pid")
    process = int(file.read_text().splitlines()[0])
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)

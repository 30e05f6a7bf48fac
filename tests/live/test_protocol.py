"""Messages through the proxy, compared with the same bytes sent directly.

What comes back has to be the same to the byte, at whatever pace the client sends; then
the database connection is given back, with no reply left on it.
"""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, Final, NamedTuple

import psycopg
import pytest

from pinwatch import events
from pinwatch.wire import messages
from pinwatch.wire.messages import HEADER, INT32, MAX_MESSAGE, message
from tests.harness import Endpoint, Postgres, Proxies, RunningProxy, eventually
from tests.live.clients import Clients
from tests.live.conftest import Serve
from tests.wireclient import (
    COPY_DONE,
    FLUSH,
    SYNC,
    TERMINATE,
    Message,
    Reply,
    WireClient,
    bind,
    call,
    close,
    close_portal,
    copy_data,
    copy_fail,
    describe,
    describe_portal,
    execute,
    parse,
    query,
    startup,
)

MD5: Final = 2311  # md5(text), among pg_proc's fixed numbers
DIVIDE: Final = 154  # int4div(int4, int4)
COPY_IN: Final = query("COPY item FROM STDIN")
COPY_OUT: Final = query("COPY (SELECT * FROM generate_series(1, 3)) TO STDOUT")
ROWS: Final = copy_data(b"1\tone\n") + copy_data(b"2\ttwo\n")
BAD_ROW: Final = copy_data(b"one\t1\n")
END: Final = query("SELECT 'the end'")
FAILS: Final = "SELECT 1 / (random() * 0)::int"  # fails at Execute, not before

READY: Final = r"\x5a0000000549"  # a ReadyForQuery, as a value
NOTICE: Final = "DO $$ BEGIN RAISE NOTICE 'heed'; END $$"


class Step(NamedTuple):
    sent: bytes
    kinds: str
    """The types of the replies that the client reads before it continues."""


def run(sql: str, *values: str | None, limit: int = 0) -> bytes:
    """Return Parse, Bind and Execute of an unnamed statement."""
    return parse("", sql) + bind("", *values) + execute("", limit)


COPY_IN_EXTENDED: Final = run("COPY item FROM STDIN")

CASES: Final[dict[str, list[Step]]] = {
    # The simple protocol.
    "several statements in one Query": [
        Step(
            query(
                "SELECT 1; SELECT 'a', NULL; INSERT INTO item VALUES (1, 'x');"
                " SELECT name FROM item"
            ),
            "TDCTDCCTDCZ",
        )
    ],
    "the second of three statements fails": [
        Step(query("INSERT INTO item VALUES (1); SELECT 1 / 0; SELECT 2"), "CEZ")
    ],
    "a COMMIT between statements, the last one fails": [
        Step(
            query(
                "INSERT INTO item VALUES (1); COMMIT;"
                " INSERT INTO item VALUES (2); SELECT 1 / 0"
            ),
            "CNCCEZ",
        )
    ],
    "a BEGIN in the middle of a Query": [
        Step(query("SELECT 1; BEGIN; SELECT 2"), "TDCCTDCZ"),
        Step(query("SELECT 3; COMMIT; SELECT 4"), "TDCCTDCZ"),
    ],
    "empty queries": [
        Step(query(""), "IZ"),
        Step(query(" \n"), "IZ"),
        Step(query(";;"), "IZ"),
        Step(query("-- nothing"), "IZ"),
    ],
    "a syntax error": [Step(query("SELEKT 1"), "EZ")],
    "a transaction": [
        Step(query("BEGIN"), "CZ"),
        Step(query("INSERT INTO item VALUES (1)"), "CZ"),
        Step(query("COMMIT"), "CZ"),
    ],
    "a failed transaction": [
        Step(query("BEGIN"), "CZ"),
        Step(query("INSERT INTO item VALUES (1)"), "CZ"),
        Step(query("SELECT 1 / 0"), "EZ"),
        Step(query("SELECT 1"), "EZ"),
        Step(query("COMMIT"), "CZ"),
    ],
    "a savepoint": [
        Step(query("BEGIN; INSERT INTO item VALUES (1); SAVEPOINT s"), "CCCZ"),
        Step(query("INSERT INTO item VALUES (1)"), "EZ"),
        Step(query("ROLLBACK TO s; COMMIT"), "CCZ"),
    ],
    "pipelined queries": [
        Step(query("SELECT 1") + query("SELEKT") + query("SELECT 3"), "TDCZEZTDCZ")
    ],
    "a long statement": [Step(query(f"SELECT length('{'x' * 70_000}')"), "TDCZ")],
    "many rows": [
        Step(
            query("SELECT n, repeat('x', n) FROM generate_series(1, 900) AS n"),
            "T" + 900 * "D" + "CZ",
        )
    ],
    "a row of 1 MB": [Step(query("SELECT repeat('0123456789', 100000)"), "TDCZ")],
    "rows that hold a ReadyForQuery": [
        Step(query("BEGIN"), "CZ"),
        Step(
            query(
                f"DECLARE c BINARY CURSOR FOR SELECT '{READY}'::bytea"
                " FROM generate_series(1, 500)"
            ),
            "CZ",
        ),
        Step(query("FETCH ALL FROM c"), "T" + 500 * "D" + "CZ"),
        Step(query("ROLLBACK"), "CZ"),
    ],
    # Messages of the server between replies.
    "NoticeResponse": [
        Step(query(f"SELECT 1; {NOTICE}; SELECT 2"), "TDCNCTDCZ"),
        Step(run(NOTICE) + SYNC, "12NCZ"),
        Step(query("COMMIT"), "NCZ"),
    ],
    "ParameterStatus": [
        Step(query("SET TimeZone TO 'Asia/Tokyo'"), "CSZ"),
        Step(query("BEGIN; SET LOCAL DateStyle TO 'SQL, DMY'"), "CCSZ"),
        Step(query("SELECT date '2026-02-03', now() IS NULL"), "TDCZ"),
        Step(query("ROLLBACK"), "CSZ"),
    ],
    "ParameterStatus in a pipeline": [
        Step(
            run("SELECT 1")
            + run("SET application_name TO 'one'")
            + SYNC
            + query("SET application_name TO 'two'; SELECT 2")
            + run("RESET application_name")
            + run("SELECT 3")
            + SYNC,
            "12DC12CSZCTDCSZ12C12DCSZ",
        )
    ],
    "NotificationResponse": [
        Step(query("LISTEN heed"), "CZ"),
        Step(query("NOTIFY heed, 'one'"), "CAZ"),
        Step(query("BEGIN; NOTIFY heed, 'two'; NOTIFY heed, 'three'"), "CCCZ"),
        Step(query("SELECT 1"), "TDCZ"),
        Step(query("COMMIT"), "CAAZ"),
        Step(run("NOTIFY heed, 'four'") + SYNC, "12CAZ"),
        Step(query("UNLISTEN heed"), "CZ"),
        Step(query("NOTIFY heed, 'five'"), "CZ"),
    ],
    # The extended protocol.
    "the unnamed statement": [
        Step(
            parse("", "SELECT $1::int + 1 AS n, $2::text", 23)
            + describe("")
            + bind("", "41", None)
            + describe_portal()
            + execute()
            + SYNC,
            "1tT2TDCZ",
        )
    ],
    "a named statement": [
        Step(parse("s", "SELECT $1::int * 2") + SYNC, "1Z"),
        Step(describe("s") + SYNC, "tTZ"),
        Step(2 * (bind("s", "4") + execute()) + SYNC, "2DC2DCZ"),
        Step(close("s") + SYNC, "3Z"),
        Step(bind("s", "4") + execute() + SYNC, "EZ"),
    ],
    "a statement without rows": [
        Step(
            parse("", "INSERT INTO item VALUES ($1, $2)")
            + describe("")
            + bind("", "1", "x")
            + describe_portal()
            + execute()
            + SYNC,
            "1tn2nCZ",
        )
    ],
    "an empty statement": [Step(run("") + describe_portal() + SYNC, "12InZ")],
    "portals with row limits": [
        Step(query("BEGIN"), "CZ"),
        Step(
            parse("", "SELECT * FROM generate_series(1, 5)")
            + bind("", portal="p")
            + bind("", portal="q")
            + execute("p", 2)
            + execute("q", 3)
            + SYNC,
            "122DDsDDDsZ",
        ),
        Step(execute("p", 2) + describe_portal("p") + SYNC, "DDsTZ"),
        Step(execute("q", 2) + SYNC, "DDsZ"),
        Step(execute("q") + execute("p") + execute("p") + SYNC, "CDCCZ"),
        Step(close_portal("p") + execute("q") + SYNC, "3CZ"),
        Step(query("COMMIT"), "CZ"),
        Step(execute("q") + SYNC, "EZ"),
    ],
    "a portal of one batch ends with it": [
        Step(
            parse("", "SELECT * FROM generate_series(1, 3)")
            + bind("", portal="p")
            + execute("p", 1)
            + execute("p", 1)
            + SYNC,
            "12DsDsZ",
        ),
        Step(execute("p", 1) + SYNC, "EZ"),
    ],
    "Flush": [
        Step(parse("", "SELECT $1::int") + FLUSH, "1"),
        Step(describe("") + FLUSH, "tT"),
        Step(bind("", "1") + FLUSH, "2"),
        Step(execute() + FLUSH, "DC"),
        Step(FLUSH + SYNC, "Z"),
        Step(FLUSH + query("SELECT 1") + FLUSH, "TDCZ"),
    ],
    "an error that Flush brings": [
        Step(run("SELECT 1") + FLUSH, "12DC"),
        Step(run(FAILS) + FLUSH, "12E"),
        Step(FLUSH + run("SELECT 2") + FLUSH + SYNC, "Z"),
    ],
    "a Sync alone": [Step(SYNC, "Z"), Step(SYNC + SYNC, "ZZ")],
    "several Syncs in flight": [
        Step(b"".join(run(f"SELECT {n}") + SYNC for n in range(9)), 9 * "12DCZ")
    ],
    "several Syncs in flight, one batch fails": [
        Step(
            (run("INSERT INTO item VALUES (1)") + run("SELECT 1") + SYNC)
            + (run("INSERT INTO item VALUES (2)") + run(FAILS) + run("SELECT"))
            + (SYNC + SYNC + run("SELECT 3") + SYNC),
            "12C12DCZ12C12EZZ12DCZ",
        )
    ],
    "pipelined transactions": [
        Step(
            run("BEGIN")
            + run("INSERT INTO item VALUES (1)")
            + SYNC
            + run(FAILS)
            + SYNC
            + run("SELECT 1")
            + SYNC
            + run("ROLLBACK")
            + SYNC
            + run("INSERT INTO item VALUES (2)")
            + SYNC,
            "12C12CZ12EZEZ12CZ12CZ",
        )
    ],
    "an error skips to Sync": [
        Step(
            run(FAILS)
            + run("INSERT INTO item VALUES (1)")
            + parse("s", "SELECT 1")
            + close("s")
            + query("INSERT INTO item VALUES (2)")
            + call(MD5, "skipped")
            + COPY_DONE
            + SYNC,
            "12EZ",
        ),
        Step(bind("s") + SYNC, "EZ"),
    ],
    "an error skips to a Sync that comes later": [
        Step(parse("", "SELEKT") + FLUSH, "E"),
        Step(query("SELECT 1") + call(MD5, "skipped") + FLUSH, ""),
        Step(SYNC, "Z"),
    ],
    "a Query in an open batch": [
        Step(run("SELECT 1") + query("SELECT 2"), "12DCTDCZ"),
        Step(run("SELECT 3") + SYNC, "12DCZ"),
    ],
    "a Query that fails in an open batch": [
        Step(run("INSERT INTO item VALUES (1)") + query("SELECT 1 / 0"), "12CEZ"),
        Step(SYNC, "Z"),
    ],
    # FunctionCall.
    "FunctionCall": [
        Step(call(MD5, "heed"), "VZ"),
        Step(call(MD5, None), "VZ"),
        Step(call(DIVIDE, "1", "0"), "EZ"),
        Step(call(0), "EZ"),
        Step(call(MD5, "a") + call(DIVIDE, "x") + call(DIVIDE, "7", "2"), "VZEZVZ"),
    ],
    "FunctionCall in a transaction": [
        Step(query("BEGIN"), "CZ"),
        Step(call(DIVIDE, "6", "2"), "VZ"),
        Step(call(DIVIDE, "1", "0"), "EZ"),
        Step(call(DIVIDE, "6", "2"), "EZ"),
        Step(query("ROLLBACK"), "CZ"),
    ],
    "FunctionCall in an open batch": [
        Step(run("SELECT 1") + call(MD5, "heed"), "12DCVZ"),
        Step(run("SELECT 2") + SYNC, "12DCZ"),
    ],
    # COPY out.
    "COPY out": [
        Step(COPY_OUT, "HdddcCZ"),
        Step(run("COPY (SELECT 1) TO STDOUT") + SYNC, "12HdcCZ"),
    ],
    "COPY out of two statements": [
        Step(
            query("COPY (SELECT 1) TO STDOUT; SELECT 2; COPY (SELECT 3) TO STDOUT"),
            "HdcCTDCHdcCZ",
        )
    ],
    "COPY out that fails": [
        Step(
            query("COPY (SELECT 1 / (2 - n) FROM generate_series(1, 3) n) TO STDOUT"),
            "HdEZ",
        ),
        Step(
            run("COPY (SELECT 1 / (2 - n) FROM generate_series(1, 3) n) TO STDOUT")
            + run("SELECT 1")
            + SYNC,
            "12HdEZ",
        ),
    ],
    "COPY out of ReadyForQuery": [
        Step(
            query(
                f"COPY (SELECT '{READY}'::bytea FROM generate_series(1, 500)) TO STDOUT"
                " (FORMAT binary)"
            ),
            "H" + 501 * "d" + "cCZ",
        )
    ],
    # COPY in.
    "COPY in": [Step(COPY_IN, "G"), Step(ROWS, ""), Step(COPY_DONE, "CZ")],
    "COPY in of nothing": [Step(COPY_IN, "G"), Step(COPY_DONE, "CZ")],
    "COPY in that the client fails": [
        Step(COPY_IN, "G"),
        Step(ROWS + copy_fail("no more"), "EZ"),
    ],
    "COPY in that the server fails": [
        Step(COPY_IN, "G"),
        Step(ROWS + BAD_ROW + ROWS + COPY_DONE, "EZ"),
    ],
    "COPY in that never begins": [
        Step(query("COPY nowhere FROM STDIN"), "EZ"),
        Step(ROWS + COPY_DONE, ""),
        Step(query("COPY nowhere FROM STDIN") + ROWS + copy_fail("no"), "EZ"),
    ],
    "COPY in, with Sync and Flush": [
        Step(COPY_IN, "G"),
        Step(copy_data(b"1\tone\n") + SYNC + FLUSH, ""),
        Step(copy_data(b"2\ttwo\n") + SYNC + SYNC + COPY_DONE, "CZ"),
    ],
    "COPY in, with a Sync before it fails": [
        Step(COPY_IN, "G"),
        Step(SYNC + copy_fail("no more"), "EZ"),
    ],
    "COPY in, with a Sync before the server fails it": [
        Step(COPY_IN, "G"),
        Step(ROWS + SYNC + BAD_ROW + ROWS + COPY_DONE, "EZ"),
    ],
    "COPY in among statements": [
        Step(query("SELECT 1; COPY item FROM STDIN; SELECT 2"), "TDCG"),
        Step(ROWS + COPY_DONE, "CTDCZ"),
    ],
    "two COPY in": [
        Step(query("COPY item FROM STDIN; COPY item FROM STDIN"), "G"),
        Step(copy_data(b"1\n2\tb\n") + COPY_DONE, "EZ"),
        Step(query("COPY item FROM STDIN; COPY item FROM STDIN"), "G"),
        Step(copy_data(b"1\ta\n") + COPY_DONE, "CG"),
        Step(copy_data(b"2\tb\n") + COPY_DONE, "CZ"),
    ],
    "COPY in by the extended protocol": [
        Step(COPY_IN_EXTENDED + FLUSH, "12G"),
        Step(ROWS, ""),
        Step(COPY_DONE + SYNC, "CZ"),
    ],
    "COPY in by the extended protocol, all at once": [
        Step(
            run("SELECT 1")
            + COPY_IN_EXTENDED
            + ROWS
            + COPY_DONE
            + run("SELECT 2")
            + SYNC
            + run("SELECT 3")
            + SYNC,
            "12DC12GC12DCZ12DCZ",
        )
    ],
    "COPY in by the extended protocol, with its Sync too early": [
        Step(COPY_IN_EXTENDED + SYNC, "12G"),
        Step(ROWS + COPY_DONE + FLUSH, "C"),
        Step(SYNC, "Z"),
    ],
    "COPY in by the extended protocol that the client fails": [
        Step(COPY_IN_EXTENDED + FLUSH, "12G"),
        Step(ROWS + copy_fail("no more") + run("SELECT 1"), "E"),
        Step(SYNC, "Z"),
    ],
    "COPY in by the extended protocol that the server fails": [
        Step(COPY_IN_EXTENDED + FLUSH, "12G"),
        Step(BAD_ROW + ROWS + COPY_DONE + run("SELECT 1") + SYNC, "EZ"),
    ],
    "COPY in by the extended protocol that never begins": [
        Step(run("COPY nowhere FROM STDIN") + ROWS + COPY_DONE + SYNC, "12EZ"),
        Step(run("COPY nowhere FROM STDIN") + SYNC + ROWS + COPY_DONE + SYNC, "12EZZ"),
    ],
    "COPY in a transaction": [
        Step(query("BEGIN") + COPY_IN, "CZG"),
        Step(ROWS + COPY_DONE, "CZ"),
        Step(query("COPY item FROM STDIN"), "G"),
        Step(copy_fail("no more"), "EZ"),
        Step(query("ROLLBACK"), "CZ"),
    ],
    "COPY in of 1 MB": [
        Step(COPY_IN, "G"),
        Step(copy_data(b"1\t" + b"x" * 1_000_000 + b"\n") + COPY_DONE, "CZ"),
    ],
    "CopyDone, CopyFail and CopyData early": [
        Step(COPY_DONE + query("SELECT 1"), "TDCZ"),
        Step(ROWS + copy_fail("no") + COPY_DONE + SYNC, "Z"),
        Step(run("SELECT 1") + COPY_DONE + run("SELECT 2") + ROWS + SYNC, "12DC12DCZ"),
        Step(query("BEGIN"), "CZ"),
        Step(COPY_DONE + copy_fail("no") + query("COMMIT") + COPY_DONE, "CZ"),
    ],
    "CopyDone before another COPY": [
        Step(query("SELECT 1") + COPY_DONE + COPY_IN + ROWS + COPY_DONE, "TDCZGCZ")
    ],
}
EMPTIED: Final = Step(query("TRUNCATE item"), "CZ")
PINNING: Final = {
    "a long statement",
    "rows that hold a ReadyForQuery",
    "ParameterStatus",
    "ParameterStatus in a pipeline",
    "NotificationResponse",
}
GUESSED: Final = {"a Query that fails in an open batch"}
"""After such a Query, and until all replies have arrived, the count may be one
ReadyForQuery short: the server does not report whether the Query failed or was skipped.
Other clients are not affected, but names that the client prepares in the same pipeline
may be wrong."""
PACES: Final = ("step by step", "all at once", "in pieces")


def converse(client: WireClient, steps: list[Step], pace: str) -> list[Message]:
    """Send the steps; return the replies, without those to END."""
    if pace == "step by step":
        received = []
        for step in steps:
            client.send(step.sent)
            received += [client.receive() for _ in step.kinds]
    else:
        sent = b"".join(step.sent for step in steps)
        send_in_pieces(client, sent, len(sent) if pace == "all at once" else 3)
        received = [client.receive() for step in steps for _ in step.kinds]
    assert client.ask(END).rows == [("the end",)]
    return [without_process(message) for message in received]


def send_in_pieces(client: WireClient, sent: bytes, size: int) -> None:
    """Send pieces of size bytes; the middle of a long text is sent at once."""
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    many = 600
    head, middle, tail = sent[:many], sent[many:-many], sent[many:][-many:]
    for part, step in ((head, size), (middle, len(middle) or 1), (tail, size)):
        for at in range(0, len(part), step):
            client.send(part[at : at + step])


def without_process(message: Message) -> Message:
    """Return the message without the process ID of a NotificationResponse."""
    if message.kind == messages.NOTIFICATION_RESPONSE:
        return Message(message.kind, message.body[4:])
    return message


class Both:
    """A server, and a proxy with one connection to it."""

    def __init__(
        self, direct: Endpoint, proxy: RunningProxy, monitor: psycopg.Connection[Any]
    ) -> None:
        self.direct = direct
        self.proxy = proxy
        self.monitor = monitor

    def items(self) -> list[Any]:
        """Return the rows of the table, and empty it."""
        rows = self.monitor.execute("SELECT * FROM item ORDER BY id").fetchall()
        self.monitor.execute("TRUNCATE item")
        return rows


@pytest.fixture(scope="module")
def both(postgres: Postgres) -> Iterator[Both]:
    with (
        postgres.new_database() as database,
        closing(postgres.connect(database)) as monitor,
        ExitStack() as stack,
    ):
        monitor.execute("CREATE TABLE item (id int PRIMARY KEY, name text)")
        proxies = Proxies(postgres, database, stack)
        proxy = proxies(1, connection_pool={"connection_borrow_timeout": 5})
        yield Both(postgres.endpoint(database), proxy, monitor)


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("case", CASES)
def test_replies_are_the_same_as_without_a_proxy(
    both: Both, case: str, pace: str
) -> None:
    steps = CASES[case]
    with WireClient.login(both.direct) as client:
        expected = converse(client, steps, "step by step")
    items = both.items()
    assert Reply(expected).kinds == "".join(step.kinds for step in steps)
    pins = len(both.proxy.happened(events.SessionPinned))
    with (
        WireClient.login(both.proxy.endpoint()) as bystander,
        WireClient.login(both.proxy.endpoint()) as client,
    ):
        assert converse(client, steps, pace) == expected
        pins = len(both.proxy.happened(events.SessionPinned)) - pins
        assert bool(pins) is (case in PINNING)
        if pins:
            client.leave()
        assert bystander.query("SELECT 'mine'").rows == [("mine",)]
    assert both.items() == items


@pytest.mark.parametrize("seed", range(6))
def test_conversations_one_after_another(both: Both, seed: int) -> None:
    """All conversations are one stream, cut at random places."""
    chance = random.Random(seed)
    names = chance.sample(sorted(CASES.keys() - PINNING - GUESSED), 30)
    steps = [step for name in names for step in (*CASES[name], EMPTIED)]
    with WireClient.login(both.direct) as client:
        expected = converse(client, steps, "step by step")
    items = both.items()
    sent = b"".join(step.sent for step in steps)
    cuts = sorted(chance.sample(range(len(sent)), 60))
    with (
        WireClient.login(both.proxy.endpoint()) as bystander,
        WireClient.login(both.proxy.endpoint()) as client,
    ):
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            client.send(sent[start:end])
        received = [client.receive() for _ in expected]
        assert [without_process(message) for message in received] == expected
        reply = bystander.query("SELECT 'mine'")
        assert reply.errors == []
        assert reply.rows == [("mine",)]
    assert both.items() == items


def test_a_query_in_the_middle_of_copy_in(both: Both) -> None:
    """PostgreSQL loses synchronization and ends the connection of this client only."""
    endings = []
    for endpoint in (both.direct, both.proxy.endpoint()):
        with WireClient.login(endpoint) as client:
            assert client.ask(query("SELECT 1")).kinds == "TDCZ"
            client.send(COPY_IN)
            assert client.receive().kind == messages.COPY_IN_RESPONSE
            client.send(query("SELECT 2"))
            endings.append(client.rest())
    assert endings[0] == endings[1]
    assert endings[0].kinds == "EE"
    assert endings[0].errors[1][0] == "FATAL"
    with WireClient.login(both.proxy.endpoint()) as bystander:
        assert bystander.query("SELECT 'mine'").rows == [("mine",)]


def test_a_bind_in_the_middle_of_copy_in(both: Both) -> None:
    """PostgreSQL ends the connection, also if a Query dropped the unnamed statement."""
    for endpoint in (both.direct, both.proxy.endpoint()):
        with WireClient.login(endpoint) as client:
            client.send(parse("", "SELECT 1"), COPY_IN, bind(""), SYNC)
            assert client.rest().kinds == "1GEE"


@pytest.mark.parametrize("second", [query("SELECT 2"), call(MD5, "heed")])
def test_a_batch_ended_by_a_query_does_not_affect_other_clients(
    both: Both, second: bytes
) -> None:
    with (
        WireClient.login(both.proxy.endpoint()) as client,
        WireClient.login(both.proxy.endpoint()) as bystander,
    ):
        assert client.ask(run("SELECT 1"), second).status == "T"
        assert client.ask(SYNC).status == "I"
        assert bystander.query("SELECT 'mine'").rows == [("mine",)]


# Several clients.


def conversation(label: str) -> list[Step]:
    """Return steps of all kinds whose replies contain the client's label."""
    row = copy_data(f"{ord(label)}\t{label}\n".encode())
    own = f"'{label}'"
    return [
        Step(query(f"SELECT {own}, 1"), "TDCZ"),
        Step(run(f"SELECT {own}, 2") + SYNC, "12DCZ"),
        Step(query("BEGIN"), "CZ"),
        Step(COPY_IN + row + COPY_DONE, "GCZ"),
        Step(query(f"SELECT name, 3 FROM item WHERE name = {own}"), "TDCZ"),
        Step(parse("s", f"SELECT {own}, $1::int") + SYNC, "1Z"),
        Step(bind("s", "4") + execute() + FLUSH + SYNC, "2DCZ"),
        Step(run(f"SELECT {own}::int") + run("SELECT 'skipped'") + SYNC, "EZ"),
        Step(query("SELECT 'refused'"), "EZ"),
        Step(query("ROLLBACK"), "CZ"),
        *(Step(bind("s", str(n)) + execute() + SYNC, "2DCZ") for n in range(5, 9)),
        Step(close("s") + SYNC, "3Z"),
        Step(COPY_IN_EXTENDED + row + copy_fail(label) + SYNC, "12GEZ"),
        Step(query(f"COPY (SELECT {own}, 9) TO STDOUT"), "HdcCZ"),
        Step(call(MD5, label), "VZ"),
        Step(query(f"SELECT '{label}' || repeat('x', 100000)"), "TDCZ"),
        Step(query(f"DO $$ BEGIN RAISE NOTICE {own}; END $$"), "NCZ"),
        Step(query(f"SELECT {own}, 10; SELECT {own}, 1 / 0"), "TDCEZ"),
    ]


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_clients_take_turns_at_every_byte(
    serve: Serve, direct: psycopg.Connection[Any], seed: int, pool: int
) -> None:
    """Each client receives all of its own replies and no others."""
    direct.execute("CREATE TABLE item (id int PRIMARY KEY, name text)")
    clients = serve(pool)
    chance = random.Random(seed)
    talks = {label: conversation(label) for label in "abcd"}
    everyone = {label: clients() for label in talks}
    unsent = {label: b"".join(s.sent for s in steps) for label, steps in talks.items()}
    while any(unsent.values()):
        label = chance.choice([label for label, data in unsent.items() if data])
        size = chance.choice([1, 7, 40, 400])
        everyone[label].send(unsent[label][:size])
        unsent[label] = unsent[label][size:]
    server = clients.proxy.postgres.endpoint(clients.proxy.database)
    for label, steps in talks.items():
        received = [everyone[label].receive() for step in steps for _ in step.kinds]
        with WireClient.login(server) as client:
            assert converse(client, steps, "step by step") == received
        assert everyone[label].ask(END).rows == [("the end",)]


def test_only_the_listener_receives_notifications(
    serve: Serve, direct: psycopg.Connection[Any], database: str, postgres: Postgres
) -> None:
    """LISTEN pins, so that later notifications reach the same client."""
    clients = serve(2)
    listener, bystander = clients(), clients()
    assert listener.query("LISTEN heed").kinds == "CZ"
    with WireClient.login(postgres.endpoint(database)) as witness:
        witness.query("LISTEN heed")
        direct.execute("NOTIFY heed, 'one'")
        for client in (listener, witness):
            received = client.receive()
            assert received.kind == messages.NOTIFICATION_RESPONSE
            assert INT32.unpack(received.body[:4]) == (direct.info.backend_pid,)
            assert received.body[4:] == b"heed\0one\0"
    assert bystander.query("NOTIFY heed, 'two'").kinds == "CZ"
    assert listener.receive().body[4:] == b"heed\0two\0"
    assert listener.query("BEGIN").kinds == "CZ"
    direct.execute("NOTIFY heed, 'three'")
    assert listener.query("SELECT 1").kinds == "TDCZ"
    assert listener.query("COMMIT").kinds == "CAZ"
    assert bystander.query("SELECT 1").kinds == "TDCZ"
    listener.leave()
    assert eventually(lambda: clients.proxy.happened(events.DatabaseReset))
    newcomers = clients(), clients()
    for newcomer in newcomers:
        assert newcomer.query("BEGIN").kinds == "CZ"
    direct.execute("NOTIFY heed, 'four'")
    for newcomer in newcomers:
        assert newcomer.query("COMMIT").kinds == "CZ"


# Protocol violations.

GIGABYTE: Final = MAX_MESSAGE + 1


class Malformed(NamedTuple):
    sent: bytes
    text: str
    """The text of the FATAL error that the client receives."""


MALFORMED: Final = {
    "length 3": Malformed(HEADER.pack(ord("Q"), 3), "invalid message length 3"),
    "length 0": Malformed(HEADER.pack(ord("S"), 0), "invalid message length 0"),
    "length 0 of a Bind": Malformed(
        HEADER.pack(ord("B"), 0), "invalid message length 0"
    ),
    "1 GB": Malformed(
        HEADER.pack(ord("d"), GIGABYTE), "invalid message length 1073741824"
    ),
    "1 GB of a Query": Malformed(
        HEADER.pack(ord("Q"), GIGABYTE), "invalid message length 1073741824"
    ),
    "length -1": Malformed(
        HEADER.pack(ord("P"), 0xFFFFFFFF), "invalid message length 4294967295"
    ),
    "unknown type": Malformed(
        message(ord("y"), b""), "invalid frontend message type 121"
    ),
    "type 0": Malformed(bytes(5), "invalid frontend message type 0"),
    "a password": Malformed(
        messages.password(b"late"), "invalid frontend message type 112"
    ),
    "a startup packet": Malformed(
        startup({"user": "postgres"}), "invalid frontend message type 0"
    ),
    "an HTTP request": Malformed(
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "invalid frontend message type 71"
    ),
    "a Bind without strings": Malformed(
        message(messages.BIND, b"no end"), "invalid string in message"
    ),
}


@pytest.mark.parametrize(
    "case", [name for name, case in MALFORMED.items() if "message type" in case.text]
)
def test_postgresql_names_an_unknown_type_as_pinwatch_does(
    postgres: Postgres, database: str, case: str
) -> None:
    sent, text = MALFORMED[case]
    with WireClient.login(postgres.endpoint(database)) as client:
        client.send(sent)
        assert client.rest().errors == [("FATAL", "08P01", text)]


@pytest.mark.parametrize("while_", ["idle", "in a transaction", "pinned"])
@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_message(serve: Serve, case: str, while_: str) -> None:
    """The sender receives one FATAL with the reason, and only it is closed."""
    sent, text = MALFORMED[case]
    clients = serve(2)
    client, bystander, other = clients(), clients(), clients()
    bystander.query("BEGIN; CREATE TEMP TABLE mine ()")
    match while_:
        case "in a transaction":
            client.query("BEGIN; CREATE TABLE lost ()")
        case "pinned":
            client.query("LISTEN heed")
    client.send(sent)
    check_refused(client, clients, text)
    assert bystander.query("SELECT * FROM mine").status == "T"
    assert bystander.query("COMMIT").tags == ["COMMIT"]
    assert other.query("SELECT to_regclass('lost')").rows == [(None,)]


def test_malformed_message_of_a_client_that_waits(serve: Serve) -> None:
    """The message is read after the client's turn has come."""
    clients = serve(1)
    client, holder = clients(), clients()
    holder.query("BEGIN")
    client.send(query("SELECT 'its turn'"))
    eventually(lambda: clients.proxy.waiting)
    client.send(HEADER.pack(ord("Q"), 3))
    assert holder.query("COMMIT").tags == ["COMMIT"]
    assert client.reply().value == "its turn"
    check_refused(client, clients, "invalid message length 3")


def check_refused(client: WireClient, clients: Clients, text: str) -> None:
    """Check that the client receives this FATAL only, and is closed."""
    error = ("FATAL", "08P01", text)
    reply = client.rest()
    assert (reply.kinds, reply.errors) == ("E", [error])
    proxy = clients.proxy
    (refused,) = eventually(lambda: proxy.happened(events.ClientRefused))
    assert isinstance(refused, events.ClientRefused)
    assert ("FATAL", refused.sqlstate, refused.text) == error


def check_closed_silently(client: WireClient, clients: Clients, text: str) -> None:
    """Check that the connection closes without a reply, and the log has the reason."""
    assert client.rest().kinds == ""
    (refused,) = eventually(lambda: clients.proxy.happened(events.ClientRefused))
    assert isinstance(refused, events.ClientRefused)
    assert (refused.sqlstate, refused.text) == ("08P01", text)


def test_malformed_message_after_requests(serve: Serve) -> None:
    """Replies to earlier requests still arrive."""
    clients = serve(1)
    client, bystander = clients(), clients()
    assert client.query("SELECT 1").value == "1"
    client.send(query("SELECT pg_sleep(0), 'first'"))
    assert client.reply().kinds == "TDCZ"
    client.send(parse("s", "SELECT 1") + FLUSH)
    assert client.receive().kind == messages.PARSE_COMPLETE
    client.send(HEADER.pack(ord("E"), 1))
    check_refused(client, clients, "invalid message length 1")
    for _ in range(2):
        assert bystander.query("SELECT 'mine'").rows == [("mine",)]


PACKET: Final = startup({"user": "postgres", "database": "postgres"})
NOT_STARTUPS: Final = {
    "a Terminate": Malformed(TERMINATE, "invalid length of startup packet: 1476395008"),
    "a short CancelRequest": Malformed(
        INT32.pack(12) + INT32.pack(messages.CANCEL_REQUEST_CODE) + INT32.pack(1),
        "invalid length of cancel request packet",
    ),
    "too short": Malformed(INT32.pack(7), "invalid length of startup packet: 7"),
    "of no length": Malformed(INT32.pack(0), "invalid length of startup packet: 0"),
    "too long": Malformed(
        INT32.pack(10_001), "invalid length of startup packet: 10001"
    ),
    "an HTTP request": Malformed(
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "received an HTTP request where a startup packet was expected",
    ),
    "an HTTP POST": Malformed(
        b"POST /api HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "received an HTTP request where a startup packet was expected",
    ),
}
"""First bytes that PostgreSQL logs and does not answer."""
MALFORMED_STARTUPS: Final = {
    "without an end": Malformed(
        INT32.pack(len(PACKET) - 1) + PACKET[4:-2] + b"x",
        "invalid startup packet layout: expected terminator as last byte",
    ),
    "without a value": Malformed(
        INT32.pack(14) + INT32.pack(messages.PROTOCOL_3_0) + b"user\0\0",
        "invalid startup packet layout: expected terminator as last byte",
    ),
}


@pytest.mark.parametrize("case", NOT_STARTUPS)
def test_bytes_in_place_of_a_startup_packet_get_no_answer(
    serve: Serve, case: str
) -> None:
    """node-postgres crashes at a reply to its ``connect(); end()``."""
    sent, text = NOT_STARTUPS[case]
    clients = serve(1)
    stranger = clients.stranger()
    stranger.send(sent)
    check_closed_silently(stranger, clients, text)


@pytest.mark.parametrize("case", MALFORMED_STARTUPS)
def test_malformed_startup(serve: Serve, case: str) -> None:
    sent, text = MALFORMED_STARTUPS[case]
    clients = serve(1)
    bystander = clients()
    bystander.query("BEGIN")
    stranger = clients.stranger()
    stranger.send(sent)
    check_refused(stranger, clients, text)
    assert bystander.query("COMMIT").status == "I"


@pytest.mark.parametrize("size", [1, 4, 8, len(PACKET) - 1])
def test_truncated_startup(serve: Serve, size: int) -> None:
    """The client closes its sending side."""
    clients = serve(1)
    bystander = clients()
    bystander.query("BEGIN")
    stranger = clients.stranger()
    stranger.send(PACKET[:size])
    stranger.socket.shutdown(socket.SHUT_WR)
    check_closed_silently(stranger, clients, "incomplete startup packet")
    assert bystander.query("COMMIT").status == "I"

"""Names of prepared statements behave as on a direct connection."""

from collections.abc import Callable
from typing import Final

import pytest

from pinwatch.wire import messages
from tests.harness import Postgres
from tests.live.conftest import Serve
from tests.live.swapped import ECHO, UNKNOWN, Swapped, values
from tests.wireclient import (
    SYNC,
    Reply,
    WireClient,
    bind,
    close,
    describe,
    describe_portal,
    execute,
    parse,
    query,
)

LONG: Final = "SELECT '" + "x" * 17_000 + "'"


def raw_parse(name: bytes, sql: bytes = b"SELECT 1") -> bytes:
    return messages.parse(name, sql + b"\0\0\0")


def run(name: str, portal: str = "") -> bytes:
    return bind(name, portal=portal) + describe_portal(portal) + execute(portal)


SCRIPTS: Final[dict[str, list[bytes]]] = {
    "PREPARE, then Parse": [
        query("PREPARE x AS SELECT 43"),
        parse("x", "SELECT 42") + SYNC,
        run("x") + SYNC,
        query("EXECUTE x"),
        query("DEALLOCATE x"),
        run("x") + SYNC,
        query("EXECUTE x"),
    ],
    "Parse, then PREPARE": [
        parse("x", "SELECT 42") + SYNC,
        query("PREPARE x AS SELECT 43"),
        query("EXECUTE x"),
        run("x") + SYNC,
        close("x") + SYNC,
        query("PREPARE x AS SELECT 43"),
        run("x") + SYNC,
    ],
    "PREPARE by the protocol, then Parse": [
        parse("", "PREPARE x AS SELECT 43") + run("") + SYNC,
        parse("x", "SELECT 42") + SYNC,
        run("x") + SYNC,
    ],
    "long statements of one name": [
        parse("x", LONG) + SYNC,
        parse("x", LONG) + SYNC,
        parse("x", "SELECT 42") + SYNC,
        bind("x") + SYNC,
        close("x") + SYNC,
        parse("x", "SELECT 42") + SYNC,
        run("x") + SYNC,
    ],
    "a long statement of a name in use": [
        parse("x", "SELECT 42") + SYNC,
        parse("x", LONG) + SYNC,
        run("x") + SYNC,
    ],
    "a long unnamed statement, after errors": [
        parse("", LONG) + SYNC,
        bind("nothing") + SYNC,
        parse("y", "SELECT 1") + bind("nothing") + query("SELECT 2") + SYNC,
        bind("") + SYNC,
        query("SELECT 1"),
        bind("") + SYNC,
    ],
    "a long unnamed statement stays": [
        parse("", LONG) + SYNC,
        bind("nothing") + SYNC,
        bind("") + SYNC,
        query("SELECT 1"),
        bind("") + SYNC,
        close("") + SYNC,
        bind("") + SYNC,
    ],
    "a failed unnamed Parse": [
        parse("", "SELECT 1") + SYNC,
        parse("", "SELEKT") + SYNC,
        bind("") + SYNC,
    ],
    "an unnamed Parse that is skipped, behind a Query in the batch": [
        parse("", "SELECT 1")
        + execute("none")
        + query("SELECT 2")
        # The server skips this one, too.
        + parse("", "SELECT 3")
        + SYNC,
        run("") + SYNC,
    ],
    "PREPARE of its own name": [
        parse("x", "PREPARE x AS SELECT 43") + bind("x", "1", "2") + SYNC,
        run("x") + SYNC,
        query("EXECUTE x"),
    ],
    "SQL that names a statement whose Parse fails": [
        parse("x", "SELECT * FROM nowhere")
        + SYNC
        + parse("", "PREPARE x AS SELECT 43")
        + run("")
        + SYNC,
        query("EXECUTE x"),
    ],
    "EXECUTE of a statement whose Parse fails": [
        parse("x", "SELECT * FROM nowhere")
        + SYNC
        + parse("", "EXECUTE x")
        + describe("")
        + SYNC,
    ],
    "an error that arrives after the Close of its statement": [
        parse("x", "SELECT 42") + SYNC,
        bind("x", "1") + SYNC + close("x") + SYNC,
    ],
    "an error that arrives after many Closes": [
        parse("x", "SELECT 42") + SYNC,
        b"".join(parse(f"x{n}", "SELECT 42") + close(f"x{n}") for n in range(70))
        + SYNC,
        bind("x", "1") + SYNC + close("x") + SYNC,
    ],
    "DEALLOCATE ALL in the batch": [
        parse("x", "SELECT 42") + parse("d", "DEALLOCATE ALL") + SYNC,
        run("x") + bind("d") + execute() + bind("x") + execute() + SYNC,
        parse("x", "SELECT 43") + run("x") + SYNC,
        parse("y", "SELECT 1") + parse("d", "DEALLOCATE ALL") + SYNC,
        bind("d") + execute() + parse("x", "SELECT 44") + run("x") + SYNC,
        run("x") + SYNC,
    ],
    "DEALLOCATE ALL in a portal that runs later": [
        query("BEGIN"),
        parse("x", "SELECT 42") + parse("d", "DEALLOCATE ALL") + SYNC,
        bind("d", portal="p") + SYNC,
        run("x") + execute("p") + bind("x") + execute() + SYNC,
        query("ROLLBACK"),
    ],
    "a portal of DEALLOCATE ALL that never runs": [
        parse("x", "SELECT 42") + parse("d", "DEALLOCATE ALL") + SYNC,
        bind("d") + run("x") + SYNC,
    ],
    "DEALLOCATE ALL that fails": [
        parse("x", "SELECT 42") + parse("d", "DEALLOCATE ALL") + SYNC,
        bind("d") + execute() + bind("nothing") + parse("x", "SELECT 1") + SYNC,
        run("x") + SYNC,
    ],
    "DISCARD ALL, then Parse, in one message": [
        parse("x", "SELECT 42") + SYNC,
        query("DISCARD ALL") + parse("x", "SELECT 43") + run("x") + SYNC,
    ],
    "a long text that drops all": [
        parse("x", "SELECT 42") + SYNC,
        query("DEALLOCATE ALL /*" + "x" * 17_000 + "*/") + run("x") + SYNC,
    ],
    "Describe of EXECUTE": [
        parse("x", "SELECT 42 AS answer") + SYNC,
        parse("e", "EXECUTE x") + describe("e") + SYNC,
        parse("", "EXECUTE x") + describe("") + SYNC,
        parse("", "EXECUTE x") + run("") + SYNC,
        run("e") + SYNC,
        query("EXECUTE x"),
        run("x") + SYNC,
    ],
    "Describe of EXECUTE in a pinned session": [
        parse("x", "SELECT 42 AS answer") + SYNC,
        query("SET work_mem TO '5MB'"),
        parse("e", "EXECUTE x") + describe("e") + SYNC,
        parse("", "EXECUTE x") + run("") + SYNC,
        run("e") + run("x") + SYNC,
    ],
    "Parse of EXECUTE that fails": [
        parse("x", "SELECT 42 AS answer") + SYNC,
        parse("e", "EXECUTE x") + bind("nothing") + SYNC,
        bind("nothing") + parse("f", "EXECUTE x") + SYNC,
        describe("e") + SYNC,
        describe("f") + SYNC,
    ],
    "names that are not UTF-8": [
        raw_parse(b"caf\xe9") + SYNC,
        raw_parse(b"a" * 62 + "é".encode()) + SYNC,
        bind("a" * 62 + "é") + SYNC,
        raw_parse(b"a" * 70 + b"\xff") + SYNC,
    ],
    "names longer than the server's": [
        parse("n" * 64, "SELECT 1") + SYNC,
        parse("n" * 70, "SELECT 2") + SYNC,
        run("n" * 63 + "m") + SYNC,
        close("n" * 63) + SYNC,
        bind("n" * 64) + SYNC,
    ],
    **{
        f"a name of {size} bytes": [
            parse("n" * size, "SELECT 1") + run("n" * size) + SYNC,
            bind("n" * size, portal="p" * size) + SYNC,
        ]
        for size in (8_190, 20_000, 120_000)
    },
    **{
        f"a message with a name of {size} bytes, kind {sent[:1].decode()}": [
            parse("n" * size, "SELECT 1") + SYNC,
            sent + SYNC,
        ]
        for size in (9_990,)
        for sent in (describe("n" * size), close("n" * size), execute("n" * size))
    },
}


def shown(reply: Reply) -> list[object]:
    """Return the replies without the error fields of the server's source code."""
    found: list[object] = []
    for kind, body in reply.messages:
        if kind == messages.ERROR_RESPONSE:
            fields = messages.error_fields(body)
            found.append((fields["V"], fields["C"], fields["M"]))
        else:
            found.append((chr(kind), body))
    return found


def answers(client: WireClient, script: list[bytes]) -> list[object]:
    found: list[object] = []
    for sent in script:
        client.send(sent)
        ends = sum(sent.count(end) for end in (SYNC,))
        ends += sent.startswith(b"Q")
        for _ in range(ends):
            found += shown(client.reply())
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_names_behave_as_without_a_proxy(
    serve: Serve, postgres: Postgres, name: str
) -> None:
    script = SCRIPTS[name]
    clients = serve(1)
    server = postgres.endpoint(clients.proxy.database)
    with WireClient.login(server) as direct:
        expected = answers(direct, script)
    assert answers(clients(), script) == expected


def test_a_long_parse_of_a_name_that_the_connection_lost(serve: Serve) -> None:
    clients = serve(1)
    client, other = clients(), clients()
    assert client.ask(parse("x", "SELECT 42"), SYNC).kinds == "1Z"
    assert other.query("DISCARD ALL").tags == ["DISCARD ALL"]
    other.leave()
    reply = client.ask(parse("x", LONG), SYNC)
    assert reply.kinds == "EZ"
    assert reply.errors == [("ERROR", "42P05", 'prepared statement "x" already exists')]


def test_describe_of_execute_after_a_swap(swapped: Swapped) -> None:
    text = "SELECT pg_backend_pid(), 42 AS answer"
    swapped.prepare("x", text)
    swapped.prepare("e", "EXECUTE x")
    swapped.prepare("", "EXECUTE x")
    for name in ("e", "", "e", "", "e"):
        reply = swapped.client.ask(describe(name), SYNC)
        assert reply.columns == [["pg_backend_pid", "answer"]]
        swapped.note(swapped.client.run("x"))
        swapped.swap()


def test_a_parse_of_execute_leaves_no_name_behind(serve: Serve) -> None:
    clients = serve(1)
    mine, other = clients(), clients()
    assert mine.ask(parse("x", ECHO), SYNC).kinds == "1Z"
    for rest in (b"", bind("nothing"), parse("f", "SELEKT")):
        mine.ask(parse("e", "EXECUTE x('a')"), rest, close("e"), SYNC)
        mine.ask(close("e"), SYNC)
        assert other.ask(bind("x", "a"), SYNC).errors[0][1] == "26000"
    names = other.query("SELECT name FROM pg_prepared_statements WHERE name = 'x'")
    assert names.rows == []


def shared_name(client: WireClient) -> str:
    reply = client.query("SELECT name FROM pg_prepared_statements")
    ((name,),) = reply.rows
    assert name is not None
    return name


@pytest.mark.parametrize(
    "use",
    [
        lambda name: bind(name, "x") + execute(),
        describe,
        lambda name: bind("x") + close(name),
    ],
    ids=["Bind", "Describe", "Close"],
)
def test_a_shared_name_is_out_of_a_clients_reach(
    serve: Serve, use: Callable[[str], bytes]
) -> None:
    clients = serve(1)
    mine, other = clients(), clients()
    assert mine.ask(parse("s", ECHO), SYNC).kinds == "1Z"
    name = shared_name(other)
    reply = other.ask(use(name), SYNC)
    if reply.errors[0][2].count("x"):
        reply = other.ask(close(name), SYNC)
        assert reply.kinds == "3Z"
    else:
        text = f'prepared statement "{name}" does not exist'
        assert reply.errors == [("ERROR", "26000", text)]
    assert values(mine.run("s", "x")) == ["x"]


def test_a_clients_statement_may_have_any_name(serve: Serve) -> None:
    clients = serve(1)
    mine, other = clients(), clients()
    assert mine.ask(parse("s", ECHO), SYNC).kinds == "1Z"
    name = shared_name(other)
    for text in (f"{ECHO} || 'other'", LONG):
        reply = other.ask(parse(name, text), SYNC)
        assert reply.kinds == "1Z"
        assert other.ask(parse(name, text), SYNC).errors == [
            ("ERROR", "42P05", f'prepared statement "{name}" already exists')
        ]
        assert other.ask(close(name), SYNC).kinds == "3Z"
    other.leave()
    assert values(mine.run("s", "x")) == ["x"]


def test_no_error_shows_a_shared_name(serve: Serve) -> None:
    client = serve(1)()
    assert client.ask(parse("s", ECHO), SYNC).kinds == "1Z"
    client.send(query("DEALLOCATE ALL"), bind("s", "x") + SYNC)
    assert client.reply().tags == ["DEALLOCATE ALL"]
    assert client.reply().errors == UNKNOWN


def test_the_bytes_of_a_clients_statements_are_bounded(serve: Serve) -> None:
    clients = serve(1, max_prepared_statement_bytes=3_000)
    client, other = clients(), clients()
    text = "SELECT 1 /*" + "x" * 1_000 + "*/"
    limit = "more than 3000 bytes"
    assert client.ask(parse("a", text), SYNC).kinds == "1Z"
    batch = parse("b", "SELECT 2"), parse("c", text), parse("d", "SELECT 4")
    reply = client.ask(*batch, SYNC)
    assert reply.kinds == "1EZ"
    ((severity, state, message),) = reply.errors
    assert (severity, state) == ("ERROR", "54000")
    assert limit in message
    assert client.ask(bind("d"), SYNC).errors[0][1] == "26000"
    assert client.ask(
        close("a"), parse("c", text), bind("c"), execute(), SYNC
    ).kinds == ("312DCZ")
    assert other.ask(parse("c", text), SYNC).kinds == "1Z"
    assert client.query("BEGIN").status == "T"
    assert client.ask(parse("e", text), SYNC).status == "E"
    assert client.query("ROLLBACK").status == "I"

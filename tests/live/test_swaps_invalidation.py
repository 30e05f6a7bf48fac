"""Prepared statements that the server drops, or that a schema change invalidates."""

from typing import Any

import psycopg
import pytest

from tests.live.conftest import Serve
from tests.live.swapped import ECHO, UNKNOWN, Swapped, values
from tests.wireclient import SYNC, close, describe, parse, query

Direct = psycopg.Connection[Any]

ITEMS = "SELECT pg_backend_pid(), * FROM item"
CHANGED = [("ERROR", "0A000", "cached plan must not change result type")]


@pytest.fixture
def item(direct: Direct) -> None:
    direct.execute("CREATE TABLE item AS SELECT 'one' AS name")


@pytest.mark.parametrize("command", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_all_dropped_by_a_client(serve: Serve, command: str) -> None:
    """The client's own statements are gone; another client's are prepared again."""
    clients = serve(1)
    mine, other = clients(), clients()
    for client in (mine, other):
        assert client.ask(parse("s", ECHO), SYNC).kinds == "1Z"
    (before,) = other.run("s", "x").rows
    assert mine.query(command).tags == [command]
    assert mine.run("s", "x").errors == UNKNOWN
    assert mine.ask(parse("s", f"{ECHO} || 'new'"), SYNC).kinds == "1Z"
    assert values(mine.run("s", "x")) == ["xnew"]
    mine.leave()
    assert other.run("s", "x").rows == [before]


def test_all_dropped_in_a_pipeline(serve: Serve) -> None:
    """Statements that are prepared after the command in the same pipeline stay."""
    clients = serve(1)
    mine, other = clients(), clients()
    assert other.ask(parse("s", ECHO), SYNC).kinds == "1Z"
    mine.send(
        parse("s", ECHO) + SYNC,
        query("DEALLOCATE ALL"),
        parse("s", f"{ECHO} || 'new'") + SYNC,
        parse("t", ECHO) + SYNC,
    )
    assert [mine.reply().kinds for _ in range(4)] == ["1Z", "CZ", "1Z", "1Z"]
    assert values(mine.run("s", "x")) == ["xnew"]
    assert values(mine.run("t", "x")) == ["x"]
    mine.leave()
    assert values(other.run("s", "x")) == ["x"]


def test_all_dropped_where_the_proxy_cannot_see_it(
    swapped: Swapped, direct: Direct
) -> None:
    """A function drops them: the proxy learns of it from a later error."""
    direct.execute(
        "CREATE FUNCTION forget() RETURNS text LANGUAGE plpgsql AS"
        " $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN 'done'; END $$"
    )
    other = swapped.clients()
    swapped.prepare("s", ECHO)
    for _ in range(2):
        assert values(swapped.run("s", "x")) == ["x"]
    for _ in range(2):
        assert swapped.ask(query("SELECT forget()"), by=other).value == "done"
    for _ in range(2):
        reply = swapped.client.run("s", "x")
        if reply.errors:
            assert reply.errors == UNKNOWN
            reply = swapped.client.run("s", "x")
        assert values(reply) == ["x"]
        swapped.swap()


def test_schema_change_elsewhere(swapped: Swapped, direct: Direct, item: None) -> None:
    """The client receives the same error as without a proxy, and prepares again."""
    swapped.prepare("s", ITEMS)
    for _ in range(2):
        assert values(swapped.run("s")) == ["one"]
    direct.execute("ALTER TABLE item ADD amount int DEFAULT 7")
    for _ in range(2):
        assert swapped.run("s").errors == CHANGED
    assert swapped.ask(close("s"), SYNC).kinds == "3Z"
    swapped.prepare("s", ITEMS)
    swapped.prepare("t", ITEMS)
    for name in ("s", "s", "t", "t"):
        reply = swapped.run(name)
        assert [row[1:] for row in reply.rows] == [("one", "7")]


def test_schema_change_through_the_proxy(swapped: Swapped, item: None) -> None:
    """A client that prepares after the change is not affected by older plans."""
    other = swapped.clients()
    swapped.prepare("s", ITEMS)
    for _ in range(2):
        swapped.run("s")
    change = "ALTER TABLE item ADD amount int DEFAULT 7"
    assert swapped.ask(query(change), by=other).tags == ["ALTER TABLE"]
    swapped.prepare("s", ITEMS, by=other)
    for _ in range(2):
        reply = swapped.run("s", by=other)
        assert [row[1:] for row in reply.rows] == [("one", "7")]
        swapped.swap()
        described = swapped.client.ask(describe("s"), SYNC)
        assert described.columns == [["pg_backend_pid", "name"]] or described.errors
        swapped.swap()
    for _ in range(2):
        assert swapped.run("s").errors == CHANGED


def test_schema_change_in_own_transaction(swapped: Swapped, item: None) -> None:
    client = swapped.client
    swapped.prepare("s", ITEMS)
    for _ in range(2):
        swapped.run("s")
    for command in ("BEGIN", "ALTER TABLE item ADD amount int DEFAULT 7"):
        assert client.query(command).status == "T"
    assert client.run("s").errors == CHANGED
    assert swapped.ask(query("ROLLBACK")).status == "I"
    for _ in range(2):
        assert values(swapped.run("s")) == ["one"]


def test_table_made_anew(swapped: Swapped, direct: Direct, item: None) -> None:
    """The server plans again by itself if the columns are the same."""
    swapped.prepare("s", ITEMS)
    for _ in range(2):
        assert values(swapped.run("s")) == ["one"]
    direct.execute("DROP TABLE item")
    for _ in range(2):
        assert swapped.run("s").errors[0][1] == "42P01"
    direct.execute("CREATE TABLE item AS SELECT 'two' AS name")
    for _ in range(2):
        assert values(swapped.run("s")) == ["two"]

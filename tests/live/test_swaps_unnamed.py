"""The unnamed prepared statement, with another database connection each time."""

from tests.live.swapped import ECHO, Swapped, values
from tests.wireclient import SYNC, bind, close, describe, execute, parse

NONE = [("ERROR", "26000", "unnamed prepared statement does not exist")]


def test_across_transactions(swapped: Swapped) -> None:
    swapped.prepare("", ECHO)
    for number in range(4):
        reply = swapped.run("", str(number))
        assert (reply.kinds, values(reply)) == ("2DCZ", [str(number)])


def test_replaced(swapped: Swapped) -> None:
    for number in range(4):
        swapped.prepare("", f"{ECHO} || '{number}'")
        assert values(swapped.run("", "x")) == [f"x{number}"]
        assert values(swapped.run("", "y")) == [f"y{number}"]
        swapped.swap()


def test_the_unnamed_statement_of_another_client_is_not_used(swapped: Swapped) -> None:
    clients = {str(number): swapped.clients() for number in range(4)}
    for number, client in clients.items():
        swapped.prepare("", f"SELECT pg_backend_pid(), '{number}'", by=client)
    newcomer = swapped.clients()
    for _ in range(3):
        for number, client in clients.items():
            assert values(swapped.run("", by=client)) == [number]
            assert swapped.run("", by=newcomer).errors == NONE
            swapped.swap()


def test_the_unnamed_statement_of_another_client_on_the_same_connection_is_not_used(
    swapped: Swapped,
) -> None:
    """The connection is not swapped, and its last Parse was the other client's."""
    mine, other = swapped.client, swapped.clients()
    for number in range(4):
        for client in (mine, other):
            text = f"{ECHO} || '{client is mine} {number}'"
            assert client.ask(parse("", text), SYNC).kinds == "1Z"
        for client in (mine, other, mine):
            reply = client.ask(bind("", "x"), execute(), SYNC)
            assert values(reply) == [f"x{client is mine} {number}"]
            swapped.note(reply)
        swapped.swap()


def test_a_query_drops_the_unnamed_statement(swapped: Swapped) -> None:
    swapped.prepare("", ECHO)
    swapped.run("", "x")
    swapped.run("", "x")
    swapped.client.query("SELECT 1")
    swapped.swap()
    for _ in range(2):
        assert swapped.run("", "x").errors == NONE


def test_a_query_of_another_client_keeps_the_unnamed_statement(
    swapped: Swapped,
) -> None:
    other = swapped.clients()
    swapped.prepare("", ECHO)
    for number in range(4):
        other.query("SELECT 1")
        assert values(swapped.run("", str(number))) == [str(number)]


def test_a_failed_parse_drops_the_unnamed_statement(swapped: Swapped) -> None:
    swapped.prepare("", ECHO)
    for _ in range(2):
        swapped.run("", "x")
    assert swapped.ask(parse("", "SELEKT"), SYNC).kinds == "EZ"
    for _ in range(2):
        assert swapped.run("", "x").errors == NONE


def test_a_failed_execution_keeps_the_unnamed_statement(swapped: Swapped) -> None:
    swapped.prepare("", "SELECT pg_backend_pid(), 6 / $1::int")
    for _ in range(2):
        assert swapped.run("", "0").errors[0][1] == "22012"
        assert values(swapped.run("", "2")) == ["3"]
        swapped.swap()


def test_close_drops_the_unnamed_statement(swapped: Swapped) -> None:
    swapped.prepare("", ECHO)
    for _ in range(2):
        swapped.run("", "x")
    assert swapped.ask(close(""), SYNC).kinds == "3Z"
    for _ in range(2):
        assert swapped.run("", "x").errors == NONE


def test_describe_alone(swapped: Swapped) -> None:
    swapped.prepare("", "SELECT pg_backend_pid(), $1::int AS number")
    for _ in range(3):
        reply = swapped.ask(describe(""), SYNC)
        assert (reply.kinds, reply.columns) == ("tTZ", [["pg_backend_pid", "number"]])
        swapped.run("", "1")
        swapped.swap()


def test_beside_named_ones(swapped: Swapped) -> None:
    swapped.prepare("", f"{ECHO} || ' unnamed'")
    swapped.prepare("s", f"{ECHO} || ' named'")
    for _ in range(3):
        reply = swapped.ask(
            *(bind("s", "x"), execute(), bind("", "x"), execute()),
            *(bind("s", "y"), execute(), SYNC),
        )
        assert values(reply) == ["x named", "x unnamed", "y named"]
        swapped.note(reply)


def test_pipeline(swapped: Swapped) -> None:
    """Each Parse in one pipeline replaces the one before it."""
    for _ in range(3):
        swapped.client.send(
            *(
                parse("", f"{ECHO} || '{number}'")
                + SYNC * (number % 2)
                + bind("", "x")
                + execute()
                + SYNC
                for number in range(40)
            )
        )
        replies = [swapped.client.reply() for _ in range(60)]
        read = [value for reply in replies for value in values(reply)]
        assert read == [f"x{number}" for number in range(40)]
        swapped.note(replies[0])
        swapped.swap()

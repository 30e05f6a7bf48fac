"""Named prepared statements, with another database connection each time."""

from typing import Any

import psycopg
import pytest

from tests.live.swapped import ECHO, UNKNOWN, Swapped, values
from tests.wireclient import SYNC, bind, close, describe, execute, parse, query

FAILING = "SELECT pg_backend_pid() / 0"


@pytest.mark.parametrize("name", ["s", 'two words \'n "quotes" ż', "long" * 50])
def test_statement_across_transactions(swapped: Swapped, name: str) -> None:
    swapped.prepare(name, ECHO)
    for number in range(4):
        reply = swapped.run(name, str(number))
        assert (reply.kinds, values(reply)) == ("2DCZ", [str(number)])


def test_several_names(swapped: Swapped) -> None:
    for number in range(5):
        swapped.prepare(f"s{number}", f"{ECHO} || '{number}'")
    for number in (3, 0, 4, 0, 1, 2, 3, 1):
        assert values(swapped.run(f"s{number}", "x")) == [f"x{number}"]


def test_text_shared_between_clients(swapped: Swapped) -> None:
    """The text is one statement on each connection, under any client's name."""
    other = swapped.clients()
    swapped.prepare("mine", ECHO)
    swapped.prepare("yours", ECHO, by=other)
    for number in range(2):
        for name, client in (("mine", swapped.client), ("yours", other)):
            assert values(swapped.run(name, str(number), by=client)) == [str(number)]
        swapped.swap()
    assert swapped.kept() == [ECHO]
    swapped.swap()
    assert swapped.kept() == [ECHO]


def test_shared_text_outlives_its_first_client(swapped: Swapped) -> None:
    first = swapped.clients()
    swapped.prepare("s", ECHO, by=first)
    swapped.prepare("s", ECHO)
    assert swapped.ask(close("s"), SYNC, by=first).kinds == "3Z"
    assert swapped.run("s", "x", by=first).errors == UNKNOWN
    first.leave()
    for number in range(3):
        assert values(swapped.run("s", str(number))) == [str(number)]


def test_names_are_the_client_s_own(swapped: Swapped) -> None:
    other = swapped.clients()
    swapped.prepare("s", ECHO)
    assert swapped.run("s", "x", by=other).errors == UNKNOWN
    swapped.prepare("s", f"{ECHO} || 'other'", by=other)
    for _ in range(2):
        assert values(swapped.run("s", "x")) == ["x"]
        swapped.swap()
        assert values(swapped.run("s", "x", by=other)) == ["xother"]


def test_parameter_types_tell_statements_apart(swapped: Swapped) -> None:
    other = swapped.clients()
    text = "SELECT pg_backend_pid(), pg_typeof($1)"
    assert swapped.ask(parse("s", text, 23), SYNC).kinds == "1Z"
    assert swapped.ask(parse("s", text, 25), SYNC, by=other).kinds == "1Z"
    for _ in range(2):
        assert values(swapped.run("s", "7")) == ["integer"]
        assert values(swapped.run("s", "7", by=other)) == ["text"]
        swapped.swap()


def test_failed_parse_is_not_remembered(swapped: Swapped) -> None:
    for _ in range(2):
        refused = swapped.ask(parse("s", "SELEKT"), SYNC)
        assert refused.kinds == "EZ"
        assert refused.errors[0][:2] == ("ERROR", "42601")
        assert swapped.run("s").errors == UNKNOWN
    swapped.prepare("s", ECHO)
    for number in range(3):
        assert values(swapped.run("s", str(number))) == [str(number)]


def test_failed_parse_may_succeed_later(
    swapped: Swapped, direct: psycopg.Connection[Any]
) -> None:
    """A Parse that failed for a missing table is sent again."""
    other = swapped.clients()
    text = "SELECT pg_backend_pid(), x FROM later"
    for client in (swapped.client, other):
        assert swapped.ask(parse("s", text), SYNC, by=client).errors[0][1] == "42P01"
    direct.execute("CREATE TABLE later AS SELECT 1 AS x")
    for client in (swapped.client, other):
        swapped.prepare("s", text, by=client)
        for _ in range(2):
            assert values(swapped.run("s", by=client)) == ["1"]


def test_parse_that_was_skipped_is_not_remembered(swapped: Swapped) -> None:
    reply = swapped.ask(
        *(parse("", FAILING), bind(""), execute(), parse("s", ECHO), SYNC)
    )
    assert (reply.kinds, reply.errors[0][1]) == ("12EZ", "22012")
    assert swapped.run("s", "x").errors == UNKNOWN
    swapped.prepare("s", f"{ECHO} || 'new'")
    for _ in range(2):
        assert values(swapped.run("s", "x")) == ["xnew"]


def test_parse_in_a_failed_transaction_is_not_remembered(swapped: Swapped) -> None:
    client = swapped.client
    assert client.query("BEGIN; SELEKT").errors[0][1] == "42601"
    assert client.ask(query("BEGIN"), query("SELECT 1 / 0")).status == "T"
    assert client.reply().status == "E"
    assert client.ask(parse("s", ECHO), SYNC).errors[0][1] == "25P02"
    assert swapped.ask(query("ROLLBACK")).status == "I"
    assert swapped.run("s", "x").errors == UNKNOWN
    swapped.prepare("s", ECHO)
    for _ in range(2):
        assert values(swapped.run("s", "x")) == ["x"]


def test_statement_outlives_rollback(swapped: Swapped) -> None:
    """Prepared statements are not part of the transaction."""
    client = swapped.client
    assert client.query("BEGIN").status == "T"
    assert client.ask(parse("s", ECHO), SYNC).status == "T"
    assert swapped.ask(query("ROLLBACK")).status == "I"
    for number in range(3):
        assert values(swapped.run("s", str(number))) == [str(number)]


def test_name_in_use(swapped: Swapped) -> None:
    in_use = [("ERROR", "42P05", 'prepared statement "s" already exists')]
    swapped.prepare("s", ECHO)
    for text in ("SELECT 1", ECHO, "SELECT 1"):
        reply = swapped.ask(parse("s", text), SYNC)
        assert (reply.kinds, reply.errors) == ("EZ", in_use)
        assert values(swapped.run("s", "x")) == ["x"]
        swapped.swap()


def test_close_then_parse(swapped: Swapped) -> None:
    swapped.prepare("s", ECHO)
    swapped.run("s", "x")
    assert swapped.ask(close("s"), SYNC).kinds == "3Z"
    for _ in range(2):
        assert swapped.run("s", "x").errors == UNKNOWN
    swapped.prepare("s", f"{ECHO} || 'new'")
    for _ in range(3):
        assert values(swapped.run("s", "x")) == ["xnew"]


def test_close_and_parse_in_one_batch(swapped: Swapped) -> None:
    swapped.prepare("s", f"{ECHO} || '-1'")
    for number in range(4):
        reply = swapped.ask(
            *(bind("s", "x"), execute(), close("s")),
            *(parse("s", f"{ECHO} || '{number}'"), bind("s", "x"), execute(), SYNC),
        )
        assert reply.kinds == "2DC312DCZ"
        assert values(reply) == [f"x{number - 1}", f"x{number}"]
        swapped.note(reply)


def test_close_in_a_batch_that_fails(swapped: Swapped) -> None:
    """A Close before the error takes effect; one after it does not."""
    swapped.prepare("s", ECHO)
    swapped.prepare("t", ECHO)
    reply = swapped.ask(close("t"), bind("t", "x"), close("s"), SYNC)
    assert (reply.kinds, reply.errors[0][1]) == ("3EZ", "26000")
    for _ in range(2):
        assert values(swapped.run("s", "x")) == ["x"]
        assert swapped.run("t", "x").errors[0][1] == "26000"
        swapped.swap()


def test_close_of_nothing(swapped: Swapped) -> None:
    swapped.prepare("s", ECHO)
    for name in ("other", "", "other"):
        assert swapped.ask(close(name), SYNC).kinds == "3Z"
        assert values(swapped.run("s", "x")) == ["x"]
        swapped.swap()


def test_describe_alone(swapped: Swapped) -> None:
    swapped.prepare("s", "SELECT pg_backend_pid(), $1::int AS number")
    swapped.prepare("u", "UPDATE pg_class SET relname = $1 WHERE false")
    described = set()
    for _ in range(4):
        reply = swapped.client.ask(describe("s"), SYNC)
        assert (reply.kinds, reply.columns) == ("tTZ", [["pg_backend_pid", "number"]])
        described.add(tuple(reply.messages))
        assert swapped.client.ask(describe("u"), SYNC).kinds == "tnZ"
        swapped.note_server()
        swapped.swap()
    assert len(described) == 1


def test_describe_of_nothing(swapped: Swapped) -> None:
    for _ in range(2):
        assert swapped.client.ask(describe("s"), SYNC).errors == UNKNOWN
        swapped.note_server()
        swapped.swap()


def test_pipeline_of_parses_and_uses(swapped: Swapped) -> None:
    """All messages are sent at once, with names that are closed and used again."""
    for turn in range(3):
        sent = []
        for number in range(20):
            name = f"s{number % 3}"
            sent += [
                parse(name, f"{ECHO} || '{turn}.{number}'") + SYNC,
                bind(name, "x") + execute() + SYNC,
                close(name) + SYNC,
            ]
        swapped.client.send(*sent)
        replies = [swapped.client.reply() for _ in sent]
        assert [reply.kinds for reply in replies] == ["1Z", "2DCZ", "3Z"] * 20
        assert [values(reply) for reply in replies[1::3]] == [
            [f"x{turn}.{number}"] for number in range(20)
        ]
        swapped.note(replies[1])
        swapped.swap()

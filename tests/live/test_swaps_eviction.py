"""Prepared statements, with a limit of one or two per database connection."""

from collections.abc import Iterator

import pytest

from tests.live.conftest import Serve
from tests.live.swapped import ECHO, UNKNOWN, Swapped, values
from tests.wireclient import SYNC, bind, close, execute, parse

ORDER = (0, 1, 2, 3, 0, 0, 1, 3, 2, 1, 0)


@pytest.fixture(params=[1, 2])
def limit(request: pytest.FixtureRequest) -> int:
    limit: int = request.param
    return limit


@pytest.fixture
def swapped(serve: Serve, limit: int) -> Iterator[Swapped]:
    """A session with the four statements s0 to s3."""
    session = Swapped(serve(2, max_prepared_statements=limit))
    for number in range(4):
        session.prepare(f"s{number}", f"{ECHO} || '{number}'")
    yield session
    assert len(session.pids) == 2


def test_eviction_one_after_another(swapped: Swapped, limit: int) -> None:
    for number in ORDER:
        assert values(swapped.run(f"s{number}", "x")) == [f"x{number}"]
        assert len(swapped.kept()) <= limit


def test_eviction_in_one_batch(swapped: Swapped, limit: int) -> None:
    batch = b"".join(bind(f"s{number}", "x") + execute() for number in ORDER)
    for _ in range(3):
        reply = swapped.client.ask(batch, SYNC)
        assert reply.kinds == "2DC" * len(ORDER) + "Z"
        assert values(reply) == [f"x{number}" for number in ORDER]
        assert len(swapped.kept()) <= limit
        swapped.note(reply)
        swapped.swap()


def test_eviction_in_a_pipeline(swapped: Swapped, limit: int) -> None:
    for _ in range(3):
        swapped.client.send(*(bind(f"s{n}", "x") + execute() + SYNC for n in ORDER))
        replies = [swapped.client.reply() for _ in ORDER]
        assert {reply.kinds for reply in replies} == {"2DCZ"}
        assert [values(reply) for reply in replies] == [[f"x{n}"] for n in ORDER]
        assert len(swapped.kept()) <= limit
        swapped.note(replies[0])
        swapped.swap()


def test_eviction_with_open_portals(swapped: Swapped) -> None:
    """A portal does not need its statement any more."""
    for _ in range(3):
        reply = swapped.ask(
            *(bind("s0", "p", portal="p"), bind("s1", "q", portal="q")),
            *(bind("s2", "x"), execute(), execute("q"), execute("p"), SYNC),
        )
        assert (reply.kinds, values(reply)) == ("222DCDCDCZ", ["x2", "q1", "p0"])
        swapped.note(reply)


def test_eviction_with_new_statements(swapped: Swapped, limit: int) -> None:
    for number in range(4):
        new = f"new {number}"
        reply = swapped.client.ask(
            *(parse(new, f"{ECHO} || '{new}'"), bind("s3", "a"), execute()),
            *(bind(new, "b "), execute(), bind("s0", "c"), execute()),
            *(parse("", ECHO), bind("", "d"), execute(), SYNC),
        )
        assert reply.kinds == "12DC2DC2DC12DCZ"
        assert values(reply) == ["a3", f"b {new}", "c0", "d"]
        assert len(swapped.kept()) <= limit
        swapped.note(reply)
        swapped.swap()


def test_eviction_with_an_error(swapped: Swapped, limit: int) -> None:
    """The server skips each Parse and Close after the error."""
    swapped.prepare("bad", "SELECT pg_backend_pid() / $1::int")
    for _ in range(3):
        reply = swapped.client.ask(
            *(bind("s0", "x"), execute(), bind("bad", "0"), execute()),
            *(bind("s1", "x"), execute(), bind("s2", "x"), execute()),
            *(close("s3"), parse("s", ECHO), SYNC),
        )
        assert (reply.kinds, reply.errors[0][1]) == ("2DC2EZ", "22012")
        swapped.note(reply)
        for number in range(4):
            reply = swapped.client.run(f"s{number}", "x")
            assert values(reply) == [f"x{number}"]
        assert swapped.client.run("s", "x").errors == UNKNOWN
        assert len(swapped.kept()) <= limit
        swapped.swap()

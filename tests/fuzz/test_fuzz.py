"""Random scripts of one to four clients, compared with a direct connection.

`make fuzz` runs more of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final, Protocol

import pytest

from tests.fuzz.campaign import Campaign, version
from tests.fuzz.generator import random_script
from tests.fuzz.script import read_script
from tests.fuzz.stage import Stage, new_stage
from tests.harness import Postgres

SEEDS: Final = range(4)
SCRIPTS: Final = 90  # of each seed

FOUND: Final = {
    "COPY after an unnamed Parse": """
        script(turn(0, flight(
            parse('', 'SELECT 1'), query('COPY {t} FROM STDIN'), bind('', ''), sync())))
    """,
    "a skipped Parse behind a skipped Query": """
        script(
            turn(0, flight(
                parse('', 'SELECT 1'), execute('p'), query('SELECT 1'),
                parse('', 'SELECT 2'), sync())),
            turn(1, flight(query('SELECT 3'))),
            turn(0, flight(bind('', ''), execute(''), sync())))
    """,
    "a Query that fails in a batch without a Sync": """
        script(
            turn(0, flight(parse('', 'SELECT 1'), query('SELECT 1 / 0'))),
            turn(0, flight(bind('', ''), sync())))
    """,
    "a Query that fails in a batch with a Sync": """
        script(
            turn(0, flight(
                parse('', 'SELECT 1'), query('SELECT * FROM nowhere'), sync())),
            turn(0, flight(query('SELEKT'), sync()), flight(bind('', ''), sync())),
            turn(0, flight(
                parse('', 'SELECT 1'), query('SELECT * FROM nowhere'), sync()),
                flight(bind('', ''), sync())))
    """,
    "an unnamed Parse that fails behind a Bind": """
        script(
            turn(0, flight(parse('', 'SELECT 1'), sync()),
                flight(bind('', ''), parse('', 'SELEKT'), sync())),
            turn(1, flight(parse('', 'SELECT 2'), sync())),
            turn(0, flight(bind('', ''), sync())))
    """,
    "an unnamed Parse that is skipped behind a Bind": """
        script(
            turn(0, flight(parse('', 'SELECT 1'), sync()),
                flight(bind('', '', '1'), parse('', 'SELECT 2'), sync())),
            turn(1, flight(parse('', 'SELECT 3'), sync())),
            turn(0, flight(bind('', ''), execute(''), sync())))
    """,
    "an unnamed Parse that is skipped on a connection without the statement": """
        script(
            turn(0, flight(parse('', 'SELECT 1'), sync())),
            turn(1, flight(parse('', 'SELECT 2'), sync())),
            turn(0, flight(execute(''), parse('', 'SELECT 3'), sync()),
                flight(bind('', ''), execute(''), sync())))
    """,
    "an unnamed Parse that fails in a transaction": """
        script(
            turn(0, flight(parse('', 'SELECT 1'), parse('a', 'ROLLBACK'), sync()),
                flight(parse('b', 'BEGIN'), bind('', 'b'), execute(''),
                    parse('', 'SELEKT'), sync()),
                flight(bind('', 'a'), execute(''), sync())),
            turn(1, flight(parse('', 'SELECT 2'), sync())),
            turn(0, flight(bind('', ''), sync())))
    """,
    "an EXECUTE that fails in an unnamed Parse": """
        script(
            turn(0, flight(parse('a', 'SELECT 1'), parse('', 'SELECT 1'), sync()),
                flight(parse('', 'EXECUTE a(1)'), sync())),
            turn(1, flight(parse('', 'SELECT 2'), sync())),
            turn(0, flight(bind('', ''), sync())))
    """,
    "PREPARE of its own name": """
        script(turn(0, flight(
            parse('a', 'PREPARE a AS SELECT 1'), bind('', 'a', '1', '2'))))
    """,
    "EXECUTE of a statement in use": """
        script(turn(0,
            flight(parse('a', 'CREATE TEMP TABLE mine AS SELECT 1 AS n'), sync()),
            flight(bind('', 'a', 'x'), sync(), parse('b', 'EXECUTE a'))))
    """,
}
"""Scripts that once showed a difference."""


class Stages(Protocol):
    def __call__(self, version: int) -> Stage:
        """Return the stage on a server of this version."""


@pytest.fixture
def stages(request: pytest.FixtureRequest) -> Iterator[Stages]:
    with ExitStack() as stack:

        def stage(version: int) -> Stage:
            name = {16: "postgres_16", 18: "postgres"}[version]
            postgres = request.getfixturevalue(name)
            assert isinstance(postgres, Postgres)
            return stack.enter_context(new_stage(postgres))

        yield stage


@pytest.mark.parametrize("seed", SEEDS)
def test_random_scripts(stages: Stages, seed: int) -> None:
    campaign = Campaign(stages(version(seed)))
    campaign.run_seed(seed, SCRIPTS)
    assert campaign.executed == SCRIPTS
    assert campaign.intended.total() < SCRIPTS / 10


@pytest.mark.parametrize("name", FOUND)
def test_a_script_that_once_differed(stages: Stages, name: str) -> None:
    campaign = Campaign(stages(16))
    assert campaign.play(read_script(FOUND[name])) is None
    assert not campaign.intended


@pytest.mark.parametrize("number", range(30))
def test_the_text_of_a_script_can_be_read_back(number: int) -> None:
    script = random_script(f"text/{number}")
    assert read_script(str(script)) == read_script(repr(script)) == script


def test_a_seed_always_gives_the_same_script() -> None:
    assert random_script("1/2") == random_script("1/2") != random_script("1/3")

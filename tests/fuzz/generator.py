"""Random scripts; a seed always gives the same.

Owns the statements, and how likely each message is. Each script has its own weights,
and few statements, values and names, so that its messages meet often. ``differences``
lists what scripts do not contain.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeVar

from tests.fuzz.actions import (
    Action,
    bind,
    call,
    close,
    close_portal,
    copy_data,
    copy_done,
    copy_fail,
    describe,
    describe_portal,
    execute,
    flush,
    parse,
    query,
    sync,
)
from tests.fuzz.script import End, Flight, Script, Turn
from tests.fuzz.stage import CLIENTS

MAX_TURNS: Final = 16
MAX_FLIGHTS: Final = (1, 2, 4)  # of a turn; a script draws one of them
MAX_PARTS: Final = (1, 2, 4)  # of a flight
RARE: Final = 0.03  # the share of turns that end a client's connection

SYNCED: Final = (0.4, 1.0)  # the share of Queries with a Sync before them
PIPELINED: Final = (0.0, 0.0, 0.3)  # the share of messages with a Sync after them
CONTINUED: Final = (0.1, 0.6)  # the share of turns that begin with a Bind
ENDED: Final = (0.7, 1.0)  # the share of flights with a Sync at the end
TEXTS: Final = (2, 3, 4, 12)  # statements of a script

MD5: Final = 2311  # md5(text), among pg_proc's fixed numbers
DIVIDE: Final = 154  # int4div(int4, int4)

READS: Final = (
    "SELECT 1",
    "SELECT $1::int + 1 AS n",
    "SELECT $1::text, $2::int",
    "SELECT n FROM generate_series(1, 5) AS n",
    "SELECT * FROM {t} ORDER BY id",
    "SELECT '01/02/2026'::date, '2026-01-01 00:00'::timestamptz",
    "SELECT current_setting('application_name')",
    "SHOW TimeZone",
    "SELECT repeat('x', 9000) FROM generate_series(1, 3)",
    "",
)
WRITES: Final = (
    "INSERT INTO {t} VALUES (1, 'x')",
    "INSERT INTO {t} VALUES ($1, $2)",
    "INSERT INTO {t} VALUES (2, 'y') RETURNING id",
    "UPDATE {t} SET name = 'z'",
    "DELETE FROM {t}",
    "CREATE TABLE new_{t} ()",
    "DROP TABLE new_{t}",
)
FAILURES: Final = (
    "SELEKT 1",
    "SELEKT 2",
    "SELECT * FROM nowhere",
    "SELECT 1 / (random() * 0)::int",
    "SELECT 1 / (3 - n) FROM generate_series(1, 5) AS n",
)
TRANSACTIONS: Final = ("BEGIN", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s")
SQL_NAMES: Final = (
    "PREPARE a AS SELECT 1",
    "PREPARE b AS SELECT $1::int",
    "EXECUTE a",
    "EXECUTE b(1)",
    "DEALLOCATE a",
    "DEALLOCATE ALL",
)
STATE: Final = (
    "SET application_name TO 'one'",
    "SET TimeZone TO 'Asia/Tokyo'",
    "SET LOCAL DateStyle TO 'SQL, DMY'",
    "SELECT set_config('TimeZone', 'UTC', false)",
    "LISTEN heed",
    "NOTIFY heed, 'x'",
    "UNLISTEN *",
    "CREATE TEMP TABLE mine AS SELECT 1 AS n",
    "SELECT * FROM mine",
    "DECLARE c CURSOR FOR SELECT generate_series(1, 4)",
    "FETCH 2 FROM c",
    "SELECT pg_advisory_lock(1)",
    "DO $$ BEGIN RAISE NOTICE 'heed'; END $$",
)
RESETS: Final = ("RESET application_name", "RESET ALL", "DISCARD ALL")
LARGE: Final = (
    "SELECT 1 /*17000*/",
    "SELECT $1::int /*17000*/",
    "SELECT 1 /*16368*/",
    "SELECT 1 /*70000*/",
)
COPIES: Final = (
    "COPY {t} FROM STDIN",
    "COPY (SELECT n FROM generate_series(1, 3) AS n) TO STDOUT",
    "COPY (SELECT 1 / (2 - n) FROM generate_series(1, 3) AS n) TO STDOUT",
    "COPY nowhere FROM STDIN",
)
COPIES_IN: Final = (
    "COPY {t} FROM STDIN",
    "SELECT 1; COPY {t} FROM STDIN; SELECT 2",
    "COPY {t} FROM STDIN; COPY {t} FROM STDIN",
)
SEVERAL: Final = (
    "SELECT 1; SELECT 'a', NULL",
    "INSERT INTO {t} VALUES (3, 'x'); SELECT 1 / 0; SELECT 2",
    "SELECT 1; BEGIN; SELECT 2",
    "SELECT 3; COMMIT; SELECT 4",
    "SAVEPOINT s; SELECT 1; ROLLBACK TO s",
    "COPY (SELECT 1) TO STDOUT; SELECT 2",
    "DEALLOCATE ALL; SELECT 1",
    "BEGIN; SET LOCAL TimeZone TO 'Asia/Tokyo'; SHOW TimeZone; COMMIT",
)
STATEMENTS: Final = (
    (READS, 10),
    (WRITES, 5),
    (FAILURES, 8),
    (TRANSACTIONS, 4),
    (SQL_NAMES, 2),
    (STATE, 2),
    (LARGE, 3),
    (COPIES, 1),
    (RESETS, 1),
)
PARAMETERS: Final[tuple[dict[str, str], ...]] = (
    {},
    {},
    {"application_name": "billing"},
    {"DateStyle": "SQL, DMY"},
    {"TimeZone": "Asia/Tokyo", "application_name": "two"},
)
NAMES: Final = (("",), ("", "a"), ("", "", "a"), ("", "", "a", "b"))
UNKNOWN: Final = "none"  # a name that no statement has
PORTALS: Final = (("",), ("", "", "", "p"))
FOCUS: Final = (0, 0, 1, 4)  # factors of the weights, which a script draws
VALUES: Final[tuple[tuple[tuple[str | None, ...], ...], ...]] = (
    ((),),
    ((), (), ("1",)),
    ((), (), ("1",), ("1", "2"), (None,), ("x",)),
)
LIMITS: Final = (0, 0, 0, 1, 2)
ROWS: Final = ("7\tseven\n", "8\teight\n", "bad\trow\n", "7", "")
PIECES: Final = (0, 0, 0, 1, 3, 7, 40, 1000)
CALLS: Final = (
    call(MD5, "x"),
    call(MD5, None),
    call(DIVIDE, "1", "0"),
    call(DIVIDE, "7", "2"),
)
ENDS: Final[tuple[End, ...]] = ("leave", "vanish", "reset")

T = TypeVar("T")


def random_script(seed: str) -> Script:
    """Return the script of a seed, with one to four clients."""
    return Generator(Random(seed)).script()


class Generator:
    """Draws scripts from a source of random numbers."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.names = self._of(NAMES)
        self.portals = self._of(PORTALS)
        self.synced = self._of(SYNCED)
        self.flights = self._of(MAX_FLIGHTS)
        self.sizes = self._of(MAX_PARTS)
        self.continued = self._of(CONTINUED)
        self.ended = self._of(ENDED)
        self.pipelined = self._of(PIPELINED)
        self.values = self._of(VALUES)
        self.resets = True  # the client that is being drawn may reset its settings
        statements = self._focused(STATEMENTS)
        count = self._of(TEXTS)
        self.texts = [self._of(self._weighted(statements)) for _ in range(count)]
        parts: tuple[tuple[Callable[[], list[Action]], int], ...] = (
            (self._one, 8),
            (self._whole, 4),
            (self._bound, 6),
            (lambda: [self._parse()], 4),
            (self._query, 4),
            (self._copy_in, 1),
            (lambda: [bind("", UNKNOWN)], 2),
            (lambda: [close(self._of(self.names))], 3),
        )
        singles: tuple[tuple[Callable[[], Action], int], ...] = (
            (self._bind, 3),
            (self._execute, 3),
            (lambda: describe(self._of(self.names)), 2),
            (lambda: describe_portal(self._of(self.portals)), 1),
            (lambda: close_portal(self._of(self.portals)), 1),
            (lambda: self._of(CALLS), 1),
            (sync, 3),
            (flush, 1),
            (lambda: copy_data(self._of(ROWS)), 1),
            (copy_done, 1),
            (lambda: copy_fail("no more"), 1),
        )
        self.parts = self._focused(parts)
        self.singles = self._focused(singles)

    def script(self) -> Script:
        clients = self._of(range(1, CLIENTS + 1))
        parameters = [self._of(PARAMETERS) for _ in range(clients)]
        turns = self.chance.randint(1, MAX_TURNS)
        return Script(tuple(self._turn(parameters) for _ in range(turns)))

    def _turn(self, parameters: Sequence[dict[str, str]]) -> Turn:
        client = self._of(range(len(parameters)))
        own = parameters[client]
        self.resets = not own
        count = self.chance.randint(1, self.flights)
        first = self._bound() if self.chance.random() < self.continued else []
        flights = self._flight(first), *(self._flight([]) for _ in range(count - 1))
        early = self.chance.random() < 0.5
        if self.chance.random() > RARE:
            return Turn(client, flights, own, early)
        end = self._of(ENDS)
        cut = 0 if end == "leave" else self.chance.randint(0, 100)
        return Turn(client, flights, own, early, end, cut)

    def _flight(self, first: list[Action]) -> Flight:
        actions = first
        for _ in range(self.chance.randint(1, self.sizes)):
            part = self._weighted(self.parts)()
            if part[0].name in ("query", "call") and self.chance.random() < self.synced:
                actions.append(sync())
            for action in part:
                actions.append(action)
                if self.chance.random() < self.pipelined:
                    actions.append(sync())
        if self.chance.random() < self.ended:
            actions.append(sync())
        elif self.chance.random() < 0.5:
            actions.append(flush())
        return Flight(tuple(actions), self._of(PIECES))

    # Messages that often come together.

    def _one(self) -> list[Action]:
        return [self._weighted(self.singles)()]

    def _whole(self) -> list[Action]:
        name, portal = self._of(self.names), self._of(self.portals)
        return [
            parse(name, self._sql()),
            bind(portal, name, *self._of(self.values)),
            execute(portal, self._of(LIMITS)),
        ]

    def _bound(self) -> list[Action]:
        portal = self._of(self.portals)
        return [
            bind(portal, self._of(self.names), *self._of(self.values)),
            execute(portal, self._of(LIMITS)),
        ]

    def _query(self) -> list[Action]:
        several = self.chance.random() < 0.2
        return [query(self._of(SEVERAL) if several else self._sql())]

    def _copy_in(self) -> list[Action]:
        ends = *(3 * (copy_done(),)), copy_fail("no more"), copy_fail("no"), sync()
        rows = [copy_data(self._of(ROWS)) for _ in range(self.chance.randint(0, 2))]
        return [query(self._of(COPIES_IN)), *rows, self._of(ends)]

    # Single messages.

    def _parse(self) -> Action:
        return parse(self._of(self.names), self._sql())

    def _bind(self) -> Action:
        return bind(
            self._of(self.portals), self._of(self.names), *self._of(self.values)
        )

    def _execute(self) -> Action:
        return execute(self._of(self.portals), self._of(LIMITS))

    def _sql(self) -> str:
        text = self._of(self.texts)
        return "SELECT 1" if text in RESETS and not self.resets else text

    def _of(self, values: Sequence[T]) -> T:
        return self.chance.choice(values)

    def _focused(self, values: Sequence[tuple[T, int]]) -> Sequence[tuple[T, int]]:
        """Return the values with other weights, by which one script focuses on some.

        A script that has a bit of everything seldom shows what two rare messages do.
        """
        focused = [(value, weight * self._of(FOCUS)) for value, weight in values]
        return focused if any(weight for _, weight in focused) else values

    def _weighted(self, values: Sequence[tuple[T, int]]) -> T:
        weights = [weight for _, weight in values]
        return self.chance.choices(values, weights)[0][0]

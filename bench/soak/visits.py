"""The visits of clients that send single protocol messages.

Each visit is a coroutine that connects, works and leaves, or vanishes. A work checks
that its reply carries its own number, and notes what must be in the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from bench.server import DATABASE
from bench.soak import site, wire
from bench.soak.site import Site
from bench.soak.wire import SYNC, Login, Lost, ServerError, WireClient, Wrong
from pinwatch.wire import messages

MOST_WORKS: Final = 12
"""Works of one visit, at most."""

SHARE_THAT_TERMINATES: Final = 0.8
"""The others close the connection without a Terminate."""

CANCELED: Final = "57014"
FAILED_BORROW: Final = "08000"
DIVISION_BY_ZERO: Final = "22012"
COPY_FAILED: Final = "57014"
NOT_ALLOWED: Final = "28P01"


class Visit:
    """A visit of one client with a connection."""

    def __init__(self, where: Site, chance: Random, client: WireClient) -> None:
        self.where = where
        self.chance = chance
        self.client = client
        self.books = where.books
        self.number = chance.randrange(1, 1_000_000)

    def expect(self, found: object, expected: object) -> None:
        """Raise Wrong unless they are equal."""
        if found != expected:
            raise Wrong(f"{found!r} came in place of {expected!r}")

    async def simple(self) -> None:
        name = site.word(self.chance)
        reply = await self.client.query(f"SELECT {self.number} AS {name}")
        self.expect(reply.rows, [[str(self.number)]])

    async def different_text(self) -> None:
        """Run a text that few have run before."""
        name = f"{site.word(self.chance, 4)}"
        reply = await self.client.query(f"SELECT {self.number} AS only_{name}")
        self.expect(reply.rows, [[str(self.number)]])

    async def several(self) -> None:
        text = f"SELECT {self.number}; SELECT {self.number + 1}"
        reply = await self.client.query(text)
        self.expect(reply.rows, [[str(self.number)], [str(self.number + 1)]])

    async def unnamed(self) -> None:
        parse = wire.parse("", f"SELECT $1::int + {self.number % 50}")
        bind = wire.bind("", str(self.number))
        reply = await self.client.ask(parse, bind, wire.execute(), SYNC)
        self.expect(reply.rows, [[str(self.number + self.number % 50)]])

    async def named(self) -> None:
        """Prepare a statement, run it some times, and sometimes close it."""
        name = f"s{self.chance.randrange(1_000_000)}"
        column = site.word(self.chance, 2)
        await self.client.ask(wire.parse(name, f"SELECT $1::int AS {column}"), SYNC)
        for number in range(self.number, self.number + self.chance.randint(1, 4)):
            await self.where.pause(self.chance)
            bind = wire.bind(name, str(number))
            reply = await self.client.ask(bind, wire.execute(), SYNC)
            self.expect(reply.rows, [[str(number)]])
        if self.chance.random() < 0.5:
            await self.client.ask(wire.close(name), SYNC)

    async def pipeline(self) -> None:
        """Send several batches at once, each with its Sync."""
        numbers = range(self.number, self.number + self.chance.randint(2, 8))
        sent: list[bytes] = [wire.parse("p", "SELECT $1::int"), SYNC]
        for number in numbers:
            sent += [wire.bind("p", str(number)), wire.execute(), SYNC]
        sent += [wire.close("p"), SYNC]
        reply = await self.client.ask(*sent, syncs=len(numbers) + 2)
        self.expect(reply.rows, [[str(number)] for number in numbers])

    async def portal(self) -> None:
        """Fetch the rows of a portal a few at a time."""
        text = "SELECT generate_series(1, $1::int)"
        parse, bind = wire.parse("", text), wire.bind("", "10", portal="c")
        some = wire.execute("c", 4)
        reply = await self.client.ask(parse, bind, some, some, some, SYNC)
        self.expect(reply.rows, [[str(number)] for number in range(1, 11)])

    async def committed(self) -> None:
        await self.client.query("BEGIN")
        rows = [await self.insert() for _ in range(self.chance.randint(1, 3))]
        await self.client.query("COMMIT")
        self.books.rows.commit(*rows)

    async def alone(self) -> None:
        """Insert a row without a transaction block."""
        self.books.rows.commit(await self.insert())

    async def rolled_back(self) -> None:
        await self.client.query("BEGIN")
        row = await self.insert()
        await self.client.query("ROLLBACK")
        self.books.rows.roll_back(row)

    async def failed(self) -> None:
        await self.client.query("BEGIN")
        row = await self.insert()
        await self.fails("SELECT 1 / 0", DIVISION_BY_ZERO)
        await self.client.query("COMMIT")
        self.books.rows.roll_back(row)

    async def insert(self) -> int:
        row = self.books.rows.new()
        text = f"INSERT INTO ledger VALUES ({row}, {self.number})"
        try:
            if self.chance.random() < 0.5:
                await self.client.query(text)
            else:
                parse = wire.parse("", "INSERT INTO ledger VALUES ($1, $2)")
                bind = wire.bind("", str(row), str(self.number))
                await self.client.ask(parse, bind, wire.execute(), SYNC)
        except ServerError:
            self.books.rows.roll_back(row)
            raise
        return row

    async def fails(self, sql: str, sqlstate: str) -> None:
        try:
            await self.client.query(sql)
        except ServerError as error:
            if error.sqlstate != sqlstate:
                raise
        else:
            raise Wrong(f"{sql} did not fail")

    async def copied_in(self) -> None:
        rows = [self.books.rows.new() for _ in range(self.chance.randint(1, 40))]
        data = "".join(f"{row}\t{self.number}\n" for row in rows).encode()
        try:
            await self.client.copy_in("COPY ledger FROM STDIN", data)
        except ServerError:
            self.books.rows.roll_back(*rows)
            raise
        self.books.rows.commit(*rows)

    async def copy_failed(self) -> None:
        rows = [self.books.rows.new() for _ in range(3)]
        data = "".join(f"{row}\t{self.number}\n" for row in rows).encode()
        try:
            await self.client.copy_in("COPY ledger FROM STDIN", data, fail=True)
        except ServerError as error:
            self.books.rows.roll_back(*rows)
            if error.sqlstate != COPY_FAILED:
                raise
        else:
            raise Wrong("a COPY that failed is complete")

    async def copied_out(self) -> None:
        lines = self.chance.choice((10, 100, 3_000))
        text = f"COPY (SELECT {self.number} FROM generate_series(1, {lines})) TO STDOUT"
        reply = await self.client.query(text)
        self.expect(reply.copied, f"{self.number}\n".encode() * lines)

    async def large(self) -> None:
        size = self.chance.choice((1_000, 50_000, 400_000))
        reply = await self.client.query(f"SELECT repeat('x', {size})")
        self.expect(reply.rows, [["x" * size]])

    async def pinned(self) -> None:
        """Pin the session, and use what it keeps."""
        for _ in range(self.chance.randint(1, 3)):
            statement = site.pinning_statement(self.chance)
            await self.client.pin(messages.query(statement.encode()))

    async def pinned_table(self) -> None:
        text = "CREATE TEMP TABLE IF NOT EXISTS mine (n int)"
        await self.client.pin(messages.query(text.encode()))
        await self.client.query(f"INSERT INTO mine VALUES ({self.number})")
        reply = await self.client.query("SELECT DISTINCT n FROM mine")
        self.expect(reply.rows, [[str(self.number)]])

    async def notified(self) -> None:
        """Listen to a channel of its own, and notify it."""
        channel = f"channel_{self.number}"
        await self.client.pin(messages.query(f"LISTEN {channel}".encode()))
        reply = await self.client.query(f"NOTIFY {channel}, '{self.number}'")
        if messages.NOTIFICATION_RESPONSE not in (kind for kind, _ in reply.messages):
            await self.client.until(messages.NOTIFICATION_RESPONSE)

    async def canceled(self) -> None:
        """Cancel a statement; the request may come too late or too early."""
        text = "SELECT pg_sleep(0.3)"
        self.books.queries.sent += 1
        self.books.statements.sent += 1
        self.client.send(messages.query(text.encode()))
        await wire.cancel(self.books, self.where.port, self.client.key)
        try:
            await self.client.reply()
        except ServerError as error:
            if error.sqlstate != CANCELED:
                self._query_answered()
                raise
        self._query_answered()

    def _query_answered(self) -> None:
        self.books.queries.answered += 1
        self.books.statements.answered += 1

    async def vanish_busy(self) -> None:
        """Vanish in the middle of a query, a transaction, a COPY or a batch."""
        way = self.chance.randrange(4)
        if way == 0:
            self.books.queries.sent += 1
            self.books.statements.sent += 1
            self.client.send(messages.query(b"SELECT pg_sleep(0.05)"))
        elif way == 1:
            await self.client.query("BEGIN")
            row = await self.insert()
            self.books.rows.roll_back(row)
        elif way == 2:
            await self.client.query("COPY ledger FROM STDIN")
            self.client.send(messages.message(messages.COPY_DATA, b"0\t0\n"))
        else:
            self.client.send(wire.parse("", "SELECT 1"))
        await self.where.pause(self.chance)
        raise Vanished


class Vanished(Exception):
    """The client leaves without a word."""


Work = Callable[[Visit], Awaitable[None]]

READING: Final[tuple[tuple[Work, int], ...]] = (
    (Visit.simple, 8),
    (Visit.different_text, 4),
    (Visit.several, 2),
    (Visit.unnamed, 6),
    (Visit.named, 5),
    (Visit.pipeline, 3),
    (Visit.portal, 2),
    (Visit.copied_out, 2),
    (Visit.large, 1),
    (Visit.canceled, 1),
)
WRITING: Final[tuple[tuple[Work, int], ...]] = (
    (Visit.committed, 6),
    (Visit.alone, 4),
    (Visit.rolled_back, 2),
    (Visit.failed, 2),
    (Visit.copied_in, 2),
    (Visit.copy_failed, 1),
    (Visit.vanish_busy, 1),
)
PINNING: Final[tuple[tuple[Work, int], ...]] = (
    (Visit.pinned, 4),
    (Visit.pinned_table, 1),
    (Visit.notified, 1),
)


def login(where: Site, chance: Random) -> Login:
    """Return a login at random."""
    return Login(
        chance.choice(site.MD5_ROLES),
        site.PASSWORD,
        DATABASE,
        chance.choice(site.PARAMETERS),
        where.choose_tls(chance),
    )


async def work(
    where: Site,
    chance: Random,
    port: int,
    works: tuple[tuple[Work, int], ...],
    most: int = MOST_WORKS,
) -> None:
    """Log in, do some of the works, and leave or vanish."""
    client = await WireClient.login(where.books, port, login(where, chance))
    visit = Visit(where, chance, client)
    choices, weights = zip(*works, strict=True)
    try:
        for _ in range(chance.randint(1, most)):
            await chance.choices(choices, weights)[0](visit)
            await where.pause(chance)
            if where.stopping.is_set():
                break
        if chance.random() < SHARE_THAT_TERMINATES:
            client.leave()
    except Vanished:
        pass
    finally:
        client.abort()


async def reader(where: Site, chance: Random) -> None:
    await work(where, chance, where.choose_port(chance), READING)


async def writer(where: Site, chance: Random) -> None:
    await work(where, chance, where.port, READING + WRITING)


async def pinner(where: Site, chance: Random) -> None:
    """A client that pins, for a short time."""
    await work(where, chance, where.port, (*PINNING, *READING[:2]), most=3)


async def wrong_password(where: Site, chance: Random) -> None:
    books = where.books
    client = await WireClient.connect(books, where.port)
    books.wrong_passwords.sent += 1
    guess = Login(
        chance.choice(site.MD5_ROLES), site.WRONG_PASSWORD, DATABASE, {}, None
    )
    try:
        await client.log_in(guess)
    except Lost as lost:
        books.logins.sent -= 1
        if str(lost).endswith(NOT_ALLOWED):
            books.wrong_passwords.answered += 1
    else:
        raise Wrong("a wrong password was accepted")
    finally:
        client.abort()


async def stranger(where: Site, chance: Random) -> None:
    """A connection that never logs in: silent, cut short, or in no protocol."""
    client = await WireClient.connect(where.books, where.choose_port(chance))
    start = login(where, chance).startup
    way = chance.randrange(4)
    if way == 1:
        client.send(start[: chance.randrange(1, len(start))])
    elif way == 2:
        client.send(start)
    elif way == 3:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
    await where.pause(chance)
    client.abort()

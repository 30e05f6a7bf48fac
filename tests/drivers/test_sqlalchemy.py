"""SQLAlchemy on psycopg and on asyncpg: its core, its ORM, its pool."""

from collections.abc import AsyncIterator, Iterator
from hashlib import md5
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    ForeignKey,
    LargeBinary,
    create_engine,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    selectinload,
)

from tests.drivers.route import BIG_DIGEST, UNICODE, Route, big

PID = func.pg_backend_pid()


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    balance: Mapped[int]
    entries: Mapped[list["Entry"]] = relationship(order_by="Entry.id")


class Entry(Base):
    __tablename__ = "entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey(Account.id))
    text: Mapped[str]


class Document(Base):
    __tablename__ = "document"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)


def move(connection: Connection, amount: int) -> None:
    for account, change in ((1, -amount), (2, amount)):
        connection.execute(
            update(Account)
            .where(Account.id == account)
            .values(balance=Account.balance + change)
        )


@pytest.fixture
def engine(route: Route) -> Iterator[Engine]:
    """An engine on psycopg without automatic prepares; a rollback drops them all."""
    where = {"host": route.endpoint.host, "port": route.endpoint.port}
    engine = create_engine(
        f"postgresql+psycopg://{route.endpoint.user}@/{route.endpoint.database}",
        connect_args=where | {"prepare_threshold": None},
    )
    yield engine
    engine.dispose()


@pytest.fixture
async def async_engine(route: Route) -> AsyncIterator[AsyncEngine]:
    """An engine on asyncpg, with its cache of prepared statements."""
    engine = create_async_engine(
        f"postgresql+asyncpg://{route.endpoint.user}@/{route.endpoint.database}",
        connect_args={"host": route.endpoint.host, "port": route.endpoint.port},
    )
    yield engine
    await engine.dispose()


def test_transactions(route: Route, engine: Engine) -> None:
    pids = []
    for amount in (10, 20):
        with engine.begin() as connection:
            move(connection, amount)
            pids.append(connection.execute(select(PID)).scalar_one())
        route.swap()
    with engine.connect() as connection:
        move(connection, 5)
        assert route.balances() == [70, 130]
    route.swap()
    with engine.connect() as connection:
        move(connection, 7)
        with pytest.raises(DBAPIError, match="division by zero"):
            connection.execute(text("SELECT 1 / 0"))
    route.swap()
    with engine.begin() as connection:
        move(connection, 1)
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(insert(Account).values(id=1, owner="", balance=0))
    assert route.balances() == [69, 131]
    route.check_servers(pids)


def test_orm(route: Route, engine: Engine) -> None:
    Base.metadata.create_all(engine)
    route.swap()
    with Session(engine) as session:
        account = Account(id=3, owner=UNICODE, balance=1)
        account.entries = [Entry(text=f"entry {number}") for number in range(100)]
        session.add(account)
        session.commit()
        route.swap()
        read = session.scalars(
            select(Account)
            .where(Account.owner == UNICODE)
            .options(selectinload(Account.entries))
        ).one()
        assert [entry.text for entry in read.entries] == [
            f"entry {number}" for number in range(100)
        ]
        read.balance += 41
        session.commit()
        route.swap()
        session.delete(read.entries[0])
        session.rollback()
    assert route.balances() == [100, 100, 42]


def test_streamed_rows(route: Route, engine: Engine) -> None:
    """stream_results is a cursor that the server declares."""
    with engine.connect() as connection:
        rows = connection.execution_options(yield_per=100).execute(
            text("SELECT * FROM generate_series(1, 1000)")
        )
        assert [row[0] for row in rows] == list(range(1, 1001))


def test_big_value(route: Route, engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Document).values(id=1, value=big()))
    route.swap()
    with engine.connect() as connection:
        digest, value = connection.execute(
            select(func.md5(Document.value), Document.value)
        ).one()
    assert digest == md5(value).hexdigest() == BIG_DIGEST


def test_copy(route: Route, engine: Engine) -> None:
    """The driver's own connection copies, inside SQLAlchemy's transaction."""
    lines = "".join(f"{number}\tmany\t{number}\n" for number in range(3, 1003))
    rows = "COPY (SELECT * FROM account WHERE id > 2 ORDER BY id) TO STDOUT"
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy("COPY account FROM STDIN") as copy:
            copy.write(lines)
    route.swap()
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(rows) as copy:
            assert b"".join(copy).decode() == lines


def test_server_change(route: Route, engine: Engine) -> None:
    """The dialect reads the schema, after a swap and after a change of it."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE account ADD extra text"))
    route.swap()
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM account WHERE id = 1")).one()
    assert row._fields == ("id", "owner", "balance", "extra")


async def test_asyncpg_transactions(route: Route, async_engine: AsyncEngine) -> None:
    pids = []
    for amount in (10, 20):
        async with async_engine.begin() as connection:
            await connection.run_sync(move, amount)
            pids.append((await connection.execute(select(PID))).scalar_one())
        route.swap()
    async with async_engine.connect() as connection:
        await connection.run_sync(move, 5)
        with pytest.raises(DBAPIError, match="division by zero"):
            await connection.execute(text("SELECT 1 / 0"))
    route.swap()
    async with async_engine.begin() as connection:
        await connection.run_sync(move, 1)
    assert route.balances() == [69, 131]
    route.check_servers(pids)


async def test_asyncpg_orm(route: Route, async_engine: AsyncEngine) -> None:
    async with async_engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    route.swap()
    for turn in range(3):
        async with AsyncSession(async_engine) as session:
            account = Account(id=3 + turn, owner=UNICODE, balance=turn)
            account.entries = [Entry(text=f"entry {number}") for number in range(50)]
            session.add(account)
            await session.commit()
            route.swap()
            read = await session.scalars(
                select(Account)
                .where(Account.id == 3 + turn)
                .options(selectinload(Account.entries))
            )
            assert len(read.one().entries) == 50
        route.swap()
    assert route.balances() == [100, 100, 0, 1, 2]


async def test_asyncpg_streamed_rows(route: Route, async_engine: AsyncEngine) -> None:
    """Here it is a portal, read with a row limit."""
    async with async_engine.connect() as connection:
        rows = await connection.stream(text("SELECT * FROM generate_series(1, 1000)"))
        assert [row[0] async for row in rows] == list(range(1, 1001))
    route.swap()
    async with async_engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def test_asyncpg_big_value(route: Route, async_engine: AsyncEngine) -> None:
    async with async_engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(Document).values(id=1, value=big()))
    route.swap()
    async with async_engine.connect() as connection:
        rows = await connection.execute(
            select(func.md5(Document.value), Document.value)
        )
    digest, value = rows.one()
    assert digest == md5(value).hexdigest() == BIG_DIGEST

"""Connect the engine to the proxy. Nothing else changes."""

from collections.abc import Iterator

import pytest
from shop.orders import Base
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

import pinwatch


@pytest.fixture(scope="session")
def engine(pinwatch_proxy: pinwatch.Proxy) -> Iterator[Engine]:
    engine = create_engine(pinwatch_proxy.url("psycopg"))
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session

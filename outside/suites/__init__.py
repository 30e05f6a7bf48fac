"""The suites, one module each."""

from __future__ import annotations

from outside.suite import Suite
from outside.suites import (
    asyncpg,
    dbd_pg,
    django,
    isolation,
    lib_pq,
    libpq_pipeline,
    node_postgres,
    pg8000,
    pgx,
    postgres_js,
    psycopg,
    regress,
    sqlalchemy,
)

SUITES: tuple[Suite, ...] = (
    libpq_pipeline.LibpqPipeline(),
    isolation.Isolation(),
    regress.Regress(),
    asyncpg.Asyncpg(),
    pg8000.Pg8000(),
    sqlalchemy.SQLAlchemy("psycopg"),
    sqlalchemy.SQLAlchemy("asyncpg"),
    django.Django(),
    pgx.Pgx(),
    lib_pq.LibPq(),
    psycopg.Psycopg(),
    node_postgres.NodePostgres(),
    postgres_js.PostgresJs(),
    dbd_pg.DBDPg(),
)


def choose(names: list[str]) -> list[Suite]:
    """Return the suites with these names, or all. Raises ValueError for others."""
    known = {suite.name: suite for suite in SUITES}
    for name in names:
        if name not in known:
            raise ValueError(f"no suite {name!r}: choose from {', '.join(known)}")
    return [known[name] for name in known if name in names or not names]

"""The one connection of an execution environment, kept between invocations."""

import os
import time
from typing import Any

import boto3
import psycopg

MAX_IDLE = 25 * 60  # seconds; RDS Proxy closes a client that is idle for 30 minutes

_connection: psycopg.Connection[Any] | None = None
_used_at = 0.0


def connection() -> psycopg.Connection[Any]:
    """Return the connection; open another one if this one may have been closed."""
    global _connection, _used_at
    now = time.time()
    if _connection is None or _connection.closed or now - _used_at > MAX_IDLE:
        if _connection is not None:
            _connection.close()
        _connection = connect()
    _used_at = now
    return _connection


def connect() -> psycopg.Connection[Any]:
    url = os.environ["DATABASE_URL"]
    parameters = psycopg.conninfo.conninfo_to_dict(url)
    if os.environ.get("DATABASE_LOGIN") == "IAM":
        parameters |= {"password": token(parameters), "sslmode": "require"}
    return psycopg.connect(
        **parameters,
        autocommit=True,
        prepare_threshold=None,  # psycopg's DEALLOCATE ALL after a rollback pins
    )


def token(parameters: dict[str, Any]) -> str:
    """Return a token, which is valid for 15 minutes: enough for one login."""
    made: str = boto3.client("rds").generate_db_auth_token(
        parameters["host"], int(parameters.get("port", 5432)), parameters["user"]
    )
    return made

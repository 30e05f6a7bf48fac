"""pinwatch release: close idle database connections, so that a database can go."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from pinwatch.cli.http_side import DEFAULT_URL, HttpSide, Token, Url
from pinwatch.text import number_of

RELEASE_TIMEOUT: Final = 10.0  # seconds that the server gets to let go


def release(
    database: Annotated[
        str | None,
        typer.Argument(
            metavar="DATABASE", help="Name of the database. Default: all databases."
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Close idle database connections, then return.

    Idle connections of the pool block DROP DATABASE, ALTER DATABASE ... RENAME
    and CREATE DATABASE ... TEMPLATE. Connections that clients use stay open.

    The setting release_on_ddl does the same before each such statement.

    [bold]Examples[/bold]

    $ pinwatch release test_app

    $ pinwatch release
    """
    asked = {"database": database}
    side = HttpSide(url, token)
    answer = side.ask("POST", "/api/release", asked, extra_seconds=RELEASE_TIMEOUT)
    with side.expected():
        closed = answer["closed"]
    where = "" if database is None else f" to the database {database}"
    print(f"Closed {number_of(closed, 'idle connection')}{where}.")

"""pinwatch failover: make another target the writer, as a failover in RDS does."""

from __future__ import annotations

from typing import Annotated

import typer

from pinwatch.cli.asking import DEFAULT_URL, HttpSide, Token, Url


def failover(
    to: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The target that is to be the writer."),
    ] = None,
    outage: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="How long there is no writer."),
    ] = 0,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Fail over: clients at work lose their connections, others wait for the writer.

    Where the proxy has one target, that goes away and comes back.

    [bold]Examples[/bold]

    $ pinwatch failover --outage 30

    $ pinwatch failover --to replica
    """
    asked = {"to": to, "outage": outage}
    told = HttpSide(url, token).ask("POST", "/api/failover", asked, patience=outage)
    print(f"The writer is {told['after']}, and was {told['before']}.")

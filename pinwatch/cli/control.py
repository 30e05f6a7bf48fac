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
    if outage:
        print(f"There is no writer for {outage:g} seconds.", flush=True)
    told = HttpSide(url, token).ask("POST", "/api/failover", asked, patience=outage)
    before, after = told["before"], told["after"]
    if before == after:
        print(f"The target {after} was away for {outage:g} seconds.")
    else:
        print(f"The writer is {after}, and was {before}.")

"""pinwatch failover and pinwatch reload: control a running pinwatch over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from pinwatch.cli.http_side import DEFAULT_URL, HttpSide, Token, Url


def failover(
    to: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the target that becomes the writer."
        ),
    ] = None,
    outage: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Time without a writer."),
    ] = 0,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Fail over: busy clients lose their connections, others wait for the new writer.

    A proxy with a single target loses that target for the time of the outage.

    [bold]Examples[/bold]

    $ pinwatch failover --outage 30

    $ pinwatch failover --to replica
    """
    request = {"to": to, "outage": outage}
    if outage:
        print(f"Failing over; no writer for {outage:g} s.", flush=True)
    side = HttpSide(url, token)
    done = side.ask("POST", "/api/failover", request, extra_seconds=outage)
    with side.expected():
        before, after = done["before"], done["after"]
    if before == after:
        print(f"The writer {after} was away for {outage:g} s.")
    else:
        print(f"Failed over: writer {before} -> {after}.")


def reload(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Read the settings of a running pinwatch again, as SIGHUP does.

    [bold]Example[/bold]

    $ pinwatch reload
    """
    side = HttpSide(url, token)
    with side.expected():
        restart = side.ask("POST", "/api/reload")["restart"]
    print("Settings reloaded.")
    if restart:
        print(f"Restart pinwatch to apply: {', '.join(restart)}.")

"""pinwatch reload: read the settings of a running pinwatch again."""

from __future__ import annotations

from pinwatch.cli.asking import DEFAULT_URL, HttpSide, Token, Url


def reload(url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Read the settings of a running pinwatch again, as SIGHUP does.

    [bold]Example[/bold]

    $ pinwatch reload
    """
    late = HttpSide(url, token).ask("POST", "/api/reload")["restart"]
    print("The settings were read again.")
    if late:
        print(f"These need a new start: {', '.join(late)}.")

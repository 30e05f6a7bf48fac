"""What a command asks the HTTP side of a running pinwatch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import typer

from pinwatch.errors import SettingError

DEFAULT_URL: Final = "http://localhost:9632"
TIMEOUT: Final = 10.0  # seconds until the HTTP side has to have answered
UNAUTHORIZED: Final = 401

Url = Annotated[
    str, typer.Option(metavar="URL", help="The HTTP side of a running pinwatch.")
]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", envvar="PINWATCH_HTTP_TOKEN", help="Its http_token, if any."
    ),
]


@dataclass(frozen=True, slots=True)
class HttpSide:
    url: str
    token: str | None = field(repr=False)

    def get(self, path: str) -> Any:
        """What it answers; raises SettingError."""
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        try:
            request = Request(f"{self.url.rstrip('/')}{path}")
            if self.token is not None:
                token = self.token.encode().decode("latin-1")  # as curl sends it
                request.add_header("Authorization", f"Bearer {token}")
            with urlopen(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code == UNAUTHORIZED:
                raise SettingError(
                    f"--url is {self.url}, which wants its http_token: give it by "
                    "--token or PINWATCH_HTTP_TOKEN."
                ) from None
            raise self._silent(error) from None
        except (OSError, ValueError) as error:
            raise self._silent(error) from None

    def _silent(self, error: Exception) -> SettingError:
        return SettingError(
            f"--url is {self.url}, but no pinwatch answers there: {error}."
        )

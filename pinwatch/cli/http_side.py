"""What a command asks the HTTP side of a running pinwatch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pinwatch.errors import PinwatchError, SettingError

if TYPE_CHECKING:
    from urllib.error import HTTPError

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
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None, patience: float = 0) -> Any:
        """What it answers, at most patience seconds later than usual.

        Raises SettingError where it does not answer, and PinwatchError with what it
        says where it refuses.
        """
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        try:
            request = Request(f"{self._base}{path}", method=method)
            if body is not None:
                request.data = json.dumps(body).encode()
                request.add_header("Content-Type", "application/json")
            if self.token is not None:
                token = self.token.encode().decode("latin-1")  # as curl sends it
                request.add_header("Authorization", f"Bearer {token}")
            with urlopen(request, timeout=TIMEOUT + patience) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code == UNAUTHORIZED:
                raise SettingError(
                    f"--url is {self.url}, which wants its http_token: give it by "
                    "--token or PINWATCH_HTTP_TOKEN."
                ) from None
            raise _refusal(error) or self._silent(error) from None
        except (OSError, ValueError, HTTPException) as error:
            raise self._silent(error) from None

    @property
    def _base(self) -> str:
        scheme = "" if "://" in self.url else "http://"
        return f"{scheme}{self.url.rstrip('/')}"

    def _silent(self, error: Exception) -> SettingError:
        return SettingError(
            f"--url is {self.url}, but no pinwatch answers there: {_why(error)}. "
            "pinwatch up starts one."
        )


def _why(error: Exception) -> str:
    """In a few words."""
    from http.client import HTTPException, InvalidURL

    match error:
        case InvalidURL():
            return "it is no URL"
        case json.JSONDecodeError() | UnicodeDecodeError():
            return "what answers is something else"
        case HTTPException() if not isinstance(error, OSError):
            return "what answers is something else"
        case _:
            reason = getattr(error, "reason", error)
            return getattr(reason, "strerror", None) or str(reason)


def _refusal(error: HTTPError) -> PinwatchError | None:
    """What pinwatch itself said; None where somebody else answered."""
    try:
        return PinwatchError(str(json.load(error)["error"]))
    except (ValueError, KeyError, TypeError):
        return None

"""Requests to the HTTP side of a running pinwatch, and the errors that users read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pinwatch.errors import PinwatchError, SettingError
from pinwatch.text import printable

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.error import HTTPError

DEFAULT_URL: Final = "http://localhost:9632"
TIMEOUT: Final = 10.0  # seconds for the HTTP side to answer
MAX_QUOTED: Final = 200  # characters of an answer in an error text
UNAUTHORIZED: Final = 401
SERVER_ERROR: Final = 500
FIELD: Final = re.compile(r"\A(\w+): (?=must )")
"""Matches the beginning of pinwatch's text about a field with a wrong value."""
OPTIONS: Final = {"lasting": "for"}
"""The options whose names are not those of the fields that they set."""

Url = Annotated[
    str, typer.Option(metavar="URL", help="HTTP address of the running pinwatch.")
]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        envvar="PINWATCH_HTTP_TOKEN",
        help="The http_token of the running pinwatch, if it has one.",
    ),
]


@dataclass(frozen=True, slots=True)
class HttpSide:
    url: str
    token: str | None = field(repr=False)

    def get(self, path: str) -> Any:
        """Return the JSON at path; raises as ``ask`` does."""
        return self.ask("GET", path)

    def get_list(self, path: str) -> list[Any]:
        """Return the JSON array at path; raises as ``ask`` does."""
        found = self.get(path)
        if not isinstance(found, list):
            raise self.unexpected()
        return found

    def ask(
        self, method: str, path: str, body: Any = None, extra_seconds: float = 0
    ) -> Any:
        """Send a request and return the JSON of the answer.

        ``extra_seconds`` are added to the timeout, for requests that take long. Raises
        SettingError if no pinwatch answers at the URL, or with pinwatch's own text if
        it refuses the request, and PinwatchError if it fails.
        """
        from http.client import HTTPException
        from urllib.error import HTTPError

        try:
            with self._open(method, path, body, TIMEOUT + extra_seconds) as answer:
                return self._json(answer)
        except HTTPError as error:
            raise self._refusal(error) from None
        except (OSError, ValueError, HTTPException) as error:
            raise self._silent(error) from None

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Report an answer without the expected keys and values as another server's."""
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            raise self.unexpected() from None

    def unexpected(self) -> SettingError:
        """Return the error for an answer that pinwatch would not send."""
        return self._other("its answer is not one of pinwatch's")

    def _open(
        self, method: str, path: str, body: Any, timeout_seconds: float
    ) -> HTTPResponse:
        from urllib.request import HTTPRedirectHandler, Request, build_opener

        class NoRedirects(HTTPRedirectHandler):
            """A redirect is another server's, and must not receive the token."""

            def redirect_request(self, *_: object) -> None:
                return None

        request = Request(f"{self._base}{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.token is not None:
            token = self.token.encode().decode("latin-1")  # as curl sends it
            request.add_header("Authorization", f"Bearer {token}")
        opener = build_opener(NoRedirects)
        answer: HTTPResponse = opener.open(request, timeout=timeout_seconds)
        return answer

    @property
    def _base(self) -> str:
        scheme = "" if "://" in self.url else "http://"
        return f"{scheme}{self.url.rstrip('/')}"

    def _json(self, answer: HTTPResponse) -> Any:
        from http.client import IncompleteRead

        try:
            body = answer.read()
        except IncompleteRead:
            raise PinwatchError(
                f"The answer from {self.url} was cut off: try again, and check that "
                "pinwatch still runs."
            ) from None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise self._other(f"the answer is not JSON: {_quoted(body)}") from None

    def _refusal(self, error: HTTPError) -> PinwatchError:
        """Return the error for an answer whose status is not 200."""
        from http.client import HTTPException

        if error.code == UNAUTHORIZED:
            return SettingError(
                f"--url is {self.url}, which requires its http_token: give it by "
                "--token or PINWATCH_HTTP_TOKEN."
            )
        try:
            body = error.read()
        except (OSError, HTTPException):
            body = b""
        text = _own_text(body)
        status = f"{error.code} {printable(str(error.reason))}".strip()
        if error.code >= SERVER_ERROR:
            said = text or _quoted(body)
            return PinwatchError(
                f"{self.url} answered {status}" + (f": {said}" if said else ".")
            )
        if text:
            return SettingError(FIELD.sub(_option, text))
        location = error.headers.get("Location")
        if location:
            return self._other(f"it redirects to {printable(location)}")
        return self._other(f"the answer is {status}")

    def _other(self, why: str) -> SettingError:
        return SettingError(
            f"--url is {self.url}, but the server there is not pinwatch: "
            f"{why.rstrip('.')}."
        )

    def _silent(self, error: Exception) -> SettingError:
        return SettingError(
            f"--url is {self.url}, but no pinwatch answers there: {_why(error)}. "
            "pinwatch up starts one."
        )


def _why(error: Exception) -> str:
    from http.client import HTTPException, InvalidURL

    match error:
        case InvalidURL():
            return "it is not a URL"
        case HTTPException() if not isinstance(error, OSError):
            return "the server there does not speak HTTP"
        case _:
            reason = getattr(error, "reason", error)
            return getattr(reason, "strerror", None) or str(reason)


def _option(field: re.Match[str]) -> str:
    return f"--{OPTIONS.get(field[1], field[1])} "


def _own_text(body: bytes) -> str:
    """Return the error text of pinwatch's own answer; empty for another server's."""
    try:
        return printable(str(json.loads(body)["error"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _quoted(body: bytes) -> str:
    text = " ".join(body.decode("utf-8", "replace").split())
    return printable(text[:MAX_QUOTED])

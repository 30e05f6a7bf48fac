"""Asks the HTTP side of a running pinwatch."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import typer

from pinwatch.errors import PinwatchError

TIMEOUT: Final = 10.0  # seconds, beside those that the request itself takes

Url = Annotated[
    str, typer.Option(metavar="URL", help="The HTTP side of a running pinwatch.")
]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN", envvar="PINWATCH_HTTP_TOKEN", help="Its http_token, if any."
    ),
]
DEFAULT_URL: Final = "http://127.0.0.1:9632"


def ask(
    url: str,
    token: str | None,
    path: str,
    method: str = "GET",
    body: dict[str, Any] | None = None,
    patience: float = 0,
) -> Any:
    """What it answers, of JSON; raises PinwatchError."""
    request = Request(
        url.rstrip("/") + path,
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urlopen(request, timeout=TIMEOUT + patience) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise PinwatchError(_why(error)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise PinwatchError(f"No pinwatch answers at {url}: {reason}.") from None


def _why(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"The HTTP side answered {error.code} {error.reason}."

"""Who may ask the HTTP side: ASGI middleware before all of it.

Owns the token, the refusal of what other sites make a browser send, and the headers by
which a browser protects itself. Knows no route but the two that stay open.
"""

import re
from hashlib import sha256
from hmac import HMAC, compare_digest
from typing import Final

from pydantic import SecretStr
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pinwatch.config.model import Address
from pinwatch.web.operation import Error, told

OPEN: Final = ("/healthz", "/readyz")
SAFE_METHODS: Final = ("GET", "HEAD")
SAME_SITE: Final = ("same-origin", "none")  # none is a person's own doing
COOKIE: Final = "pinwatch_token"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
HOST: Final = re.compile(
    r"(\[(?P<ipv6>[0-9a-f:.]*:[0-9a-f:.]*)]|(?P<name>[a-z0-9-]+(\.[a-z0-9-]+)*\.?))"
    r"(:(?P<port>[0-9]{0,5}))?",
    re.ASCII | re.IGNORECASE,
)
"""A Host header, by RFC 9112: no user info, no path, no zone. A name may end in a dot,
as that of the root."""

MAX_PORT: Final = 65_535
WELCOME: Final = (
    '<!DOCTYPE html>\n<html lang="en"><title>pinwatch</title>'
    '<meta http-equiv="refresh" content="0; url=/"><a href="/">pinwatch</a></html>'
)
"""A redirect would still be the doing of the site whose link was followed, to which
a browser sends no strict cookie."""


class Guard:
    """Before app, which listens there; without a token, whoever connects may ask."""

    def __init__(self, app: ASGIApp, listen: Address, token: SecretStr | None) -> None:
        self.app = app
        self.local = listen.is_loopback
        self.token = None if token is None else Token(token.get_secret_value())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        answer = self._refused(request) or self._let_in(request) or self.app
        await answer(scope, receive, _protected(send))

    def _refused(self, request: Request) -> Response | None:
        if self.local and not _asks_this_machine(request):
            return _no(403, "On a loopback address, the Host header must name one.")
        if request.method not in SAFE_METHODS and _is_cross_site(request):
            return _no(403, "Another site may not ask for this.")
        return None

    def _let_in(self, request: Request) -> Response | None:
        token = self.token
        if token is None or request.scope["path"] in OPEN or token.is_shown(request):
            return None
        if token.is_handed_over(request):
            welcome = HTMLResponse(WELCOME)
            welcome.set_cookie(COOKIE, token.cookie, httponly=True, samesite="strict")
            return welcome
        refusal = _no(401, "The http_token is needed: as Bearer, or open /?token=...")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal


class Token:
    """The cookie is not the token itself: other ports of this host are sent it too."""

    def __init__(self, token: str) -> None:
        self.secret = token.encode()
        self.cookie = HMAC(self.secret, COOKIE.encode(), sha256).hexdigest()

    def is_shown(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        bearer = scheme.lower() == "bearer" and self._is(given.encode("latin-1"))
        cookie = request.cookies.get(COOKIE, "").encode("latin-1", "replace")
        return bearer or compare_digest(cookie, self.cookie.encode())

    def is_handed_over(self, request: Request) -> bool:
        given = request.query_params.get("token", "")
        return request.scope["path"] == "/" and self._is(given.encode())

    def _is(self, given: bytes) -> bool:
        return compare_digest(given, self.secret)


def _asks_this_machine(request: Request) -> bool:
    """Another name may be another site's, which resolves it to this machine."""
    found = HOST.fullmatch(request.headers.get("host", ""))
    if found is None or int(found["port"] or 0) > MAX_PORT:
        return False
    host = found["name"] or f"[{found['ipv6']}]"
    return Address.parse(f"{host.lower().removesuffix('.')}:0").is_loopback


def _is_cross_site(request: Request) -> bool:
    """What is no browser says nothing, and cannot be made to ask."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in SAME_SITE
    origin = request.headers.get("origin")
    return origin is not None and (
        origin.partition("://")[2] != request.headers.get("host")
    )


def _no(status: int, sentence: str) -> Response:
    return told(Error(error=sentence), status)


def _protected(send: Send) -> Send:
    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return protected

"""Access to the HTTP side: ASGI middleware before all routes.

Owns the check of the token, the rejection of requests that other sites make a browser
send, and the headers that protect a browser. Two routes need no token.
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
from pinwatch.web.operation import Error, json_response

WITHOUT_TOKEN: Final = ("/healthz", "/readyz")
SAFE_METHODS: Final = ("GET", "HEAD")
SAME_SITE: Final = ("same-origin", "none")  # none: typed, or a bookmark
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

TOKEN_NEEDED: Final = (
    "The http_token is needed: send Authorization: Bearer, or open /?token=..."
)
MAX_PORT: Final = 65_535
COOKIE_PAGE: Final = (
    '<!DOCTYPE html>\n<html lang="en"><title>pinwatch</title>'
    '<meta http-equiv="refresh" content="0; url=/"><a href="/">pinwatch</a></html>'
)
"""A page instead of a redirect: after a link on another site, a browser would follow a
redirect without the cookie, which is SameSite=strict."""


class Guard:
    """Middleware for an app that listens on that address; without a token, any client
    that connects has access."""

    def __init__(self, app: ASGIApp, listen: Address, token: SecretStr | None) -> None:
        self.app = app
        self.local = listen.is_loopback
        self.token = None if token is None else Token(token.get_secret_value())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        response = self._rejected(request) or self._unauthenticated(request) or self.app
        await response(scope, receive, _with_headers(send))

    def _rejected(self, request: Request) -> Response | None:
        if self.local and not _names_this_machine(request):
            return _rejection(
                403, "The Host header must be localhost or a loopback address."
            )
        if request.method not in SAFE_METHODS and _is_cross_site(request):
            return _rejection(403, "Requests from other sites are not allowed.")
        return None

    def _unauthenticated(self, request: Request) -> Response | None:
        token = self.token
        if (
            token is None
            or request.scope["path"] in WITHOUT_TOKEN
            or token.is_presented(request)
        ):
            return None
        if token.is_exchanged(request):
            page = HTMLResponse(COOKIE_PAGE)
            page.set_cookie(COOKIE, token.cookie, httponly=True, samesite="strict")
            return page
        response = _rejection(401, TOKEN_NEEDED)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response


class Token:
    """The http_token, and a cookie derived from it: browsers send a cookie to all ports
    of a host, so it must not be the token itself."""

    def __init__(self, token: str) -> None:
        self.secret = token.encode()
        self.cookie = HMAC(self.secret, COOKIE.encode(), sha256).hexdigest()

    def is_presented(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        bearer = scheme.lower() == "bearer" and self._is(given.encode("latin-1"))
        cookie = request.cookies.get(COOKIE, "").encode("latin-1", "replace")
        return bearer or compare_digest(cookie, self.cookie.encode())

    def is_exchanged(self, request: Request) -> bool:
        given = request.query_params.get("token", "")
        return request.scope["path"] == "/" and self._is(given.encode())

    def _is(self, given: bytes) -> bool:
        return compare_digest(given, self.secret)


def _names_this_machine(request: Request) -> bool:
    """Return whether the Host header names this machine.

    Any other name may belong to another site that lets it resolve to this machine.
    """
    found = HOST.fullmatch(request.headers.get("host", ""))
    if found is None or int(found["port"] or 0) > MAX_PORT:
        return False
    host = found["name"] or f"[{found['ipv6']}]"
    return Address.parse(f"{host.lower().removesuffix('.')}:0").is_loopback


def _is_cross_site(request: Request) -> bool:
    """Return whether a browser sent the request for another site.

    Other clients send neither header, and no site can make them send a request.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in SAME_SITE
    origin = request.headers.get("origin")
    return origin is not None and (
        origin.partition("://")[2] != request.headers.get("host")
    )


def _rejection(status: int, sentence: str) -> Response:
    return json_response(Error(error=sentence), status)


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return with_headers

"""What the HTTP side answers."""

from collections.abc import Collection
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pinwatch.session import ClientSession
from pinwatch.web import sessions


class Watched(Protocol):
    """The proxy."""

    @property
    def sessions(self) -> Collection[ClientSession]: ...


def app(proxy: Watched, *more: Route) -> Starlette:
    """Answers for proxy, and by the routes of other rooms."""

    async def healthz(request: Request) -> JSONResponse:
        """200 as long as the loop that relays statements runs."""
        return JSONResponse({"status": "ok"})

    async def api_sessions(request: Request) -> JSONResponse:
        """Every client session, pinned or not."""
        return JSONResponse([sessions.described(one) for one in proxy.sessions])

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/api/sessions", api_sessions),
            *more,
        ]
    )

"""The ASGI application: all routes of the HTTP side, the static page among them."""

from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from pinwatch.observers.pin_history import History
from pinwatch.proxy.proxy import Proxy
from pinwatch.web.alerts import alerts_routes
from pinwatch.web.control import config_route
from pinwatch.web.docs import docs_route
from pinwatch.web.health import healthz_route, readyz_route
from pinwatch.web.openapi import Schema, document, document_route
from pinwatch.web.operation import Error, json_response
from pinwatch.web.pins import digests_route, pins_route
from pinwatch.web.pool import pool_route, sessions_route
from pinwatch.web.rules import rules_routes
from pinwatch.web.stream import Feed, stream_route

STATIC: Final = Path(__file__).parent / "static"


def app(proxy: Proxy, history: History, feed: Feed, *more: BaseRoute) -> Starlette:
    """Return the application for one proxy; more are routes of other packages."""

    def describe() -> Schema:
        return document(routes)

    routes: list[BaseRoute] = [
        healthz_route(),
        readyz_route(proxy),
        sessions_route(proxy),
        pins_route(history),
        stream_route(feed),
        digests_route(history),
        pool_route(proxy),
        config_route(proxy),
        document_route(describe),
        docs_route(describe),
        *_page_routes(),
        *rules_routes(),
        *alerts_routes(),
        *more,
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _error})


def _page_routes() -> list[BaseRoute]:
    async def page(request: Request) -> FileResponse:
        """The live page."""
        return FileResponse(STATIC / "index.html", media_type="text/html")

    async def icon(request: Request) -> FileResponse:
        """The icon, at the path where browsers look for one by themselves."""
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    files = StaticFiles(directory=STATIC)
    return [
        Route("/", page, methods=["GET"], include_in_schema=False),
        Route("/favicon.ico", icon, methods=["GET"], include_in_schema=False),
        Mount("/static", files, name="static"),
    ]


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = json_response(Error(error=error.detail), error.status_code)
    response.headers.update(error.headers or {})
    return response

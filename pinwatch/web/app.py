"""What the HTTP side answers."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pinwatch.observers.pin_history import History
from pinwatch.proxy.proxy import Proxy
from pinwatch.web.docs import docs_route
from pinwatch.web.effective import config_route
from pinwatch.web.health import healthz_route, readyz_route
from pinwatch.web.openapi import Schema, document, document_route
from pinwatch.web.operation import Error, told
from pinwatch.web.page import page_routes
from pinwatch.web.pins import digests_route, pins_route
from pinwatch.web.pool import pool_route
from pinwatch.web.sessions import sessions_route
from pinwatch.web.stream import Feed, stream_route


def app(proxy: Proxy, history: History, feed: Feed, *more: BaseRoute) -> Starlette:
    """Answers for proxy, and by the routes of other rooms."""

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
        *page_routes(),
        *more,
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = told(Error(error=error.detail), error.status_code)
    answer.headers.update(error.headers or {})
    return answer

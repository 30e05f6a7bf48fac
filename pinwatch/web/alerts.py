"""The page of the alerts over HTTP, to which their runbook_url leads."""

from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from pinwatch.web.documents import document

PAGE: Final = Path(__file__).with_name("alerts.md")


def alerts_routes() -> list[BaseRoute]:
    async def alerts(request: Request) -> HTMLResponse:
        """The meaning of each alert, and the steps to take."""
        return HTMLResponse(_page())

    return [Route("/alerts", alerts, methods=["GET"], include_in_schema=False)]


@cache
def _page() -> str:
    return document("Alerts", PAGE.read_text("utf-8"))

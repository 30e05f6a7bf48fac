"""The live page: static files, which ask the HTTP API for all that they show."""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

STATIC: Final = Path(__file__).parent / "static"


def page_routes() -> list[BaseRoute]:
    async def page(request: Request) -> FileResponse:
        """The live page."""
        return FileResponse(STATIC / "index.html", media_type="text/html")

    async def icon(request: Request) -> FileResponse:
        """Asked for by a browser that shows anything else of the HTTP side."""
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    files = StaticFiles(directory=STATIC)
    return [
        Route("/", page, methods=["GET"], include_in_schema=False),
        Route("/favicon.ico", icon, methods=["GET"], include_in_schema=False),
        Mount("/static", files, name="static"),
    ]

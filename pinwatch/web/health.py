"""Health checks: the proxy runs, and it can serve."""

import asyncio
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from pinwatch.errors import TargetError
from pinwatch.observers.schemas import Answer
from pinwatch.proxy.proxy import Proxy
from pinwatch.web.operation import Error, Operation, json_response


class Health(Answer):
    """The answer of a healthy proxy."""

    status: Literal["ok"] = "ok"


def healthz_route() -> Operation:
    async def healthz(request: Request) -> Response:
        """Return 200 while the proxy runs."""
        return json_response(Health())

    return Operation("/healthz", healthz, Health)


def readyz_route(proxy: Proxy) -> Operation:
    check: asyncio.Task[None] | None = None

    async def readyz(request: Request) -> Response:
        """Return 200 if the target can be reached: a database connection is open, or
        a login succeeds now. Otherwise return 503 and the reason."""
        nonlocal check
        if check is None or check.done():  # one login for all requests meanwhile
            loop = asyncio.get_running_loop()
            check = loop.create_task(proxy.group.reach())
        try:
            await asyncio.shield(check)
        except TargetError as error:
            return json_response(Error(error=str(error)), 503)
        return json_response(Health())

    return Operation("/readyz", readyz, Health, errors=(503,))

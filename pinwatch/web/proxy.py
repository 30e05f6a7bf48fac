"""The proxy itself as JSON: its name, version, profile, uptime and endpoints."""

from datetime import datetime
from typing import Self

from starlette.requests import Request
from starlette.responses import Response

from pinwatch import __version__
from pinwatch.metrics.tally import Tally
from pinwatch.observers.schemas import Answer
from pinwatch.proxy import endpoints, proxy
from pinwatch.version import COMPILED, PYTHON
from pinwatch.web.operation import Operation, json_response


class Endpoint(Answer):
    """An address that clients connect to."""

    name: str
    address: str
    role: str
    """READ_WRITE if the writer serves it, READ_ONLY if the readers do."""

    @classmethod
    def of(cls, endpoint: endpoints.Endpoint) -> Self:
        return cls(
            name=endpoint.name, address=str(endpoint.address), role=endpoint.role
        )


class Proxy(Answer):
    """The proxy."""

    name: str
    """The setting db_proxy_name."""

    version: str
    python: str
    """Version of Python."""

    compiled: bool
    """True in the compiled build."""

    profile: str
    """The rules by which sessions pin."""

    hidden_state: str
    """The setting hidden_state: off, report or reset."""

    started_at: datetime
    uptime: float
    """Seconds since started_at."""

    failovers: int
    """Number of failovers since the start."""

    endpoints: list[Endpoint]

    @classmethod
    def of(cls, running: proxy.Proxy, tally: Tally) -> Self:
        return cls(
            name=running.settings.db_proxy_name,
            version=__version__,
            python=PYTHON,
            compiled=COMPILED,
            profile=running.settings.profile,
            hidden_state=running.settings.hidden_state,
            started_at=running.started_at,
            uptime=running.clock.now - running.started,
            failovers=tally.failovers,
            endpoints=list(map(Endpoint.of, running.endpoints.values())),
        )


def proxy_route(running: proxy.Proxy, tally: Tally) -> Operation:
    async def proxy(request: Request) -> Response:
        """Show the proxy: name, version, profile, uptime and endpoints."""
        return json_response(Proxy.of(running, tally))

    return Operation("/api/proxy", proxy, Proxy)

"""The client sessions over HTTP."""

from starlette.requests import Request
from starlette.responses import Response

from pinwatch.observers.sessions import Session
from pinwatch.proxy.proxy import Proxy
from pinwatch.relay.client_session import Phase
from pinwatch.web.operation import Operation, told_all


def sessions_route(proxy: Proxy) -> Operation:
    async def sessions(request: Request) -> Response:
        """List all client sessions, pinned or not."""
        return told_all(
            Session.of(session)
            for session in list(proxy.sessions)
            if session.phase is not Phase.CLOSED
        )

    return Operation("/api/sessions", sessions, Session, several=True)

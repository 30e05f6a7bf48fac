"""The settings in force, without what is secret in them."""

from starlette.requests import Request
from starlette.responses import Response

from pinwatch.config.model import Settings
from pinwatch.proxy.proxy import Proxy
from pinwatch.web.operation import Operation, told


def config_route(proxy: Proxy) -> Operation:
    async def config(request: Request) -> Response:
        """Show the settings in force, with asterisks in place of secrets."""
        # They are SecretStr, whose JSON is asterisks; but for the target's password.
        shown = {"target": proxy.target.url}
        return told(proxy.settings.model_copy(update=shown))

    return Operation("/api/config", config, Settings)

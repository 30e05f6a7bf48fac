"""The history of leaks over HTTP."""

from itertools import islice
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from pinwatch.hidden.wording import WORDS
from pinwatch.observers import leak_history, schemas
from pinwatch.observers.leak_history import Leaks
from pinwatch.proxy.proxy import Proxy
from pinwatch.web.filters import Filters
from pinwatch.web.operation import Operation, json_list_response
from pinwatch.web.parameters import one_of

Kind = Annotated[
    str,
    AfterValidator(one_of(WORDS)),
    WithJsonSchema({"type": "string", "enum": list(WORDS)}),
]


class LeakQuery(Filters):
    """Filters for leaks. A leak must match all of them."""

    kind: Kind | None = None
    """Kind of state."""

    name: str | None = None
    """Name of the setting, object or channel, or key of the lock."""

    def covers(self, leak: leak_history.Leak) -> bool:
        event = leak.event
        return (
            self.kind in (None, event.kind)
            and self.name in (None, event.name)
            and self.match(event)
        )


def leaks_route(proxy: Proxy, leaks: Leaks) -> Operation:
    async def api_leaks(request: Request) -> Response:
        """List state that statements left on their database connections, unseen by
        RDS Proxy, newest first: the last 10,000 findings. Probes that run are awaited.
        Empty without the setting hidden_state."""
        query = LeakQuery.of(request)
        await proxy.probes_done()
        found = (leak for leak in leaks.leaks() if query.covers(leak))
        return json_list_response(
            schemas.Leak.of(leak) for leak in islice(found, query.limit)
        )

    return Operation(
        "/api/leaks",
        api_leaks,
        schemas.Leak,
        several=True,
        query=LeakQuery,
        errors=(400,),
    )

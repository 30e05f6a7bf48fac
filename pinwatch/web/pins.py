"""The history of pins over HTTP: pins with filters, and digests."""

from itertools import islice
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from pinwatch.observers import pin_history, schemas
from pinwatch.observers.digests import Digests, Order
from pinwatch.observers.pin_history import History
from pinwatch.pins.rules import CODES
from pinwatch.web.filters import Filters
from pinwatch.web.operation import Operation, json_list_response
from pinwatch.web.parameters import one_of

Rule = Annotated[
    str,
    AfterValidator(one_of(CODES)),
    WithJsonSchema({"type": "string", "enum": list(CODES)}),
]


class PinQuery(Filters):
    """Filters for pins. A pin must match all of them."""

    rule: Rule | None = None
    """Rule that pinned."""

    pinned: bool | None = None
    """True if the session is still pinned."""

    first: bool | None = None
    """True if the statement pinned the session, false if it was pinned already."""

    digest_id: str | None = None
    """The id of the pin's digest."""

    @property
    def selects(self) -> bool:
        """True if it is a filter for anything but the rule."""
        return bool(self.model_fields_set - {"limit", "order", "partial", "rule"})

    def covers(self, pin: pin_history.Pin) -> bool:
        event = pin.event
        return (
            self.rule in (None, event.rule)
            and self.pinned in (None, pin.until is None)
            and self.first in (None, event.first)
            and self.digest_id in (None, pin.digest_id)
            and self.match(event)
        )


class DigestQuery(PinQuery):
    """Filters for digests: those of a pin, then only pins count that match them."""

    order: Order = "pinned"
    """pinned: longest pinned time first; latest: digest of the latest pin first."""


def pins_route(history: History) -> Operation:
    async def api_pins(request: Request) -> Response:
        """List pins, newest first: all of sessions that are still pinned, and the
        last 10,000 others."""
        query, now = PinQuery.of(request), history.clock.now
        found = (pin for pin in history.pins() if query.covers(pin))
        return json_list_response(
            schemas.Pin.of(pin, now) for pin in islice(found, query.limit)
        )

    return Operation(
        "/api/pins", api_pins, schemas.Pin, several=True, query=PinQuery, errors=(400,)
    )


def digests_route(history: History) -> Operation:
    async def digests(request: Request) -> Response:
        """List pins by digest and rule, those with the longest pinned time first.
        With filters, only pins count that are kept and match them."""
        query, now = DigestQuery.of(request), history.clock.now
        ranked = _digests(history, query).ranked(now, query.order)
        found = (one for one in ranked if query.rule in (None, one.latest.rule))
        return json_list_response(
            schemas.Digest.of(digest, now) for digest in islice(found, query.limit)
        )

    return Operation(
        "/api/digests",
        digests,
        schemas.Digest,
        several=True,
        query=DigestQuery,
        errors=(400,),
    )


def _digests(history: History, query: PinQuery) -> Digests:
    if not query.selects:
        return history.digests
    return history.digests_of(pin for pin in history.pins() if query.covers(pin))

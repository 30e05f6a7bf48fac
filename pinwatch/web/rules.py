"""The pages of the rules over HTTP."""

from functools import cache
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from pinwatch.pins.names import HIDDEN_STATE, NAMES
from pinwatch.pins.rule_pages import index, page
from pinwatch.reports import hidden_state
from pinwatch.web.documents import document

UNSEEN: Final = f"""
RDS Proxy does not pin by this one, which pinwatch reports as well:

- [`{HIDDEN_STATE}`](/rules/{HIDDEN_STATE}): {hidden_state.SUMMARY}
"""


def rules_routes() -> list[BaseRoute]:
    async def all_rules(request: Request) -> HTMLResponse:
        """The list of the rules."""
        return HTMLResponse(_index())

    async def one_rule(request: Request) -> HTMLResponse:
        """The page of one rule."""
        rule = request.path_params["rule"]
        if rule not in NAMES:
            known = ", ".join(NAMES)
            raise HTTPException(404, f"No rule has that name: there is {known}.")
        return HTMLResponse(_page(rule))

    return [
        Route("/rules", all_rules, methods=["GET"], include_in_schema=False),
        Route("/rules/{rule}", one_rule, methods=["GET"], include_in_schema=False),
    ]


@cache
def _index() -> str:
    return document("Rules", index("/rules/{}") + UNSEEN)


@cache
def _page(rule: str) -> str:
    """Return the page of a rule, one of NAMES."""
    return document(rule, hidden_state.PAGE if rule == HIDDEN_STATE else page(rule))

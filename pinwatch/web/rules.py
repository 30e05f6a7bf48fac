"""The pages of the rules over HTTP."""

from functools import cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from pinwatch.pins.rule_pages import index, page
from pinwatch.pins.rules import CODES
from pinwatch.web.documents import document


def rules_routes() -> list[BaseRoute]:
    async def all_rules(request: Request) -> HTMLResponse:
        """The list of the rules."""
        return HTMLResponse(_index())

    async def one_rule(request: Request) -> HTMLResponse:
        """The page of one rule."""
        rule = request.path_params["rule"]
        if rule not in CODES:
            known = ", ".join(CODES)
            raise HTTPException(404, f"No rule has that name: there is {known}.")
        return HTMLResponse(_page(rule))

    return [
        Route("/rules", all_rules, methods=["GET"], include_in_schema=False),
        Route("/rules/{rule}", one_rule, methods=["GET"], include_in_schema=False),
    ]


@cache
def _index() -> str:
    return document("Rules", index("/rules/{}"))


@cache
def _page(rule: str) -> str:
    """Return the page of a rule, one of CODES."""
    return document(rule, page(rule))

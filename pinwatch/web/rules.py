"""The pages of the rules over HTTP, as HTML in the style of the live page."""

from functools import cache
from html import escape
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from pinwatch.pins.rule_pages import anchor, index, page
from pinwatch.pins.rules import CODES

TEMPLATE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{title} - pinwatch</title>
  <link rel="icon" href="/static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/static/base.css">
  <link rel="stylesheet" href="/static/rules.css">
</head>
<body class="document">
  <header>
    <p><a href="/">pinwatch</a></p>
    <nav aria-label="Rules and API">
      <a href="/rules">Rules</a> <a href="/api/docs">API</a>
    </nav>
  </header>
  <main>
    <section>
{body}
    </section>
  </main>
</body>
</html>
"""


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
    return _html("Rules", index("/rules/{}"))


@cache
def _page(rule: str) -> str:
    """Return the page of a rule, one of CODES."""
    return _html(rule, page(rule))


def _html(title: str, markdown: str) -> str:
    """Return a document with the Markdown, in which raw HTML is escaped."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for heading, text in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(text.content))
    body = parser.renderer.render(tokens, parser.options, {})
    return TEMPLATE.format(title=escape(title), body=body)

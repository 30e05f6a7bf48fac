"""Documents in Markdown as HTML in the style of the live page."""

from html import escape
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt

from pinwatch.pins.rule_pages import anchor

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
    <nav aria-label="Documents">
      <a href="/rules">Rules</a> <a href="/alerts">Alerts</a>
      <a href="/api/docs">API</a>
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


def document(title: str, markdown: str) -> str:
    """Return HTML of the Markdown; raw HTML in it is escaped, headings have ids."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for heading, text in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(text.content))
    body = parser.renderer.render(tokens, parser.options, {})
    return TEMPLATE.format(title=escape(title), body=body)

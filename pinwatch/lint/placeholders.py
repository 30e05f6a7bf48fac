"""Placeholders of migration tools and SQL generators, which no server ever sees.

::

    ${name}                         Flyway, and Liquibase
    sqlc.arg(name), sqlc.narg(...)  sqlc
    @name                           sqlc, pgx
    {{ name }}, {% if x %}, {# #}   Jinja, as of dbt; {{ config() }} has no value

They are replaced by names or blanks of the same length, so that positions remain.
psql's variables and drivers' placeholders are left to ``pins.script``.
"""

import re
from typing import Final

PLACEHOLDER: Final = re.compile(
    r"""
    (?P<control> \{%[^{}]*%\} | \{\#[^{}]*\#\} | \{\{-?\s*config\b[^{}]*\}\} )
  | (?P<value> (?<!\$)\$\{[\w.:-]+\} | \{\{[^{}]*\}\} | \bsqlc\.n?arg\([^()\n]*\)
             | (?<![\w@<>~!%^&|`?*/+=-])@\w+ )
    """,
    re.VERBOSE,
)


def without_placeholders(text: str) -> str:
    """Return text of the same length, without these placeholders."""
    if "{" not in text and "@" not in text and "sqlc" not in text:
        return text
    return PLACEHOLDER.sub(_replaced, text)


def _replaced(found: re.Match[str]) -> str:
    length = len(found[0])
    return " " * length if found["control"] else "x".ljust(length, "_")

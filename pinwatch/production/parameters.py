"""The values of bound parameters, which PostgreSQL logs in a DETAIL line.

::

    parameters: $1 = 'app.tenant', $2 = NULL
"""

import re
from typing import Final

from pinwatch.pins.tokens import PARAMETER, tokens

PREFIXES: Final = ("parameters: ", "Parameters: ")  # up to PostgreSQL 15, and since
VALUE: Final = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*+')")


def bound(sql: str, detail: str) -> str:
    """Return a text with the values of a DETAIL line in place of its parameters."""
    if not detail.startswith(PREFIXES):
        return sql
    values = dict(VALUE.findall(detail))
    parts: list[str] = []
    end = 0
    for token in tokens(sql).code:
        value = values.get(sql[token.start + 1 : token.end])
        if token.kind == PARAMETER and value is not None:
            parts += sql[end : token.start], value
            end = token.end
    return "".join([*parts, sql[end:]])

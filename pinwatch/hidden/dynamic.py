"""The text of SQL that PL/pgSQL builds at run time, as far as it is constant."""

import re
from typing import Any, Final

from pinwatch.pins.rules import Fields, function_name, uncast

UNKNOWN: Final = "pinwatch_unknown"
"""Stands for a part that is only known at run time, as a name or inside a string."""
PLACEHOLDER: Final = re.compile(r"%(?:\d+\$)?-?\d*([sIL%])")
"""Matches the parts that format() replaces.

https://www.postgresql.org/docs/current/functions-string.html
"""
QUOTED: Final = f"'{UNKNOWN}'"


def shown(text: str) -> str:
    """Return a text for people, with dots for its unknown parts."""
    return text.replace(UNKNOWN, "...")


def dynamic_text(expression: Fields) -> str:
    """Return the text that an expression yields, with UNKNOWN for its unknown parts.

    Constants, ``||`` and ``format`` are known, and ``quote_literal`` yields UNKNOWN as
    a string; other expressions are UNKNOWN.
    """
    found = uncast(expression)
    if "A_Const" in found:
        constant = found["A_Const"].get("sval")
        return UNKNOWN if constant is None else str(constant.get("sval", ""))
    if _operator(found) == "||":
        sides = (found["A_Expr"].get(side, {}) for side in ("lexpr", "rexpr"))
        return "".join(map(dynamic_text, sides))
    call = found.get("FuncCall", {})
    if call.get("args") and function_name(call) == "format":
        return PLACEHOLDER.sub(_part, dynamic_text(call["args"][0]))
    if call.get("args") and function_name(call) == "quote_literal":
        return QUOTED
    return UNKNOWN


def _operator(expression: Fields) -> str:
    names: Any = expression.get("A_Expr", {}).get("name", ())
    return str(names[-1].get("String", {}).get("sval", "")) if names else ""


def _part(found: re.Match[str]) -> str:
    return {"L": QUOTED, "%": "%"}.get(found[1], UNKNOWN)

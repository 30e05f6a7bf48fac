"""Advice by driver: which switch keeps a driver or framework from what pins.

Owns how the SQL that they are known to send is recognised; what is known is data, in
``advice.toml``. Knows nothing of what pins, only the codes of the rules. A caller that
finds nothing here has the finding's own advice.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from pinwatch.pins.digest import fold
from pinwatch.pins.sqlcommenter import code
from pinwatch.pins.tokens import LATEST
from pinwatch.pins.verdict import Finding, Verdict

CATALOGUE: Final = "advice.toml"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, who is thought to have sent the SQL, and an address of evidence."""

    text: str
    driver: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Idiom:
    """SQL that a driver is known to send; rules are the findings it is advice for."""

    rules: frozenset[str]
    pattern: re.Pattern[str]
    advice: Advice
    example: str


def advice(verdict: Verdict, finding: Finding) -> Advice:
    """Advice for one finding: its own where the text is nobody's in particular."""
    return known(verdict.text, finding.rule) or Advice(finding.advice)


def known(text: str, rule: str) -> Advice | None:
    """Advice on a rule, or a warning, if a driver is known by the text."""
    fitting = [idiom for idiom in idioms() if rule in idiom.rules]
    sql = bare(text) if fitting else ""
    return next((i.advice for i in fitting if i.pattern.match(sql)), None)


@cache
def idioms() -> tuple[Idiom, ...]:
    """The catalogue, in its order."""
    text = files(__package__).joinpath(CATALOGUE).read_text("utf-8")
    return tuple(_idiom(entry) for entry in tomllib.loads(text)["idiom"])


@lru_cache(LATEST)
def bare(text: str) -> str:
    """A text folded as for its digest, without comments and closing semicolons."""
    return fold(" ".join(code(text))).rstrip("; ")


def _idiom(entry: dict[str, Any]) -> Idiom:
    return Idiom(
        frozenset(entry["rules"]),
        re.compile(_regex(entry)),
        Advice(entry["advice"].strip(), entry["driver"], entry["source"]),
        entry["example"],
    )


def _regex(entry: dict[str, str]) -> str:
    if "text" in entry:
        return re.escape(entry["text"]) + r"\Z"
    if "prefix" in entry:
        return re.escape(entry["prefix"])
    return entry["regex"]

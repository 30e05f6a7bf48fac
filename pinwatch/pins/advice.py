"""Advice by driver: the switch that keeps a driver or framework from pinning.

Owns how the SQL of known drivers is recognised; the drivers and their SQL are data, in
``advice.toml``. Does not know what pins, only the codes of the rules. For SQL of no
known driver the advice is the finding's own.
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
    """The advice, the driver that probably sent the SQL, and the URL of evidence."""

    text: str
    driver: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Idiom:
    """SQL that a driver is known to send; rules are the codes of its findings."""

    rules: frozenset[str]
    pattern: re.Pattern[str]
    advice: Advice
    example: str


def advice(verdict: Verdict, finding: Finding) -> Advice:
    """Return the advice for one finding: the driver's, or else the finding's own."""
    return known(verdict.text, finding.rule) or Advice(finding.advice)


def known(text: str, rule: str) -> Advice | None:
    """Return the driver's advice on a rule or warning, if a known driver sent text."""
    fitting = [idiom for idiom in idioms() if rule in idiom.rules]
    sql = bare(text) if fitting else ""
    return next((i.advice for i in fitting if i.pattern.match(sql)), None)


@cache
def idioms() -> tuple[Idiom, ...]:
    """Return the entries of the catalogue, in its order."""
    text = files(__package__).joinpath(CATALOGUE).read_text("utf-8")
    return tuple(_idiom(entry) for entry in tomllib.loads(text)["idiom"])


@lru_cache(LATEST)
def bare(text: str) -> str:
    """Return text folded as a digest, without comments and closing semicolons."""
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

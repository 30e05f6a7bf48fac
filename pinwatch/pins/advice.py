"""Advice on pins: how to avoid one, and when to accept it.

Owns how an entry of the catalogue is chosen for a finding. The catalogue is data, in
the folder ``catalogue``. Does not know what pins, only the codes of the rules.

The entries are searched in the order of CATALOGUE and of each file, and the first one
that fits is taken. Some keys recognise SQL; one of them must fit:

    application  a part of the client's application_name, as a regular expression
    text         the whole text of the request
    prefix       the beginning of that text
    regex        the beginning of that text, as a regular expression
    multiple_of  with regex: the text's first number is a multiple of this
    subject      the finding's subject, such as the name of the setting
    statement    the beginning of the one statement that pins

An entry without such a key fits any SQL. All comparisons are in lower case; texts are
compared without comments and closing semicolon, with white space folded, and up to
MAX_COMPARED characters. A regular expression has no nested repetition.

The other keys of an entry:

    rules     the codes of the findings that the entry is for, or "*"
    driver    the driver or framework that sends the SQL; several where the text alone
              cannot distinguish them
    title     the heading; without it, the driver
    summary   for the general entry of a rule: the first sentence of the rule's page
    why       why it pins
    advice    the best way out, which log, page and explain print in one line
    second    the second best way
    code      code to copy, in language
    accept    when to accept the pin: the rest of "Accept the pin if ..."
    example   SQL of this kind
    source    the URL of evidence or documentation
    more      further such URLs, as a list

They are in Markdown, with no markup but backticks. An entry without ``why``, ``second``
or ``accept`` has those of the general entry of its first rule.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from pinwatch.pins.digest import fold
from pinwatch.pins.rules import CODES
from pinwatch.pins.sqlcommenter import code
from pinwatch.pins.tokens import LATEST
from pinwatch.pins.verdict import Finding, Verdict

CATALOGUE: Final = ("applications", "drivers", "cases", "general")
"""The files of the catalogue, first those that come first. The last has one entry for
each rule, which fits any SQL."""

INHERITED: Final = ("why", "second", "accept")
NUMBER: Final = re.compile("[0-9]+")
MAX_COMPARED: Final = 2_048
"""Characters at the beginning of a text or statement that are compared."""


@dataclass(frozen=True, slots=True)
class Advice:
    """All that is known on one kind of pin; texts in Markdown but for ``text``.

    ``text`` is the best way out in one line of plain text.
    """

    title: str
    summary: str
    why: str
    best: str
    second: str
    code: str
    language: str
    accept: str
    driver: str
    sources: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the catalogue, from the file with that name in CATALOGUE.

    rules are the codes of the findings that it is for.
    """

    file: str
    rules: tuple[str, ...]
    application: re.Pattern[str] | None
    text: re.Pattern[str] | None
    multiple_of: int
    subject: re.Pattern[str] | None
    statement: re.Pattern[str] | None
    advice: Advice
    example: str

    @property
    def is_general(self) -> bool:
        return not (self.application or self.text or self.subject or self.statement)

    def fits(self, text: str, finding: Finding, application: str) -> bool:
        """Return True if one of the keys fits, or there is none."""
        return (
            self.is_general
            or (self.application is not None and self._is_of(application))
            or (self.text is not None and self._is_text(bare(text[:MAX_COMPARED])))
            or (self.subject is not None and self._is_on(finding.subject))
            or (self.statement is not None and self._is_in(finding.statement))
        )

    def _is_of(self, application: str) -> bool:
        assert self.application is not None
        return self.application.search(application.lower()) is not None

    def _is_text(self, sql: str) -> bool:
        assert self.text is not None
        if not self.text.match(sql):
            return False
        number = NUMBER.search(sql)
        return number is None or int(number[0]) % self.multiple_of == 0

    def _is_on(self, subject: str) -> bool:
        assert self.subject is not None
        return self.subject.fullmatch(subject.lower()) is not None

    def _is_in(self, statement: str) -> bool:
        assert self.statement is not None
        return self.statement.match(bare(statement[:MAX_COMPARED])) is not None


def advice(verdict: Verdict, finding: Finding, application: str = "") -> Advice:
    """Return the advice on a finding; application is the client's application_name."""
    return next(
        entry.advice
        for entry in by_rule()[finding.rule]
        if entry.fits(verdict.text, finding, application)
    )


@cache
def by_rule() -> dict[str, tuple[Entry, ...]]:
    """Return the entries for each rule, the general one last."""
    return {
        rule: tuple(entry for entry in entries() if rule in entry.rules)
        for rule in CODES
    }


@cache
def entries() -> tuple[Entry, ...]:
    """Return all entries, in the order in which they are tried."""
    tables = {name: _tables(name) for name in CATALOGUE}
    general = {rule: one for one in tables["general"] for rule in one["rules"]}
    return tuple(
        _entry(name, table, general) for name in CATALOGUE for table in tables[name]
    )


def _tables(name: str) -> list[dict[str, Any]]:
    file = files(__package__) / "catalogue" / f"{name}.toml"
    found: list[dict[str, Any]] = tomllib.loads(file.read_text("utf-8"))["entry"]
    return found


@lru_cache(LATEST)
def bare(text: str) -> str:
    """Return text folded as a digest, without comments and closing semicolons."""
    return fold(" ".join(code(text))).rstrip("; ")


def _entry(
    file: str, table: dict[str, Any], general: dict[str, dict[str, Any]]
) -> Entry:
    rules = CODES if table["rules"] == ["*"] else tuple(table["rules"])
    inherited = {key: general[rules[0]][key] for key in INHERITED}
    return Entry(
        file=file,
        rules=rules,
        application=_compiled(table.get("application")),
        text=_compiled(_regex(table)),
        multiple_of=table.get("multiple_of", 1),
        subject=_compiled(table.get("subject")),
        statement=_compiled(table.get("statement")),
        advice=_advice(inherited | table),
        example=table["example"],
    )


def _advice(table: dict[str, Any]) -> Advice:
    best = table["advice"].strip()
    return Advice(
        title=table["title"] if "title" in table else table["driver"],
        summary=table.get("summary", ""),
        why=table["why"].strip(),
        best=best,
        second=table["second"].strip(),
        code=table["code"].strip(),
        language=table["language"],
        accept=table["accept"].strip(),
        driver=table.get("driver", ""),
        sources=(table["source"], *table.get("more", ())),
        text=plain(best),
    )


def plain(markdown: str) -> str:
    """Return a text of the catalogue without its only markup, backticks."""
    return markdown.replace("`", "")


def _regex(table: dict[str, str]) -> str | None:
    if "text" in table:
        return re.escape(table["text"]) + r"\Z"
    if "prefix" in table:
        return re.escape(table["prefix"])
    return table.get("regex")


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return None if pattern is None else re.compile(pattern)

"""What RDS Proxy makes of a text of SQL: findings, warnings, what the session holds.

Pure: the same text and profile always give the same verdict. Whatever the bytes, there
is one; SQL that cannot be parsed is judged by the words that its statements begin
with, and a text over 16 KB by its length.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Final

from pglast.parser import Token

from pinwatch.pins import tokens
from pinwatch.pins.digest import digest, digest_of_tokens
from pinwatch.pins.effects import SETTINGS, Effect, effects
from pinwatch.pins.profiles import DEFAULT, Profile
from pinwatch.pins.rules import (
    MAX_STATEMENT,
    PARSE_REASON,
    RULES,
    STATEMENT_SIZE_REASON,
    WARNED,
    Fields,
    Readings,
    Rule,
    advice,
)
from pinwatch.pins.sqlcommenter import without_comments
from pinwatch.pins.tokens import Span
from pinwatch.pins.tree import Statement, TooDeep, Unparsable, nodes, statements

LOG_DIGEST: Final = ' Digest: "{}".'
INITIALIZATION: Final = (
    " Consider moving session configuration to the proxy's initialization query."
)
BY_SQL: Final = "SQL changed"
BY_PREPARED: Final = "Running a prepared statement changed"
WITHOUT_DIGEST: Final = ("statement_size", "parse_message")
START: Final = attrgetter("start")
CONTESTED: Final = attrgetter("contested")
NAMING: Final = ("prepare", "execute", "deallocate")
CONSTANT: Final = re.compile("[0-9'$]")
NUMBER: Final = re.compile("[0-9]+")
MAX_OUTLINE: Final = 2_048  # characters
DROPPING: Final = ("deallocate", "discard")


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a session that runs the text is pinned.

    statement is the text of the one statement, at position in the whole; trigger is
    where its trigger words stand in the whole. All in characters.
    """

    rule: str
    subject: str
    statement: str
    position: int
    trigger: Span
    sentence: str
    advice: str
    readings: Readings | None = None

    @property
    def contested(self) -> bool:
        return self.readings is not None


@dataclass(frozen=True, slots=True)
class PinWarning:
    """Something that does not pin, and deserves a word."""

    rule: str
    text: str
    statement: str
    position: int


@dataclass(frozen=True)
class Verdict:
    """findings pin, in the order of the text; warnings do not."""

    text: str
    findings: tuple[Finding, ...] = ()
    warnings: tuple[PinWarning, ...] = ()
    effects: tuple[Effect, ...] = ()
    too_deep: bool = False

    @property
    def pins(self) -> bool:
        return bool(self.findings)

    @cached_property
    def by_certainty(self) -> tuple[Finding, ...]:
        """The findings, and those that are contested last."""
        return tuple(sorted(self.findings, key=CONTESTED))

    @cached_property
    def digest(self) -> str:
        return digest_of_tokens(self.text) if self.too_deep else digest(self.text)

    @cached_property
    def outline(self) -> str:
        """What it has in common with texts of other constants, comments and numbers in
        names; of one that is too long to look at, what is before the first of them."""
        if self.too_deep:
            return CONSTANT.split(self.text, 1)[0][:MAX_OUTLINE]
        return NUMBER.sub("0", without_comments(self.digest))[:MAX_OUTLINE]

    @cached_property
    def names(self) -> tuple[bytes, ...]:
        """The prepared statements that the text itself names."""
        return tuple(f.subject.encode() for f in self.findings if f.rule in NAMING)

    @cached_property
    def resets(self) -> tuple[Effect, ...]:
        """The effects that return settings to their defaults."""
        return tuple(e for e in self.effects if e.kind == SETTINGS and not e.holds)

    @cached_property
    def drops_statements(self) -> bool:
        return any(finding.rule in DROPPING for finding in self.findings)

    def reason(self, finding: Finding) -> str:
        """RDS Proxy's sentences for a finding, with the digest where it gives one."""
        if finding.rule in WITHOUT_DIGEST:
            return finding.sentence
        return finding.sentence + LOG_DIGEST.format(self.digest)

    def reason_prepared(self, finding: Finding) -> str:
        """The same where it is a prepared statement that ran."""
        return self.reason(finding).replace(BY_SQL, BY_PREPARED, 1)

    def reason_ahead(self, finding: Finding) -> str:
        """The same where a statement was prepared, and has not run.

        The one published line of a DECLARE lacks the sentence on initialization.
        """
        reason = self.reason(finding)
        if finding.rule == "declare_cursor":
            return reason.replace(INITIALIZATION, "", 1)
        return reason


def verdict(sql: bytes, profile: Profile = DEFAULT) -> Verdict:
    """Judge a text as its client sent it, without the closing NUL."""
    if len(sql) > MAX_STATEMENT:
        return oversize(sql[:MAX_STATEMENT])
    text = sql.split(b"\0", 1)[0].decode("utf-8", "replace")
    try:
        found = statements(text)
    except Unparsable:
        return _judged(text, profile, list(_leading(text)))
    except TooDeep:
        both = sorted([*_leading(text), *_called(text)], key=lambda f: f.trigger)
        return _judged(text, profile, both, too_deep=True)
    reader = _Reader(text)
    findings: list[Finding] = []
    warnings: list[PinWarning] = []
    held: list[Effect] = []
    for statement in found:
        for name, fields in nodes(statement.tree):
            for rule in _BY_NODE.get(name, ()):
                if rule.when(fields):
                    findings.append(reader.finding(rule, fields, statement))
            for warned in _WARNED_BY_NODE.get(name, ()):
                if warned.when(fields):
                    text_of, at = reader.statement(statement)
                    warnings.append(PinWarning(warned.code, warned.text, text_of, at))
            held.extend(effects(name, fields))
    findings.sort(key=lambda finding: finding.trigger)
    return _judged(text, profile, findings, warnings, held)


def oversize(beginning: bytes) -> Verdict:
    """The verdict on a statement over 16 KB, of which only the beginning is known."""
    text = beginning.decode("utf-8", "replace")
    finding = Finding(
        "statement_size",
        "",
        text,
        0,
        Span(0, len(text)),
        STATEMENT_SIZE_REASON,
        "Send fewer values a statement, as one array parameter or by COPY: only the "
        "statement's text counts, not what is bound to it.",
    )
    return Verdict(text, (finding,), too_deep=True)


def parse_message(text: str) -> Verdict:
    """The verdict on a Parse message, whatever its text, before November 2023."""
    finding = Finding(
        "parse_message",
        "",
        text,
        0,
        Span(0, len(text)),
        PARSE_REASON,
        "Use the simple protocol: RDS Proxy of that time pinned at any Parse message.",
    )
    return Verdict(text, (finding,))


def _judged(
    text: str,
    profile: Profile,
    findings: list[Finding],
    warnings: list[PinWarning] | None = None,
    held: list[Effect] | None = None,
    too_deep: bool = False,
) -> Verdict:
    warnings = warnings or []
    if not profile.contested_pins:
        warnings += [
            PinWarning(f.rule, str(f.readings), f.statement, f.position)
            for f in findings
            if f.contested
        ]
        findings = [finding for finding in findings if not finding.contested]
    return Verdict(text, tuple(findings), tuple(warnings), tuple(held or ()), too_deep)


class _Reader:
    """Finds what a node was in the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.ascii = text.isascii()
        self.encoded = text.encode()

    def characters(self, at: int) -> int:
        """The characters in the first bytes of the text."""
        if self.ascii:
            return at
        return len(self.encoded[:at].decode("utf-8", "ignore"))

    def statement(self, statement: Statement) -> tuple[str, int]:
        """A statement's text, without the white space around it, and where it is."""
        start = self.characters(statement.start)
        text = self.text[start : self.characters(statement.end)]
        return text.strip(), start + len(text) - len(text.lstrip())

    def finding(self, rule: Rule, fields: Fields, statement: Statement) -> Finding:
        text, position = self.statement(statement)
        subject = rule.subject(fields)
        return Finding(
            rule.code,
            subject,
            text,
            position,
            self.trigger(rule, fields, text, position),
            rule.reason,
            advice(rule, subject),
            rule.readings,
        )

    def trigger(self, rule: Rule, fields: Fields, text: str, position: int) -> Span:
        if "funcname" in fields:
            return self.name(self.characters(int(fields.get("location", 0))))
        found = tokens.keyword(text, rule.code)
        if found is None:
            return Span(position, position + len(text))
        return Span(position + found.start, position + found.end)

    def name(self, start: int) -> Span:
        """Of the function whose call begins there, up to the parenthesis."""
        end = start
        for at in range(bisect_left(self.tokens, start, key=START), len(self.tokens)):
            token = self.tokens[at]
            if token.name == tokens.BRACKET:
                break
            end = token.end + 1
        return Span(start, end)

    @cached_property
    def tokens(self) -> list[Token]:
        return tokens.tokens(self.text)


def _leading(text: str) -> Iterator[Finding]:
    """Findings by the words that statements begin with."""
    for statement in tokens.split(text):
        rule = tokens.leading_rule(statement)
        if rule is not None:
            start, end = statement[0].start, statement[-1].end + 1
            found = tokens.keyword(text[start:end], rule.code) or Span(0, end - start)
            yield Finding(
                rule.code,
                "",
                text[start:end],
                start,
                Span(start + found.start, start + found.end),
                rule.reason,
                rule.advice,
                rule.readings,
            )


def _called(text: str) -> Iterator[Finding]:
    """Findings by the functions that a text calls."""
    for name, span in tokens.called(text):
        call = {"funcname": [{"String": {"sval": name}}]}
        for rule in _BY_NODE["FuncCall"]:
            if rule.when(call):
                yield Finding(
                    rule.code,
                    name,
                    text,
                    0,
                    span,
                    rule.reason,
                    rule.advice,
                    rule.readings,
                )


_BY_NODE: Final = {
    node: tuple(rule for rule in RULES if node in rule.nodes)
    for node in {node for rule in RULES for node in rule.nodes}
}
_WARNED_BY_NODE: Final = {
    node: tuple(warned for warned in WARNED if node in warned.nodes)
    for node in {node for warned in WARNED for node in warned.nodes}
}

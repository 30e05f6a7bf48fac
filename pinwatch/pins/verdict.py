"""The verdict on a text of SQL: findings, warnings, and effects on the session.

Pure: the same text and profile always give the same verdict, and any bytes get one. SQL
that PostgreSQL's grammar refuses does not pin, and a text over 16 KB is judged by its
length. A text whose tree would cost too much is judged by its tokens, and the verdict
says that it is approximate.

Any thread may judge: threads share only the tokens of the latest texts. Most of the
time goes to the parser, which releases the interpreter lock. A text for which
``scan.is_expensive`` is true can take tens of milliseconds, and belongs in a worker
thread; ``judge`` is the function for it. All other texts take less than ten
milliseconds. ``cache.VerdictCache`` keeps the verdicts.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Final

from pinwatch.pins import sketch, sqlcommenter
from pinwatch.pins.digest import digest, digest_of_tokens
from pinwatch.pins.effects import EFFECTS, SETTINGS, Effect, effects
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
    Warned,
)
from pinwatch.pins.scan import DEFAULTS_VIEW
from pinwatch.pins.sqlcommenter import without_comments
from pinwatch.pins.tokens import Span, Tokens, split, tokens
from pinwatch.pins.tree import OverBudget, Statement, Unparsable, nodes, statements
from pinwatch.pins.triggers import Triggers, characters
from pinwatch.pins.unseen import may_run_code, running_code

LOG_DIGEST: Final = ' Digest: "{}".'
INITIALIZATION: Final = (
    " Consider moving session configuration to the proxy's initialization query."
)
BY_SQL: Final = "SQL changed"
BY_PREPARED: Final = "Running a prepared statement changed"
WITHOUT_DIGEST: Final = ("statement_size", "parse_message")
TRIGGER: Final = attrgetter("trigger")
CONTESTED: Final = attrgetter("contested")
NAMING: Final = ("prepare", "execute", "deallocate")
CONSTANT: Final = re.compile("[0-9'$]")
NUMBER: Final = re.compile("[0-9]+")
MAX_OUTLINE: Final = 2_048  # characters
DROPPING: Final = ("deallocate", "discard")


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a session that runs the text is pinned.

    statement is the one statement that pins, at position in the text; trigger is where
    its trigger words stand in the text. Positions are in characters.
    """

    rule: str
    subject: str
    statement: str
    position: int
    trigger: Span
    sentence: str
    readings: Readings | None = None

    @property
    def contested(self) -> bool:
        return self.readings is not None


@dataclass(frozen=True, slots=True)
class PinWarning:
    """A statement that does not pin by the profile, but deserves a warning.

    It has a risk that RDS Proxy does not see, or its rule is contested.
    """

    rule: str
    text: str
    statement: str
    position: int


@dataclass(frozen=True)
class Verdict:
    """The findings, which pin, in the order of the text; the warnings and the effects.

    approximate is true for a verdict without a tree. error is the parser's message
    about a text that PostgreSQL's grammar refuses, and is empty for all others. unseen
    has the statements that may run code which RDS Proxy does not see, if the profile
    notes them.
    """

    text: str
    findings: tuple[Finding, ...] = ()
    warnings: tuple[PinWarning, ...] = ()
    effects: tuple[Effect, ...] = ()
    approximate: bool = False
    error: str = ""
    unseen: tuple[str, ...] = ()

    @property
    def pins(self) -> bool:
        return bool(self.findings)

    @cached_property
    def by_certainty(self) -> tuple[Finding, ...]:
        """The findings, contested ones last."""
        return tuple(sorted(self.findings, key=CONTESTED))

    @cached_property
    def decisive(self) -> tuple[Finding, ...]:
        """The certain findings, or the contested ones of a text with no certain one.

        A text that pins for certain does so whatever its contested triggers do.
        """
        return tuple(f for f in self.findings if not f.contested) or self.findings

    @cached_property
    def digest(self) -> str:
        return digest_of_tokens(self.text) if self.approximate else digest(self.text)

    @cached_property
    def outline(self) -> str:
        """The digest without comments, with 0 for each number in a name.

        If approximate, it is the text up to the first constant.
        """
        if self.approximate:
            return CONSTANT.split(self.text, 1)[0][:MAX_OUTLINE]
        return NUMBER.sub("0", without_comments(self.digest))[:MAX_OUTLINE]

    @cached_property
    def tags(self) -> dict[str, str]:
        """The tags in the comments of the text."""
        return sqlcommenter.tags(self.text)

    @cached_property
    def names(self) -> tuple[bytes, ...]:
        """The prepared statements that PREPARE, EXECUTE and DEALLOCATE name."""
        return tuple(f.subject.encode() for f in self.findings if f.rule in NAMING)

    @cached_property
    def resets(self) -> tuple[Effect, ...]:
        """The effects that return settings to their defaults."""
        return tuple(e for e in self.effects if e.kind == SETTINGS and not e.holds)

    @cached_property
    def uses_defaults(self) -> bool:
        """True if the text resets a setting, or reads the defaults in pg_settings."""
        return bool(self.resets) or DEFAULTS_VIEW in self.text.lower()

    @property
    def matters(self) -> bool:
        """True if the relay has to act on the text."""
        return bool(
            self.findings
            or self.warnings
            or self.effects
            or self.uses_defaults
            or self.unseen
        )

    @cached_property
    def drops_statements(self) -> bool:
        return any(finding.rule in DROPPING for finding in self.findings)

    def reason(self, finding: Finding) -> str:
        """Return RDS Proxy's sentences on a finding, with the digest if it logs one."""
        if finding.rule in WITHOUT_DIGEST:
            return finding.sentence
        return finding.sentence + LOG_DIGEST.format(self.digest)

    def reason_prepared(self, finding: Finding) -> str:
        """Return the reason for a prepared statement that runs."""
        return self.reason(finding).replace(BY_SQL, BY_PREPARED, 1)

    def reason_ahead(self, finding: Finding) -> str:
        """Return the reason for a prepared statement that has not run yet.

        The only published log line about a DECLARE lacks the sentence on
        initialization.
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
    notes_unseen = profile.notes_unseen and may_run_code(sql)
    unseen: tuple[str, ...] = (text.strip(),) if notes_unseen else ()
    try:
        found = statements(text, tokens(text))
    except Unparsable as error:
        return Verdict(text, error=str(error), unseen=unseen)
    except OverBudget:
        return replace(verdict_of_tokens(text, profile), unseen=unseen)
    judged = _judged(text, profile, _parsed(text, found))
    return replace(judged, unseen=running_code(text, found)) if notes_unseen else judged


def verdict_of_tokens(
    text: str, profile: Profile = DEFAULT, error: str = ""
) -> Verdict:
    """Judge a text by its tokens alone; error is the parser's message, if any."""
    return _judged(text, profile, _sketched(text, tokens(text)), True, error)


def judge(sql: bytes, profile: Profile = DEFAULT) -> Verdict:
    """Judge as ``verdict`` does, and compute the digest, outline and tags too.

    This is for a worker thread: nothing is left to compute for the event loop.
    """
    found = verdict(sql, profile)
    if found.findings:
        found.outline, found.digest, found.tags  # noqa: B018 - they are cached
    return found


def oversize(beginning: bytes) -> Verdict:
    """Return the verdict on a statement over 16 KB, given its beginning."""
    text = beginning.decode("utf-8", "replace")
    finding = Finding(
        "statement_size",
        "",
        text,
        0,
        Span(0, len(text)),
        STATEMENT_SIZE_REASON,
    )
    return Verdict(text, (finding,), approximate=True)


def parse_message(text: str) -> Verdict:
    """Return the verdict on any Parse message by the rules before November 2023."""
    finding = Finding(
        "parse_message",
        "",
        text,
        0,
        Span(0, len(text)),
        PARSE_REASON,
    )
    return Verdict(text, (finding,))


@dataclass(frozen=True, slots=True)
class _Node:
    """A node of code that the text runs, and its statement.

    A call begins at location.
    """

    name: str
    fields: Fields
    statement: Span
    location: int


def _parsed(text: str, found: Iterable[Statement]) -> list[_Node]:
    """Return the nodes of all statements."""
    at = characters(text)
    return [
        _Node(name, fields, statement, at(int(fields.get("location", 0))))
        for one in found
        for statement in [_stripped(text, at(one.start), at(one.end))]
        for name, fields in nodes(one.tree)
        if name in _JUDGED
    ]


def _stripped(text: str, start: int, end: int) -> Span:
    """Return the span of a statement without the white space around it."""
    written = text[start:end]
    start += len(written) - len(written.lstrip())
    return Span(start, start + len(written.strip()))


def _sketched(text: str, found: Tokens) -> Iterator[_Node]:
    """Yield the nodes of all statements, by their tokens."""
    for code in split(found.code):
        extent = sketch.extent(code)
        for name, fields in sketch.nodes(text, code):
            yield _Node(name, fields, extent, int(fields.get("location", 0)))


def _judged(
    text: str,
    profile: Profile,
    found: Iterable[_Node],
    approximate: bool = False,
    error: str = "",
) -> Verdict:
    reader = _Reader(text)
    findings: list[Finding] = []
    warnings: list[PinWarning] = []
    held: list[Effect] = []
    for node in found:
        fields = node.fields
        for rule in _BY_NODE.get(node.name, ()):
            if rule.when(fields):
                findings.append(reader.finding(rule, node))
        for warned in _WARNED_BY_NODE.get(node.name, ()):
            if warned.when(fields):
                warnings.append(reader.warning(warned, node))
        held.extend(effects(node.name, fields))
    findings.sort(key=TRIGGER)
    if not profile.contested_pins:
        warnings += [
            PinWarning(f.rule, str(f.readings), f.statement, f.position)
            for f in findings
            if f.contested
        ]
        findings = [finding for finding in findings if not finding.contested]
    return Verdict(
        text, tuple(findings), tuple(warnings), tuple(held), approximate, error
    )


class _Reader:
    """Makes findings and warnings of the nodes that match a rule."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.triggers = Triggers(tokens(text).code)
        self._latest = Span(0, 0)
        self._statement = ""

    def statement(self, span: Span) -> str:
        """Return the text of a statement; all its findings share the same copy."""
        if span != self._latest:
            self._latest, self._statement = span, self.text[slice(*span)]
        return self._statement

    def finding(self, rule: Rule, node: _Node) -> Finding:
        subject = rule.subject(node.fields)
        span = node.statement
        return Finding(
            rule.code,
            subject,
            self.statement(span),
            span.start,
            self.triggers.find(rule, node.fields, span, node.location),
            rule.reason,
            rule.readings,
        )

    def warning(self, warned: Warned, node: _Node) -> PinWarning:
        span = node.statement
        return PinWarning(warned.code, warned.text, self.statement(span), span.start)


_BY_NODE: Final = {
    node: tuple(rule for rule in RULES if node in rule.nodes)
    for node in {node for rule in RULES for node in rule.nodes}
}
_WARNED_BY_NODE: Final = {
    node: tuple(warned for warned in WARNED if node in warned.nodes)
    for node in {node for warned in WARNED for node in warned.nodes}
}
_JUDGED: Final = _BY_NODE.keys() | _WARNED_BY_NODE.keys() | EFFECTS.keys()

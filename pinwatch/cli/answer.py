"""The answer of pinwatch explain: the verdicts on a text, as text and as JSON.

Owns what is judged, one message or the statements of a script, and the warnings that a
verdict alone does not have. explain.py reads the text and prints the answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pinwatch.hidden.bodies import DO, read_body
from pinwatch.hidden.paths import Followed, Follower
from pinwatch.hidden.wording import sentence
from pinwatch.pins.carets import marked
from pinwatch.pins.names import HIDDEN_STATE
from pinwatch.pins.profiles import Profile
from pinwatch.pins.readings import best_reading, parsed_reading
from pinwatch.pins.rule_pages import command
from pinwatch.pins.rules import MAX_STATEMENT
from pinwatch.pins.script import pieces
from pinwatch.pins.senders import advise
from pinwatch.pins.tokens import PARAMETER, tokens
from pinwatch.pins.unseen import unseen
from pinwatch.pins.verdict import Finding, Verdict
from pinwatch.reports.result import DOCUMENT_VERSION
from pinwatch.text import number_of, printable

NO_STATEMENT: Final = "There is no statement in this."
PARSE_PINS: Final = "Under this profile any Parse message pins, whatever its text."
BY_WORDS: Final = "PostgreSQL's grammar refuses this: {}. It was judged by its words."
NOT_JUDGED: Final = (
    "This could not be judged: PostgreSQL's grammar refuses it, {}, and none of its "
    "words pins."
)
BY_TOKENS: Final = (
    "This statement is too expensive to parse, and was judged by its tokens: the "
    "functions and commands that pin are found, wherever they stand."
)
NORMALISED_FROM: Final = 0.8  # of the largest statement
NORMALISED: Final = (
    "{} of 16,384 bytes, with placeholders: if this is normalised text, as in "
    "pg_stat_statements, what was sent was longer, and may have pinned by its size."
)
UNSEEN: Final = (
    "Neither RDS Proxy nor explain sees the code of {}: a SET, a temporary table or a "
    "session-level lock in there does not pin, and stays on the database connection "
    "for the next client. State that ends with the transaction is safe: "
    "set_config(..., true), ON COMMIT DROP, pg_advisory_xact_lock."
)
UNREAD: Final = "explain did not read all code, so more state may stay: {}."
AS_ONE: Final = (
    "The statements were judged one by one, as psql sends them. As one message of {} "
    "bytes, the text would pin by its size."
)
UNCOUNTED: Final = ", contested (counted only with --contested fail)."


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one statement, or one message, at position in the whole text.

    ``text`` is all of it: a verdict on an oversize text has the beginning only.
    """

    verdict: Verdict
    position: int
    text: str
    unseen: str = ""

    @property
    def is_refused(self) -> bool:
        return bool(self.verdict.error)

    @property
    def is_oversize(self) -> bool:
        return any(f.rule == "statement_size" for f in self.verdict.findings)

    @property
    def is_approximate(self) -> bool:
        """Return True if it was judged by its tokens, without a tree."""
        return self.verdict.approximate and not self.is_oversize

    @property
    def is_unknown(self) -> bool:
        """The grammar refuses it, and none of its words pins: it cannot be judged."""
        return self.is_refused and not self.verdict.findings


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdicts on a text; size is its length in bytes, if that alone would pin."""

    text: str
    judged: Sequence[Judged]
    size: int = 0
    follower: Follower | None = None
    """Follows functions and triggers through a catalogue, if there is one."""

    @property
    def refused(self) -> list[Judged]:
        return [one for one in self.judged if one.is_refused]

    @property
    def findings(self) -> list[tuple[Judged, Finding]]:
        """The findings, those of each statement or message with contested ones last."""
        return [(one, f) for one in self.judged for f in one.verdict.by_certainty]

    @property
    def is_no_sql(self) -> bool:
        """Return True if no statement of the text could be judged."""
        return bool(self.judged) and all(one.is_unknown for one in self.judged)

    @property
    def is_unknown(self) -> bool:
        """Return True if a statement of the text could not be judged."""
        return any(one.is_unknown for one in self.judged)

    @property
    def pins(self) -> bool | None:
        if self.findings:
            return True
        return None if self.is_unknown else False


def message(text: str, profile: Profile) -> Answer:
    """Judge a text that is sent at once; its statements, if the grammar refuses it."""
    if not any(pieces(text)):
        return Answer(text, [])
    whole = parsed_reading(text, profile)
    if whole.error:
        return script(text, profile)
    return Answer(text, [Judged(whole, 0, text)])


def script(text: str, profile: Profile) -> Answer:
    """Judge a text whose statements are sent one by one."""
    judged = [
        Judged(
            best_reading(piece.text, profile), piece.position, piece.text, piece.unseen
        )
        for piece in pieces(text)
    ]
    size = _size(text)
    return Answer(text, judged, size if len(judged) > 1 and size > MAX_STATEMENT else 0)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


# The warnings.


@dataclass(frozen=True, slots=True)
class Note:
    """A warning about a statement, or about the whole text."""

    rule: str
    text: str
    statement: str = ""
    position: int = 0


def _notes(answer: Answer, profile: Profile) -> Iterator[Note]:
    for one in answer.judged:
        yield from _notes_on(answer.text, one)
        if not one.is_refused:
            yield from _hidden(answer, one)
    if not answer.judged:
        yield Note("syntax", NO_STATEMENT)
    if answer.size:
        yield Note("statement_size", AS_ONE.format(answer.size))
    if profile.parse_pins:
        yield Note("parse_message", PARSE_PINS)


def _notes_on(text: str, one: Judged) -> Iterator[Note]:
    verdict, start = one.verdict, one.position
    statement = text[start : start + len(verdict.text)]
    for warning in verdict.warnings:
        at = start + warning.position
        shown = text[at : at + len(warning.statement)]
        yield Note(warning.rule, warning.text, shown, at)
    if one.is_refused:
        said = NOT_JUDGED if one.is_unknown else BY_WORDS
        yield Note("syntax", said.format(verdict.error), statement, start)
    elif one.is_approximate:
        yield Note("approximate", BY_TOKENS, statement, start)
    if not one.is_oversize and _may_be_longer(verdict.text):
        size = _size(verdict.text)
        yield Note("statement_size", NORMALISED.format(size), statement, start)
    if one.unseen:
        line_end = text.find("\n", start)
        line = text[start:] if line_end < 0 else text[start:line_end]
        yield Note("unseen", one.unseen, statement or line, start)


def _hidden(answer: Answer, one: Judged) -> Iterator[Note]:
    """Yield notes on state that code in the database leaves, and on unread code."""
    text, start = one.verdict.text, one.position
    body = read_body(one.text)
    for left in body.left:
        yield Note(HIDDEN_STATE, sentence(left, left.code, left.sql), text, start)
    for reason in dict.fromkeys(body.unread):
        yield Note("unseen", UNREAD.format(reason), text, start)
    if one.verdict.approximate:
        return
    if answer.follower is not None:
        yield from _followed(answer.follower.follow(text), text, start)
        return
    for code in unseen(text):
        called = [f"{name}()" for name in body.calls] if DO in code.code else []
        names = dict.fromkeys([*code.code, *called])
        names.pop(DO, None)  # its body is read
        if names:
            shown = text[code.position : code.position + code.size]
            said = UNSEEN.format(", ".join(names))
            yield Note("unseen", said, shown, start + code.position)


def _followed(found: Followed, text: str, start: int) -> Iterator[Note]:
    for path in found.paths:
        if path.functions != (DO,):  # read without the catalogue, too
            said = sentence(path.left, path.functions[0], str(path))
            yield Note(HIDDEN_STATE, said, text, start)
    for reason in dict.fromkeys(found.unread):
        yield Note("unseen", UNREAD.format(reason), text, start)


def _may_be_longer(text: str) -> bool:
    """Return True if text is near the limit and has placeholders of normalised text."""
    if _size(text) < NORMALISED_FROM * MAX_STATEMENT:
        return False
    return any(token.kind == PARAMETER for token in tokens(text).code)


# JSON, for programs.


def document(answer: Answer, profile: Profile) -> dict[str, Any]:
    """Return the answer as a JSON document of its own."""
    return {"version": DOCUMENT_VERSION} | described(answer, profile)


def described(answer: Answer, profile: Profile) -> dict[str, Any]:
    """The answer as JSON has it; positions are in characters of the whole text."""
    return {
        "pinned": answer.pins,
        "parsed": not answer.refused,
        "approximate": any(one.is_approximate for one in answer.judged),
        "findings": [_described(answer.text, *found) for found in answer.findings],
        "warnings": [_noted(note) for note in _notes(answer, profile)],
    }


def _noted(note: Note) -> dict[str, Any]:
    said: dict[str, Any] = {"rule": note.rule, "text": note.text}
    if note.statement:
        said |= {"statement": note.statement, "position": note.position}
    return said


def _described(text: str, one: Judged, finding: Finding) -> dict[str, Any]:
    verdict = one.verdict
    advised = advise(verdict, finding)
    position = one.position + finding.position
    found = {
        "rule": finding.rule,
        "subject": finding.subject,
        "contested": finding.contested,
        "parsed": not one.is_refused,
        "reason": verdict.reason(finding),
        "digest": verdict.digest,
        "statement": text[position : position + len(finding.statement)],
        "position": position,
        "trigger": [one.position + at for at in finding.trigger],
        "advice": advised.text,
        "driver": advised.driver,
        "driver_certainty": advised.certainty,
    }
    if finding.readings is not None:
        found["readings"] = {
            "pins": finding.readings.pins,
            "does_not": finding.readings.does_not,
            "sources": finding.readings.sources,
        }
    return found


# Text, for people.


def lines(answer: Answer, profile: Profile, counts: bool) -> Iterator[tuple[str, str]]:
    """Yield the lines of the answer, each with its style for rich.

    ``counts`` is false if no finding counts, because all of them are contested.
    """
    for one, finding in answer.findings:
        yield from _finding_lines(answer.text, one, finding)
        yield "", ""
    for note in _notes(answer, profile):
        if note.statement:
            yield next(marked(answer.text, note.position, note.position)), ""
            yield f"Warning, {note.rule}: {printable(note.text)}", "yellow"
            yield "", ""
        else:
            yield note.text, "yellow"
    yield _sum(answer, profile, counts)


def _sum(answer: Answer, profile: Profile, counts: bool) -> tuple[str, str]:
    count = len(answer.findings)
    statements = sum(bool(one.verdict.text) for one in answer.judged)
    unknown = sum(one.is_unknown for one in answer.judged)
    left = f" {unknown} of {statements} statements could not be judged."
    if count:
        reasons = number_of(count, "reason")
        pins = f"This pins, by the rules of {profile.name}: {reasons}"
        pins += "." if counts else UNCOUNTED
        return pins + (left if unknown else ""), "bold"
    if unknown:
        return (
            f"Nothing is known to pin, by the rules of {profile.name}.{left}",
            "yellow",
        )
    return f"Nothing pins, by the rules of {profile.name}.", "green"


def _finding_lines(
    text: str, one: Judged, finding: Finding
) -> Iterator[tuple[str, str]]:
    verdict = one.verdict
    start, end = (one.position + at for at in finding.trigger)
    line, carets = marked(text, start, end)
    yield line, ""
    yield carets, "red"
    subject = printable(finding.subject)
    contested = ", contested" if finding.contested else ""
    title = f"{finding.rule}: {subject}" if subject else finding.rule
    yield f"{title}{contested}", "bold red"
    yield f"  RDS Proxy: {printable(verdict.reason(finding))}", ""
    advised = advise(verdict, finding)
    yield f"  {advised}", ""
    for source in advised.sources:
        yield f"    {source}", "dim"
    yield f"  More: {command(finding.rule)}", "dim"
    if finding.readings is not None:
        yield f"  For a pin: {finding.readings.pins}", ""
        yield f"  Against: {finding.readings.does_not}", ""
        for source in finding.readings.sources:
            yield f"    {source}", "dim"

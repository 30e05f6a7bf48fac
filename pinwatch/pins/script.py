"""The statements of a psql script, as psql sends them.

Owns what psql does not send: backslash commands, the rows of a COPY FROM STDIN, and
the names of variables. Positions are in characters of the script. psql sends each
statement alone, also those of a script without any of these.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pinwatch.pins.tokens import (
    COMMENT,
    CONSTANT,
    QUOTED,
    WORD,
    Nesting,
    Token,
    next_token,
    tokens,
)

SENDING: Final = ("g", "gx", "gset", "gdesc", "gexec", "crosstabview", "watch")
"""Backslash commands that send the statement before them."""
RESETTING: Final = ("r", "reset")
WHOLE_LINE: Final = ("!", "copy", "h", "help", "ef", "ev", "sf", "sv")
"""Backslash commands whose arguments may have a backslash."""
UNSEEN: Final = {
    "gexec": r"\gexec runs the statements that its query returns; they are unknown.",
    **dict.fromkeys(
        ("i", "ir", "include", "include_relative"),
        r"\i is not followed: explain the file that it names, too.",
    ),
}
"""Warnings about commands that run SQL that is not in the script."""

COMMAND: Final = re.compile(r"\\([A-Za-z_]+|[!?.;]|)")
ARGUMENTS: Final = re.compile(r"[^\n\r\\]*+")
LINE: Final = re.compile(r"[^\n]*+\n?")
DATA_END: Final = re.compile(r"^\\\.[ \t\r]*(?:\n|\Z)", re.MULTILINE)
COPY_COMMAND: Final = re.compile(r"\bfrom\s+p?std(?:in|out)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement as it is sent, at position in the script.

    It has blanks in place of backslash commands. unseen is a warning about SQL that
    runs and is not in the script; the text may then be empty.
    """

    text: str
    position: int
    unseen: str = ""


def pieces(script: str) -> Iterator[Piece]:
    """Yield the statements of a script, in order."""
    return _Reader(script).pieces()


class _Reader:
    """Reads a script token by token."""

    def __init__(self, script: str) -> None:
        self.script = script
        self.at = 0
        self._restart(0)

    def _restart(self, at: int) -> None:
        """Start to read the statement that begins at index at or later."""
        self.at = at
        self.code: list[Token] = []
        self.nesting = Nesting()
        self.blanks: list[tuple[int, int]] = []

    def pieces(self) -> Iterator[Piece]:
        while token := next_token(self.script, self.at):
            self.at = token.end
            if token.text == "\\":
                yield from self._command(token.start)
            elif token.text == ";" and not self.nesting.is_open:
                yield from self._sent(token.start)
                after = token.end
                if _copies_in(self.code):
                    after = self._data_end(after)
                self._restart(after)
            elif token.kind != COMMENT:
                self.nesting.follow(token.text)
                self.code.append(token)
        yield from self._sent(len(self.script))

    def _sent(self, end: int, unseen: str = "") -> Iterator[Piece]:
        """Yield the statement that ends before end, if there is one."""
        if not self.code:
            return
        start = self.code[0].start
        parts: list[str] = []
        at = start
        for blank_start, blank_end in self.blanks:
            if blank_start >= start:
                parts += self.script[at:blank_start], " " * (blank_end - blank_start)
                at = blank_end
        parts.append(self.script[at:end])
        yield Piece("".join(parts).rstrip(), start, unseen)

    def _command(self, start: int) -> Iterator[Piece]:
        """Handle the backslash command that begins at start."""
        match = COMMAND.match(self.script, start)
        command = match[1] if match else ""
        end = match.end() if match else start + 1
        if command == ";":  # the semicolon is sent, too
            self.blanks.append((start, start + 1))
            self.at = end
            return
        arguments = LINE if command in WHOLE_LINE else ARGUMENTS
        if found := arguments.match(self.script, end):
            end = found.end()
        if command in SENDING:
            yield from self._sent(start, UNSEEN.get(command, ""))
            self._restart(end)
        elif command in RESETTING:
            self._restart(end)
        else:
            if command == "copy" and COPY_COMMAND.search(self.script, start, end):
                end = self._data_end(start)
            if command in UNSEEN:
                yield Piece("", start, UNSEEN[command])
            self.blanks.append((start, end))
            self.at = end

    def _data_end(self, at: int) -> int:
        """Return the index after the rows that follow the line of index at."""
        line = LINE.match(self.script, at)
        end = DATA_END.search(self.script, line.end() if line else at)
        return end.end() if end else len(self.script)


def _copies_in(code: Sequence[Token]) -> bool:
    """Return True if a statement is a COPY ... FROM STDIN."""
    words = [token.text for token in code]
    return words[:1] == ["copy"] and any(
        words[at : at + 2] == ["from", "stdin"] for at in range(len(words))
    )


def filled(text: str) -> Iterator[str]:
    """Yield readings of a text in which variables and placeholders have values.

    They are psql's ``:name``, ``:'name'`` and ``:"name"`` and the placeholders of
    drivers, ``%s``, ``%(name)s`` and ``?``. Each reading is as long as the text.
    """
    code = tokens(text).code
    named = list(_variables(code))
    if named:
        yield _edited(text, [(colon, colon + 1, " ") for colon, _, _ in named])
    marks = list(_marks(code))
    if named or marks:
        for value in (_string, _number):
            edits = [
                (
                    colon,
                    end,
                    " " + text[colon + 1 : end] if quoted else value(end - colon),
                )
                for colon, end, quoted in named
            ]
            edits += ((start, end, value(end - start)) for start, end in marks)
            yield _edited(text, sorted(edits))


def _variables(code: Sequence[Token]) -> Iterator[tuple[int, int, bool]]:
    """Yield start and end of each psql variable, and True if it is in quotes."""
    for sign, after in pairwise(code):
        colon = sign.text.endswith(":") and not sign.text.endswith("::")
        if colon and sign.end == after.start and after.kind in (WORD, QUOTED, CONSTANT):
            yield sign.end - 1, after.end, after.kind != WORD


def _marks(code: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each placeholder of a driver."""
    for at, sign in enumerate(code):
        if sign.text == "?":
            yield sign.start, sign.end
        elif sign.text.endswith("%"):
            words = [token.text for token in code[at + 1 : at + 5]]
            end = 1 if words[:1] == ["s"] else 4 if words[0:1] == ["("] else 0
            if end and words[end - 1 : end] == ["s"]:
                yield sign.end - 1, code[at + end].end


def _string(length: int) -> str:
    return "''".ljust(length) if length > 1 else "0"


def _number(length: int) -> str:
    return "1".rjust(length)


def _edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end, value in edits:
        parts += text[at:start], value
        at = end
    return "".join([*parts, text[at:]])

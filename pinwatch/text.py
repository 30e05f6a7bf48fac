"""Text: encodings, printable characters, counts, times, places and addresses."""

import codecs
from datetime import datetime
from typing import Final

BOMS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks, and the encodings that they show."""

STANDARD_INPUT: Final = "-"
"""Stands for standard input where a command takes the name of a file."""

SYMBOLS: Final = ((3_600, "h"), (60, "min"), (1, "s"))
"""Seconds of a unit and its symbol; a unit is used from one of it on."""
UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
"""Seconds of a unit and its name; a unit is used from two of it on."""


def decoded(data: bytes) -> str:
    """Return text in UTF-8, or in what its byte order mark shows."""
    for mark, encoding in BOMS.items():
        if data.startswith(mark):
            return data.removeprefix(mark).decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def input_name(file: str) -> str:
    """Return the name of a file for people; an empty one is standard input's, too."""
    return "standard input" if file in ("", STANDARD_INPUT) else file


def escaped(text: str) -> str:
    """Return text with each unprintable character as a backslash escape.

    That covers control characters, line separators, bidi controls and zero-width
    characters, which could forge a line or hide a part of it.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def printable(text: str) -> str:
    """Return text of the same length, with a space for each unprintable character."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def spelled(seconds: float) -> str:
    """Return a duration in whole units, as in "29 minutes" or "less than a second"."""
    if seconds < 1:
        return "less than a second"
    for size, unit in UNITS:
        if seconds >= 2 * size:
            return number_of(int(seconds // size), unit)
    return number_of(int(seconds), "second")


def number_of(count: int | str, noun: str) -> str:
    """Return the count and the noun, as in "1 pin", "2 pins" and "all pins"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """Return seconds in the largest fitting unit, as in "4.2 s", "29 min" and "3 h"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    size, unit = next((size, unit) for size, unit in SYMBOLS if seconds >= size)
    return f"{seconds / size:.0f} {unit}"


def place(file: str, line: int, function: str = "") -> str:
    """Return a line of code, as in "app/db.py:30 in save"; parts may be empty, or 0."""
    at = f"{file}:{line}" if file and line else file
    return f"{at} in {function}".lstrip() if function else at


def timestamp(at: datetime) -> str:
    """Return a time in UTC with milliseconds, as in "2026-11-30T10:00:00.000Z"."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def host_and_port(host: str, port: int) -> str:
    """Return host:port, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def socket_address(name: object, unix: str) -> str:
    """Return host:port of a name that getsockname or getpeername returned.

    Return unix for a Unix socket and for a disconnected peer, whose name is None.
    """
    return host_and_port(name[0], name[1]) if isinstance(name, tuple) else unix

"""Times as logs write them."""

import re
from datetime import UTC, datetime
from typing import Final

STAMP: Final = (
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?UTC|[+-]\d\d(?::?\d\d)?)?"
)
"""A regular expression for a time. A time without a zone is in UTC."""

MAX_DIGITS: Final = 15  # of milliseconds, up to the year 33658
PARTS: Final = re.compile(r"([^.,+Z]*?\d\d:\d\d:\d\d)(?:[.,](\d+))?\s*(.*)")


def read_time(text: str) -> datetime | None:
    """Return the time that text is, or None if it is none.

    A text of digits is a number of milliseconds since 1970.
    """
    if text.isdecimal():
        return from_milliseconds(int(text)) if len(text) <= MAX_DIGITS else None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return _read_other(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def logged_time(text: str) -> datetime | None:
    """Return the time that text is with the milliseconds that pinwatch logs."""
    at = read_time(text)
    return at and at.replace(microsecond=at.microsecond // 1_000 * 1_000)


def _read_other(text: str) -> datetime | None:
    """Return a time with a comma, a zone of letters or an odd number of digits."""
    found = PARTS.fullmatch(text.strip())
    if found is None:
        return None
    fraction = (found[2] or "")[:6].ljust(6, "0")
    zone = found[3] if found[3] not in ("", "Z", "UTC", "GMT") else "+00:00"
    try:
        return datetime.fromisoformat(f"{found[1]}.{fraction}{zone}").astimezone(UTC)
    except ValueError:
        return None


def from_milliseconds(value: object) -> datetime | None:
    """Return the time that a number of milliseconds since 1970 is, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(float(value) / 1_000, UTC)
    except (ValueError, OverflowError, OSError):
        return None

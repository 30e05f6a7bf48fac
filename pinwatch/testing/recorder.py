"""The pins of a proxy in this process, each with the lines of code that caused it.

Owns what is remembered, and what was allowed when it happened. Is told on the proxy's
thread and read on others: lists are appended to, and never changed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from pinwatch import events
from pinwatch.errors import SettingError
from pinwatch.pins.rules import CODES
from pinwatch.testing.origin import Frame, origin
from pinwatch.testing.origin.tagged import tagged


@dataclass(frozen=True, slots=True)
class Pin:
    """A statement that pinned a session, or would have, had it not been pinned yet.

    frames are the application's, outermost first; empty where they were not found.
    allowed is whether ``allow`` covered the rule.
    """

    event: events.SessionPinned
    frames: tuple[Frame, ...] = ()
    allowed: bool = False

    @property
    def rule(self) -> str:
        return self.event.rule

    @property
    def contested(self) -> bool:
        """Whether it is not settled that RDS Proxy pins here."""
        return bool(self.event.contested)

    @property
    def digest(self) -> str:
        """The text, its constants replaced, as RDS Proxy logs it."""
        return self.event.digest

    @property
    def sql(self) -> str:
        return self.event.sql

    @property
    def statement(self) -> str:
        """The one of the text that pins."""
        return self.event.statement

    @property
    def reason(self) -> str:
        """RDS Proxy's own sentences."""
        return self.event.reason

    @property
    def advice(self) -> str:
        return self.event.advice

    @property
    def frame(self) -> Frame | None:
        """The application's innermost."""
        return self.frames[-1] if self.frames else None


class Peak:
    """How many there are at a time, at most."""

    def __init__(self) -> None:
        self.most = 0
        self._now: set[int] = set()

    def began(self, number: int) -> None:
        self._now.add(number)
        self.most = max(self.most, len(self._now))

    def ended(self, number: int) -> None:
        self._now.discard(number)


class Recorder:
    """An observer that keeps the pins."""

    def __init__(self) -> None:
        self.pins: list[Pin] = []
        self.clients = Peak()
        self.connections = Peak()
        self._addresses: dict[int, str] = {}
        self._allowances: list[tuple[str, ...]] = []

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.SessionPinned():
                self.pins.append(self._pin(event))
            case events.ClientConnected(client, address):
                self._addresses[client] = address
            case events.ClientClosed(client):
                self._addresses.pop(client, None)
                self.clients.ended(client)
            case events.ClientWelcomed(client):
                self.clients.began(client)
            case events.DatabaseConnected(connection):
                self.connections.began(connection)
            case events.DatabaseClosed(connection):
                self.connections.ended(connection)
            case _:
                pass

    @contextmanager
    def allow(self, *rules: str) -> Iterator[None]:
        """Pins by these rules are allowed while this lasts; raises SettingError."""
        known(rules)
        self._allowances.append(rules)
        try:
            yield
        finally:
            self._allowances.remove(rules)

    def _pin(self, event: events.SessionPinned) -> Pin:
        address = self._addresses.get(event.client, "")
        return Pin(
            event,
            origin(address, event.sql) or tagged(event.tags),
            any(event.rule in rules for rules in list(self._allowances)),
        )


NO_RULE: Final = "{} is not a rule: must be one of {}."
MEANT: Final = "{} is not a rule: did you mean {}?"


def known(rules: tuple[str, ...]) -> None:
    """Raises SettingError at a name that no rule has, and without any name."""
    if not rules:
        raise SettingError(f"Name the rules to allow: {', '.join(CODES)}.")
    for rule in rules:
        if rule not in CODES:
            near = get_close_matches(str(rule), CODES, n=1)
            text = MEANT.format(rule, near[0]) if near else NO_RULE
            raise SettingError(text.format(rule, ", ".join(CODES)))

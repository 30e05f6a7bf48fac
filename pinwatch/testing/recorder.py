"""The pins of a proxy in this process, each with the lines of code that caused it.

Owns the list of pins and the rules that ``allow`` covered at the time. Events arrive on
the proxy's thread and other threads read the lists, which only grow.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from pinwatch import events
from pinwatch.pins.names import check_rules
from pinwatch.testing.origin import Frame, is_of_other_process, origin
from pinwatch.testing.origin.tagged import tagged


@dataclass(frozen=True, slots=True)
class Pin(events.SessionPinned):
    """A pin with the application's code that caused it.

    ``frames`` are the application's stack frames, outermost first, and empty if they
    were not found. ``allowed`` is true if an ``allow`` block covered the rule, and
    ``other_process`` if a client outside of this process sent the statement.
    """

    frames: tuple[Frame, ...] = ()
    allowed: bool = False
    other_process: bool = False

    @property
    def frame(self) -> Frame | None:
        """The application's innermost frame."""
        return self.frames[-1] if self.frames else None

    @property
    def located(self) -> bool:
        """True if the file is known; a tag may name the function alone."""
        return self.frame is not None and bool(self.frame.file)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Build a pin from a document of the HTTP API or of a report.

        Keys that are not fields are ignored, and without ``frames`` the tags are used.
        Raises KeyError, TypeError or ValueError if the document is not a pin.
        """
        names = [field.name for field in fields(events.SessionPinned)]
        values = {name: document[name] for name in names}
        values["at"] = datetime.fromisoformat(values["at"])
        values["trigger"] = tuple(values["trigger"])
        if "frames" in document:
            frames = tuple(Frame(**frame) for frame in document["frames"])
        else:
            frames = tagged(values["tags"])
        elsewhere = bool(document.get("other_process"))
        return cls(**values, frames=frames, other_process=elsewhere)

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``from_json`` reads."""
        values = self.values() | {"at": self.at.isoformat(), "tags": dict(self.tags)}
        return values | {
            "frames": [asdict(frame) for frame in self.frames],
            "other_process": self.other_process,
        }


class Peak:
    """The highest number of members at a time."""

    def __init__(self) -> None:
        self.most = 0
        self._now: set[int] = set()

    def began(self, number: int) -> None:
        self._now.add(number)
        self.most = max(self.most, len(self._now))

    def ended(self, number: int) -> None:
        self._now.discard(number)


class Recorder:
    """An observer that keeps all pins."""

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
        """Allow pins by these rules within the block; raises SettingError."""
        check_rules(rules)
        self._allowances.append(rules)
        try:
            yield
        finally:
            self._allowances.remove(rules)

    def _pin(self, event: events.SessionPinned) -> Pin:
        address = self._addresses.get(event.client, "")
        frames = origin(address, event.sql)
        return Pin(
            **event.values(),
            frames=frames or tagged(event.tags),
            allowed=any(event.rule in rules for rules in list(self._allowances)),
            other_process=not frames and is_of_other_process(address),
        )

"""Pins and leaks, each with the lines of code that caused it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Self

from pinwatch import events
from pinwatch.hidden.wording import REASON, state
from pinwatch.pins.names import HIDDEN_STATE
from pinwatch.testing.origin import Frame
from pinwatch.testing.origin.tagged import tagged


class Located:
    """A pin or leak with the application's code that caused it.

    ``frames`` are the application's stack frames, outermost first, and empty if they
    were not found. ``allowed`` is true if an ``allow`` block covered the rule, and
    ``other_process`` if a client outside of this process sent the statement.
    """

    __slots__ = ()

    frames: tuple[Frame, ...]
    allowed: bool
    other_process: bool

    @property
    def frame(self) -> Frame | None:
        """The application's innermost frame."""
        return self.frames[-1] if self.frames else None

    @property
    def located(self) -> bool:
        """True if the file is known; a tag may name the function alone."""
        return self.frame is not None and bool(self.frame.file)


@dataclass(frozen=True, slots=True)
class Pin(events.SessionPinned, Located):
    """A pin with the application's code that caused it."""

    frames: tuple[Frame, ...] = ()
    allowed: bool = False
    other_process: bool = False

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Build a pin from a document of the HTTP API or of a report.

        Keys that are not fields are ignored, and without ``frames`` the tags are used.
        Raises KeyError, TypeError or ValueError if the document is not a pin.
        """
        values = _values(events.SessionPinned, document)
        values["trigger"] = tuple(values["trigger"])
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``from_json`` reads."""
        return _document(self)


@dataclass(frozen=True, slots=True)
class Leak(events.StateLeaked, Located):
    """Hidden state with the application's code that left it."""

    rule: ClassVar[str] = HIDDEN_STATE
    contested: ClassVar[str] = ""

    frames: tuple[Frame, ...] = ()
    allowed: bool = False
    other_process: bool = False

    @property
    def state(self) -> str:
        """The state as a phrase, as in "the setting app.tenant = '42'"."""
        return state(self.kind, self.name, self.value)

    @property
    def code(self) -> str:
        """The functions that lead to the state and its SQL, or that none was found."""
        return self.path or self.function

    @property
    def reason(self) -> str:
        """A sentence on what stayed and on the code that left it."""
        return f"{REASON.format('The statement', self.state)} Code: {self.code}."

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Build a leak from a document, as ``Pin.from_json`` builds a pin."""
        return cls(**_values(events.StateLeaked, document))

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``from_json`` reads."""
        return {"rule": self.rule, **_document(self)}


Found = Pin | Leak


def _values(
    event: type[events.SessionPinned | events.StateLeaked], document: Mapping[str, Any]
) -> dict[str, Any]:
    values = {field.name: document[field.name] for field in fields(event)}
    values["at"] = datetime.fromisoformat(values["at"])
    if "frames" in document:
        values["frames"] = tuple(Frame(**frame) for frame in document["frames"])
    else:
        values["frames"] = tagged(values["tags"])
    return values | {"other_process": bool(document.get("other_process"))}


def _document(found: Found) -> dict[str, Any]:
    values = found.values() | {"at": found.at.isoformat(), "tags": dict(found.tags)}
    return values | {
        "frames": [asdict(frame) for frame in found.frames],
        "other_process": found.other_process,
    }

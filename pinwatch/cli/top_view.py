"""The state of pinwatch top that keys change: order, filter, selection, pause and help.

Owns what each key does. Does not know how the state is drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

Document = dict[str, Any]
Rank = Callable[[Document], Any]

FILTERED: Final = ("rule", "user", "database", "application_name", "sql", "source")
"""The keys of pins that the filter searches."""
DIGEST_FILTERED: Final = ("rule", "digest", "source")


def _longest(pin: Document) -> Any:
    return not pin["first"], -pin["pinned_seconds"]


ORDERS: Final[Mapping[str, Rank]] = {
    "pinned time": _longest,
    "latest first": lambda pin: -pin["id"],
    "rule": lambda pin: (pin["rule"], *_longest(pin)),
    "application": lambda pin: (pin["application_name"], *_longest(pin)),
}
"""The orders of pins, by the name that is shown; later statements come after first."""
MOVES: Final = {"up": -1, "k": -1, "down": 1, "j": 1}
"""The keys that select a pin, with the rows that they move by."""
HELP: Final = (
    ("s", "sort by the next order: " + ", ".join(ORDERS)),
    ("f", "filter by a part of rule, user, database, application or SQL"),
    ("up, down, k, j", "select a pin, whose fix is shown"),
    ("p", "pause and go on"),
    ("h, ?", "this help"),
    ("q, Ctrl-C", "quit"),
)
"""Keys and what they do."""


@dataclass(frozen=True, slots=True)
class View:
    """The state; ``selected`` is the id of a pin, None for the first one.

    ``edited`` is the filter while it is being typed, and None otherwise.
    """

    order: str = next(iter(ORDERS))
    filter: str = ""
    edited: str | None = None
    selected: int | None = None
    paused: bool = False
    help: bool = False
    ended: bool = False

    def pressed(self, key: str, pins: Sequence[Document]) -> Self:
        """Return the state after a key; pins are those shown, in their order."""
        if self.edited is not None:
            return self._typed(key, self.edited)
        if self.help:
            return replace(self, help=False, ended=key == "q")
        if key in MOVES:
            return self._moved(MOVES[key], pins)
        return self._commanded(key)

    def _commanded(self, key: str) -> Self:
        match key:
            case "q":
                return replace(self, ended=True)
            case "h" | "?":
                return replace(self, help=True)
            case "p":
                return replace(self, paused=not self.paused)
            case "s":
                orders = list(ORDERS)
                following = (orders.index(self.order) + 1) % len(orders)
                return replace(self, order=orders[following])
            case "f" | "/":
                return replace(self, edited=self.filter)
            case "escape":
                return replace(self, filter="")
            case _:
                return self

    def _typed(self, key: str, text: str) -> Self:
        match key:
            case "enter":
                return replace(self, filter=text, edited=None)
            case "escape":
                return replace(self, edited=None)
            case "backspace":
                return replace(self, edited=text[:-1])
            case _ if len(key) == 1 and key.isprintable():
                return replace(self, edited=text + key)
            case _:
                return self

    def _moved(self, by: int, pins: Sequence[Document]) -> Self:
        if not pins:
            return self
        index = min(max(self.index(pins) + by, 0), len(pins) - 1)
        return replace(self, selected=pins[index]["id"])

    def index(self, pins: Sequence[Document]) -> int:
        """Return the index of the selected pin; 0 if it is not shown any more."""
        ids = [pin["id"] for pin in pins]
        return ids.index(self.selected) if self.selected in ids else 0

    @property
    def words(self) -> str:
        """The filter that applies, while it is being typed too."""
        return self.filter if self.edited is None else self.edited

    def pins(self, pins: Sequence[Document]) -> list[Document]:
        """Return the pins that the filter selects, in order."""
        found = [pin for pin in pins if _matches(pin, FILTERED, self.words)]
        return sorted(found, key=ORDERS[self.order])

    def digests(self, digests: Sequence[Document]) -> list[Document]:
        return [one for one in digests if _matches(one, DIGEST_FILTERED, self.words)]


def _matches(document: Document, keys: Sequence[str], words: str) -> bool:
    return any(words.lower() in document[key].lower() for key in keys)

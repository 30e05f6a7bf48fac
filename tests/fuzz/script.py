"""A script: what one to four clients send, in which order, and in which pieces.

Owns its text, which is a Python expression that can be read back. A turn is one
client's alone. A flight is what the client sends before it reads all replies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.fuzz.actions import NAMES, Action

End = Literal["stay", "leave", "vanish", "reset"]
"""How a turn ends. A client that vanishes closes its connection without a Terminate in
the middle of its last flight, and does not come back; with reset, by a TCP reset."""


@dataclass(frozen=True, slots=True)
class Flight:
    """Messages that are sent without waiting, in pieces of so many bytes; 0 is all."""

    actions: tuple[Action, ...]
    pieces: int = 0

    def __repr__(self) -> str:
        parts = [repr(action) for action in self.actions]
        if self.pieces:
            parts.append(f"pieces={self.pieces}")
        return f"flight({', '.join(parts)})"

    def encode(self, table: str) -> bytes:
        return b"".join(action.encode(table) for action in self.actions)


@dataclass(frozen=True, slots=True)
class Turn:
    """The flights of one client before another client's turn.

    parameters are those of the login, if the client is not logged in. The client sends
    its first flight early if the previous client holds the database connection. cut is
    the share of the last flight, in percent, that is sent before the client vanishes.
    """

    client: int
    flights: tuple[Flight, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    early: bool = False
    end: End = "stay"
    cut: int = 0

    def __repr__(self) -> str:
        parts = [str(self.client), *(repr(flight) for flight in self.flights)]
        if self.parameters:
            parts.append(f"parameters={dict(self.parameters)!r}")
        if self.early:
            parts.append("early=True")
        if self.end != "stay":
            parts.append(f"end={self.end!r}")
        if self.cut:
            parts.append(f"cut={self.cut}")
        return f"turn({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Script:
    turns: tuple[Turn, ...]

    def __repr__(self) -> str:
        return f"script({', '.join(map(repr, self.turns))})"

    def __str__(self) -> str:
        """Return the text with one message on each line."""
        return "script(\n" + "".join(_lines(turn) for turn in self.turns) + ")\n"


def _lines(turn: Turn) -> str:
    text = f"  turn({turn.client},\n"
    for flight in turn.flights:
        text += "    flight(\n"
        text += "".join(f"      {action!r},\n" for action in flight.actions)
        text += f"      pieces={flight.pieces}),\n" if flight.pieces else "    ),\n"
    empty = Turn(turn.client, (), turn.parameters, turn.early, turn.end, turn.cut)
    settings = repr(empty).removeprefix(f"turn({turn.client}").removeprefix(", ")
    return f"{text}    {settings},\n" if settings != ")" else f"{text}  ),\n"


def flight(*actions: Action, pieces: int = 0) -> Flight:
    return Flight(actions, pieces)


def turn(
    client: int,
    *flights: Flight,
    parameters: Mapping[str, str] | None = None,
    early: bool = False,
    end: End = "stay",
    cut: int = 0,
) -> Turn:
    return Turn(client, flights, parameters or {}, early, end, cut)


def script(*turns: Turn) -> Script:
    return Script(turns)


NAMESPACE: Final = {**NAMES, "flight": flight, "turn": turn, "script": script}


def read_script(text: str) -> Script:
    """Return the script of a text that ``str`` or ``repr`` returned."""
    value = eval(text.strip(), {"__builtins__": {}}, dict(NAMESPACE))
    assert isinstance(value, Script)
    return value

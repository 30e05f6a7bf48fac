"""One frame of pinwatch top, rendered from the answers of the HTTP API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from pinwatch.text import duration, printable

Document = dict[str, Any]

CELLS: Final = {
    "pinned": ("█", "red"),
    "in transaction": ("▓", "yellow"),
    "borrowed": ("▒", "green"),
    "idle": ("░", "blue"),
    "opening": ("+", "dim"),
    "closing": ("-", "dim"),
}
FREE: Final = "·"
LATER: Final = "later"  # marks statements after the one that pinned the session
OWN_LINES: Final = 11  # lines of a frame beside the rows of its tables


class Answers(NamedTuple):
    pool: Document
    pins: list[Document]
    digests: list[Document]


def frame(answers: Answers, url: str, width: int, height: int | None = None) -> Group:
    """Render a frame of this size; raises KeyError or TypeError for other answers."""
    pool = answers.pool
    pins = sorted(answers.pins, key=lambda p: (not p["first"], -p["pinned_seconds"]))
    rows = None if height is None else max(height - OWN_LINES, 2) // 2
    return Group(
        Text.assemble(("pinwatch ", "bold"), url),
        _counts(pool),
        bar(pool, width),
        Text(),
        Text(f"Pinned: {sum(pin['first'] for pin in pins)}", "bold"),
        _pinned(pins[:rows]),
        Text(),
        Text("Digests by pinned time", "bold"),
        _digests(answers.digests[:rows]),
    )


def bar(pool: Document, width: int) -> Text:
    """Draw a cell per possible connection, or per several if the width is too small."""
    most = max(pool["max_connections"], len(pool["connections"]))
    scale = min(1.0, width / most)
    states = Counter(connection["state"] for connection in pool["connections"])
    text = Text(no_wrap=True)
    for state, (cell, style) in CELLS.items():
        if states[state]:
            text.append(cell * max(1, round(states[state] * scale)), style)
    text.append(FREE * (round(most * scale) - len(text)), "dim")
    text.truncate(width)
    return text


def _counts(pool: Document) -> Text:
    states = Counter(connection["state"] for connection in pool["connections"])
    shown = [
        Text(f"{cell} {state} {states[state]}", style)
        for state, (cell, style) in CELLS.items()
        if states[state]
    ]
    opened = f"{pool['open']} of {pool['max_connections']} database connections"
    clients = f"{pool['clients']} clients, {pool['waiting']} waiting"
    return Text("   ").join([Text(clients), Text(opened), *shown])


def _pinned(pins: Iterable[Document]) -> Table:
    table = _table(["for", "rule", "", "user", "database", "application"], "SQL")
    for pin in pins:
        table.add_row(
            duration(pin["pinned_seconds"]),
            *map(_line, (pin["rule"], "" if pin["first"] else LATER)),
            *map(_line, (pin["user"], pin["database"])),
            *map(_line, (pin["application_name"], pin["sql"])),
        )
    return table


def _digests(digests: Iterable[Document]) -> Table:
    table = _table(["pinned", "sessions", "at a time", "rule", ""], "digest")
    for digest in digests:
        table.add_row(
            duration(digest["pinned_seconds"]),
            *map(str, (digest["count"], digest["peak_connections"])),
            *map(_line, (digest["rule"], LATER if _all_later(digest) else "")),
            _line(digest["digest"]),
        )
    return table


def _all_later(digest: Document) -> bool:
    return bool(digest["later"] == digest["count"])


def _table(names: Sequence[str], last: str) -> Table:
    """Return a table whose last column takes the remaining width."""
    columns = [Column(name, no_wrap=True, max_width=20) for name in names]
    rest = Column(last, no_wrap=True, ratio=1, overflow="ellipsis")
    return Table(*columns, rest, box=None, expand=True, pad_edge=False)


def _line(text: str) -> Text:
    return Text(printable(" ".join(text.split())))

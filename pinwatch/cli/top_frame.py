"""One frame of pinwatch top, rendered from the answers of the HTTP API.

Owns what is left out if the terminal has few lines. Does not know keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from textwrap import wrap
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from pinwatch.cli.top_view import HELP, Document, View
from pinwatch.text import duration, number_of, printable

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
SELECTED: Final = "▶ "
STYLES: Final = {"AVAILABLE": "green", "REGISTERING": "yellow", "UNAVAILABLE": "red"}
"""The styles of targets by their state."""
MAX_TARGETS: Final = 6  # a proxy has few
MAX_FIX: Final = 3  # lines of the selected pin's fix
FEW_LINES: Final = 24  # a terminal with fewer shows one line of the fix
KEYS: Final = "s sort   f filter   p pause   up/down select   h help   q quit"


class Answers(NamedTuple):
    proxy: Document
    pool: Document
    targets: list[Document]
    faults: list[Document]
    pins: list[Document]
    digests: list[Document]
    leaks: Sequence[Document] = ()
    """The latest leak, if there is one."""


class Size(NamedTuple):
    """The size of the terminal; a frame without a height has all rows."""

    width: int
    height: int | None


def frame(answers: Answers, url: str, size: Size, view: View | None = None) -> Group:
    """Render a frame; raises KeyError or TypeError for other answers.

    Without a view nothing is selected and no keys are named.
    """
    if view is not None and view.help:
        return _help(url)
    pins = (view or View()).pins(answers.pins)
    digests = (view or View()).digests(answers.digests)
    above = [*_head(answers, url, size.width), Text()]
    below = [] if view is None else _foot(pins, view, size)
    rows = _rows(size.height, len(above) + len(below))
    at = view.index(pins) if view is not None and pins else None
    return Group(
        *above,
        Text(_title(answers.pins, view), "bold"),
        _pinned(pins, at, rows),
        *_digests(digests, rows),
        *below,
    )


def _rows(height: int | None, others: int) -> tuple[int | None, int | None]:
    """Return the rows of pins and of digests; others are lines beside both tables.

    A table has a title, a head and an empty line. Digests are left out if there is no
    room for two of them.
    """
    if height is None:
        return None, None
    room = height - others - 2  # title and head of the pins
    digests = (room - 3) // 2
    if digests < 2:
        return max(room, 1), 0
    return room - 3 - digests, digests


def _head(answers: Answers, url: str, width: int) -> list[Text]:
    return [
        _proxy(answers.proxy, url),
        _counts(answers.pool),
        bar(answers.pool, width),
        *chain.from_iterable(map(_target, answers.targets[:MAX_TARGETS])),
        _endpoints(answers.proxy),
        *map(_fault, answers.faults),
        *map(_leak, answers.leaks),
    ]


def _proxy(proxy: Document, url: str) -> Text:
    failovers = number_of(proxy["failovers"], "failover")
    described = (
        f"proxy {proxy['name']}, profile {proxy['profile']}, "
        f"up {duration(proxy['uptime'])}, {failovers}"
    )
    version = f"pinwatch {proxy['version']}"
    return _cut(Text.assemble((version, "bold"), f"  {url}  ", _line(described)))


def _target(target: Document) -> Iterator[Text]:
    """Yield a line, and a second one with the reason if it is not available."""
    role = "writer" if target["role"] == "READ_WRITE" else "reader"
    style = STYLES.get(target["state"], "red")
    fields = [f"target {target['name']}", role, target["address"]]
    health = Text(target["state"], style)
    yield _cut(Text("  ").join([*map(_line, fields), health]))
    if target["reason"]:
        why = ": ".join(filter(None, (target["reason"], target["description"])))
        yield _cut(Text.assemble("  ", (_line(why).plain, style)))


def _endpoints(proxy: Document) -> Text:
    shown = (
        f"{one['name']} {one['address']}"
        + (" (readers)" if one["role"] == "READ_ONLY" else "")
        for one in proxy["endpoints"]
    )
    return _cut(Text("endpoints ").append(_line(", ".join(shown))))


def _fault(fault: Document) -> Text:
    left = "" if fault["left"] is None else f", {duration(fault['left'])} left"
    times = "once" if fault["happened"] == 1 else f"{fault['happened']} times"
    text = f"fault {fault['name']}: {fault['meaning']}; happened {times}{left}"
    return _cut(Text.assemble((_line(text).plain, "yellow")))


def _leak(leak: Document) -> Text:
    leaks = number_of(leak["id"], "leak")
    text = f"hidden state: {leaks}, the latest {leak['state']} ({leak['function']})"
    return _cut(Text.assemble((_line(text).plain, "red")))


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
    clients = f"{number_of(pool['clients'], 'client')}, {pool['waiting']} waiting"
    return _cut(Text("   ").join([Text(clients), Text(opened), *shown]))


def _title(pins: Sequence[Document], view: View | None) -> str:
    title = f"Pinned: {sum(pin['first'] for pin in pins)}"
    if view is None:
        return title
    filtered = f', filter "{printable(view.words)}"' if view.words else ""
    return f"{title}, by {view.order}{filtered}"


Rows = tuple[int | None, int | None]


def _pinned(pins: Sequence[Document], selected: int | None, rows: Rows) -> Table:
    """Return the rows around the selected one, as many as there is room for."""
    most = len(pins) if rows[0] is None else rows[0]
    first = 0 if selected is None else max(0, selected - most + 1)
    table = _table(["for", "rule", "", "user", "database", "application"], "SQL")
    for number, pin in enumerate(pins[first : first + most], first):
        mark = "" if selected is None else " " * len(SELECTED)
        mark = SELECTED if number == selected else mark
        table.add_row(
            mark + duration(pin["pinned_seconds"]),
            *map(_line, (pin["rule"], "" if pin["first"] else LATER)),
            *map(_line, (pin["user"], pin["database"])),
            *map(_line, (pin["application_name"], pin["sql"])),
            style="bold" if number == selected else "",
        )
    return table


def _digests(digests: Sequence[Document], rows: Rows) -> list[RenderableType]:
    if rows[1] == 0:
        return []
    table = _table(["pinned", "sessions", "at a time", "rule", ""], "digest")
    for digest in digests[: rows[1]]:
        table.add_row(
            duration(digest["pinned_seconds"]),
            *map(str, (digest["count"], digest["peak_connections"])),
            *map(_line, (digest["rule"], LATER if _all_later(digest) else "")),
            _line(digest["digest"]),
        )
    return [Text(), Text("Digests by pinned time", "bold"), table]


def _all_later(digest: Document) -> bool:
    return bool(digest["later"] == digest["count"])


def _foot(pins: Sequence[Document], view: View, size: Size) -> list[Text]:
    """Return the selected pin's fix, and the keys or the filter that is being typed."""
    fix = _fix(pins[view.index(pins)], size) if pins else []
    if view.edited is not None:
        keys = Text(
            f"filter: {view.edited}_   Enter applies, Escape cancels", "reverse"
        )
    elif view.paused:
        keys = Text(f"PAUSED, p goes on   {KEYS}", "reverse")
    else:
        keys = Text(KEYS, "dim")
    return [Text(), *fix, _cut(keys)]


def _fix(pin: Document, size: Size) -> list[Text]:
    source = f" at {pin['source']}" if pin["source"] else ""
    contested = ", contested" if pin["contested"] else ""
    head = _line(f"{pin['rule']}{contested}{source}: {pin['statement']}")
    few = size.height is not None and size.height < FEW_LINES
    lines = wrap(
        f"Fix: {printable(pin['advice'])}",
        max(size.width - 1, len("Fix: ")),
        max_lines=1 if few else MAX_FIX,
        placeholder=" ...",
    )
    return [_cut(head), *(Text(line, "green") for line in lines)]


def _help(url: str) -> Group:
    table = Table(Column(no_wrap=True), Column(), box=None, show_header=False)
    for key, meaning in HELP:
        table.add_row(Text(key, "bold"), Text(meaning))
    title = Text.assemble(("pinwatch top ", "bold"), url)
    return Group(title, Text(), table, Text(), Text("Any key goes back.", "dim"))


def _table(names: Sequence[str], last: str) -> Table:
    """Return a table whose last column takes the remaining width."""
    columns = [Column(name, no_wrap=True, max_width=20) for name in names]
    rest = Column(last, no_wrap=True, ratio=1, overflow="ellipsis")
    return Table(*columns, rest, box=None, expand=True, pad_edge=False)


def _line(text: str) -> Text:
    return Text(printable(" ".join(text.split())))


def _cut(text: Text) -> Text:
    """Return the text as one line, which ends in an ellipsis if it is cut."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text

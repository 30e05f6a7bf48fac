"""The cases: a table of loads, and the selection of rows by pattern."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from typing import Final

MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """One load, the same for every subject.

    ``login`` is "trust" or "scram"; ``tls`` is between client and subject only.
    """

    name: str
    clients: int
    tls: bool = False
    login: str = "trust"


@dataclass(frozen=True, slots=True)
class Statements(Case):
    """pgbench: each client runs ``script`` again and again.

    ``protocol`` is pgbench's ``--protocol``. ``script`` is None for its built-in
    select-only. With ``reconnect`` each transaction has its own connection. With SCRAM
    pgbench hashes the password 4,096 times per login and is busier than any proxy, so
    CPU per transaction says more there than connects per second.
    ``result_bytes`` is the payload of one transaction if bytes per second matter.
    """

    protocol: str = "simple"
    script: str | None = None
    reconnect: bool = False
    result_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Copy(Case):
    """One client that copies ``payload`` bytes ``direction`` ("in", "out") at a time.

    Rows are 1,000 bytes. The server sends each row in its own CopyData message; the
    client sends eight rows in each, as drivers do.
    """

    direction: str = "out"
    payload: int = 64 * MB


@dataclass(frozen=True, slots=True)
class Idle(Case):
    """Many clients that log in, wait, and then all send a query at the same time."""


PROTOCOLS: Final = ("simple", "extended", "prepared")

WIDE_ROWS: Final = "SELECT repeat('0123456789', 100000) FROM generate_series(1, 4);\n"
NARROW_ROWS: Final = "SELECT repeat('x', 100), i FROM generate_series(1, 10000) i;\n"
UNSEEN_CODE: Final = (
    "DO $$ BEGIN PERFORM set_config('app.tenant', '1', true); END $$;\n"
)
"""A statement after which pinwatch probes, if hidden_state is on."""


def _cases() -> Iterator[Case]:
    for tls, protocol, clients in product((False, True), PROTOCOLS, (1, 10, 100, 1000)):
        name = f"{protocol}-{clients}{'-tls' if tls else ''}"
        yield Statements(name, clients, tls=tls, protocol=protocol)
    for login, clients, tls in (
        ("trust", 10, False),
        ("scram", 1, False),
        ("scram", 10, False),
        ("scram", 10, True),
    ):
        name = f"connect-{login}-{clients}{'-tls' if tls else ''}"
        yield Statements(name, clients, tls=tls, login=login, reconnect=True)
    yield Statements("rows-1mb", 4, script=WIDE_ROWS, result_bytes=4 * MB)
    yield Statements("rows-1mb-tls", 4, True, script=WIDE_ROWS, result_bytes=4 * MB)
    yield Statements("rows-100b", 4, script=NARROW_ROWS, result_bytes=10_000 * 104)
    yield Statements("unseen-code-10", 10, script=UNSEEN_CODE)
    yield Copy("copy-out", 1, direction="out")
    yield Copy("copy-in", 1, direction="in")
    yield Idle("idle-10000", 10_000)


CASES: Final = tuple(_cases())

QUICK: Final = tuple(
    f"{protocol}-{clients}" for clients, protocol in product((10, 100), PROTOCOLS)
)
"""The names of the cases that ``--quick`` runs."""


def choose(patterns: list[str]) -> list[Case]:
    """Return the cases whose name matches a shell pattern, in the table's order.

    Raises ValueError with the pattern if one matches nothing.
    """
    for pattern in patterns:
        if not any(fnmatchcase(case.name, pattern) for case in CASES):
            raise ValueError(f"no case is named {pattern!r}; --list shows them")
    return [
        case
        for case in CASES
        if any(fnmatchcase(case.name, pattern) for pattern in patterns)
    ]

"""Faults that the proxy once had, to prove that random scripts find them.

Each fault takes back one repair. They need the uncompiled build: the methods of a
compiled class cannot be replaced.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import pytest

from pinwatch.pins.verdict import Verdict
from pinwatch.relay.database_stream import DatabaseStream
from pinwatch.relay.prepared import (
    CLOSE_UNNAMED,
    ClientStatements,
    Renamed,
    UnnamedByClient,
)


class Fault(NamedTuple):
    put_back: Callable[[pytest.MonkeyPatch], None]
    sign: str
    """A regular expression for a line of the difference that the fault makes."""


def assertion_error(patch: pytest.MonkeyPatch) -> None:
    """A hidden Query drops an unnamed statement over 16 KB, which is not kept.

    The proxy prepared it again without a check that it has the text.
    """
    refer = ClientStatements._refer_to_unnamed

    def refer_to_kept(self: ClientStatements, describes: bool) -> Renamed | None:
        unnamed = self.unnamed
        change = refer(self, describes)
        if change is not None and change[0] == CLOSE_UNNAMED and unnamed is not None:
            assert isinstance(unnamed, bytes)
        return change

    patch.setattr(ClientStatements, "_refer_to_unnamed", refer_to_kept)
    patch.setattr(DatabaseStream, "_must_keep_unnamed", lambda self: False)


def internal_name(patch: pytest.MonkeyPatch) -> None:
    """An error shows the proxy's own name of a statement that the client closed."""

    def present_name(self: ClientStatements, name: bytes) -> bytes | None:
        return self.names.get(name)

    patch.setattr(ClientStatements, "own_name", present_name)


def name_space(patch: pytest.MonkeyPatch) -> None:
    """A Parse of x after PREPARE x succeeds: both have a name space of their own."""
    parse = ClientStatements.parse

    def parse_unpinned(
        self: ClientStatements, name: bytes, definition: bytes, verdict: Verdict | None
    ) -> Renamed | None:
        self.pinned = False
        return parse(self, name, definition, verdict)

    patch.setattr(ClientStatements, "parse", parse_unpinned)


def surviving_statement(patch: pytest.MonkeyPatch) -> None:
    """The unnamed statement survives a Parse that fails behind another message."""
    patch.setattr(UnnamedByClient, "doubt", lambda self: None)


FAULTS: Final[dict[str, Fault]] = {
    "assertion error": Fault(assertion_error, r"^In the proxy: AssertionError"),
    "internal name": Fault(internal_name, r'< pinwatch: E .*"pinwatch_\w+"'),
    "name space": Fault(name_space, r"< directly: E ERROR 42P05 "),
    "surviving statement": Fault(surviving_statement, r"< directly: E ERROR 26000 "),
}

"""The statements that clients and database connections share.

Owns their identity: one statement for each text with its parameter types, under a
name of the proxy's own, for all clients who mean the same by it. Does not know who has
prepared it where.
"""

from collections.abc import Iterator
from itertools import count
from weakref import WeakValueDictionary

from pinwatch.pins.verdict import Verdict
from pinwatch.relay.parameters import Values


class Statement:
    """A statement as the server knows it.

    definition is the body of its Parse after the name: text, NUL, parameter types.
    verdict is on its text, None where there is nothing to say.
    """

    __slots__ = ("__weakref__", "definition", "name", "verdict")

    def __init__(self, name: bytes, definition: bytes) -> None:
        self.name = name
        self.definition = definition
        self.verdict: Verdict | None = None


class Registry:
    """The statements that some client or connection holds.

    By definition, and by the settings under which a text is read: a constant such as
    '2026-01-02 00:00' becomes a value at the Parse.

    prefix must be one that no client can guess: other names reach the server as they
    are.
    """

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix
        self.nowhere = prefix + b"0"  # a name that no statement ever has
        self._numbers: Iterator[int] = count(1)
        self._statements: WeakValueDictionary[tuple[bytes, Values], Statement] = (
            WeakValueDictionary()
        )

    def __len__(self) -> int:
        return len(self._statements)

    def statement(self, definition: bytes, settings: Values) -> Statement:
        known = self._statements.get((definition, settings))
        if known is None:
            known = self._statements[definition, settings] = self._new(definition)
        return known

    def namesake(self, statement: Statement) -> Statement:
        """The same text under another name, for one client that has it twice."""
        return self._new(statement.definition)

    def _new(self, definition: bytes) -> Statement:
        return Statement(b"%s%d" % (self.prefix, next(self._numbers)), definition)

    def named_in(self, text: bytes) -> bytes | None:
        """The name of the registry's that text mentions."""
        at = text.find(self.prefix)
        if at < 0:
            return None
        end = at + len(self.prefix)
        while text[end : end + 1].isdigit():
            end += 1
        return text[at:end]

    def renew(self) -> None:
        """Share no statement of before with a client that prepares after.

        A change of the schema may give the same text another result.
        """
        self._statements.clear()

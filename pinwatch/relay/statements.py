"""The statements that clients and database connections share.

Owns their identity: one statement for each text with its parameter types, under a name
of the proxy's own, for all clients that prepare the same. Does not know which client or
connection has prepared a statement.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final
from weakref import WeakValueDictionary

from pinwatch.pins.verdict import Verdict
from pinwatch.relay.parameters import Values

RANDOM_BYTES: Final = 8  # at the end of each name
MAX_CLIENT_BYTES: Final = 64 * 1024 * 1024


class Statement:
    """A statement as the server knows it.

    definition is the body of its Parse after the name: text, NUL, parameter types.
    verdict is on its text, None if there is nothing to report. sent says that the name
    was sent to some server, where a client's SQL may have read it.
    """

    __slots__ = ("__weakref__", "definition", "name", "sent", "verdict")

    def __init__(self, name: bytes, definition: bytes) -> None:
        self.name = name
        self.definition = definition
        self.verdict: Verdict | None = None
        self.sent = False


class Registry:
    """The statements that some client or connection holds.

    Their key is the definition, with the settings under which the server reads it: a
    constant such as '2026-01-02 00:00' becomes a value at the Parse.

    All names of the proxy's own begin with prefix. A client's name that begins with it
    gets an alias, so that no client reaches a shared statement by its name.
    max_client_bytes bounds what one client's statements may take.
    """

    def __init__(
        self,
        prefix: bytes,
        max_client_bytes: int = MAX_CLIENT_BYTES,
        random: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.prefix = prefix
        self.max_client_bytes = max_client_bytes
        self.nowhere = prefix + b"none"  # a name that no statement ever has
        self.rejected = prefix + b"full"  # the same, in place of a rejected Parse
        self._random = random  # a number of bytes to hexadecimal digits
        self._alias = prefix + b"!"
        self._name = re.compile(re.escape(prefix) + rb"([0-9]+_[0-9a-f]{16}|full)")
        self._numbers: Iterator[int] = count(1)
        self._statements: WeakValueDictionary[tuple[bytes, Values], Statement] = (
            WeakValueDictionary()
        )

    def __len__(self) -> int:
        return len(self._statements)

    def statement(self, definition: bytes, settings: Values) -> Statement:
        """Return the shared statement, a new one if no client or connection has it."""
        known = self._statements.get((definition, settings))
        if known is None:
            known = self._statements[definition, settings] = self.private(definition)
        return known

    def private(self, definition: bytes) -> Statement:
        """Return a new statement that is not shared."""
        end = self._random(RANDOM_BYTES).encode()
        name = b"%s%d_%s" % (self.prefix, next(self._numbers), end)
        return Statement(name, definition)

    def alias(self, name: bytes) -> bytes | None:
        """Return the name to send for a client's name that begins with prefix."""
        return self._alias + name if name.startswith(self.prefix) else None

    def has_alias(self, text: bytes) -> bool:
        return self._alias in text

    def without_alias(self, text: bytes) -> bytes:
        return text.replace(self._alias, b"")

    def named_in(self, text: bytes) -> bytes | None:
        """Return the proxy's name that text mentions first."""
        if self.prefix not in text:
            return None
        found = self._name.search(text)
        return None if found is None else found[0]

    def renew(self) -> None:
        """Share no earlier statement with a client that prepares from now on.

        A change of the schema may give the same text another result.
        """
        self._statements.clear()

"""The statements that clients and database connections share.

Owns their identity: one statement for each text with its parameter types, under a name
that the proxy chooses, for all clients that prepare the same. Does not know which
client or connection has prepared a statement.
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
    verdict is the verdict on its text, or None. name_sent is true once the name was
    sent to a server, where SQL of a client may have read it.
    """

    __slots__ = ("__weakref__", "definition", "name", "name_sent", "verdict")

    def __init__(self, name: bytes, definition: bytes) -> None:
        self.name = name
        self.definition = definition
        self.verdict: Verdict | None = None
        self.name_sent = False


class Registry:
    """The statements that clients and connections hold.

    Their key is the definition with the settings that affect how the server parses it:
    a constant such as '2026-01-02 00:00' becomes a value at the Parse.

    All names that the proxy chooses begin with prefix. A client's name that begins with
    it gets an alias, so that no client reaches a shared statement by its name.
    max_client_bytes limits the memory of one client's statements.
    """

    def __init__(
        self,
        prefix: bytes,
        max_client_bytes: int = MAX_CLIENT_BYTES,
        random: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.prefix = prefix
        self.max_client_bytes = max_client_bytes
        self.unused_name = prefix + b"none"  # no statement ever has it
        # An unused name, too: for the Describe that replaces a rejected Parse.
        self.rejected_name = prefix + b"full"
        self._random = random  # returns that many bytes in hexadecimal
        self._alias = prefix + b"!"
        self._name = re.compile(re.escape(prefix) + rb"([0-9]+_[0-9a-f]{16}|full)")
        self._numbers: Iterator[int] = count(1)
        self._statements: WeakValueDictionary[tuple[bytes, Values], Statement] = (
            WeakValueDictionary()
        )

    def __len__(self) -> int:
        return len(self._statements)

    def statement(self, definition: bytes, settings: Values) -> Statement:
        """Return the shared statement; create it if no client or connection has it."""
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
        """Return the alias of a client's name that begins with prefix, else None."""
        return self._alias + name if name.startswith(self.prefix) else None

    def has_alias(self, text: bytes) -> bool:
        return self._alias in text

    def without_alias(self, text: bytes) -> bytes:
        return text.replace(self._alias, b"")

    def named_in(self, text: bytes) -> bytes | None:
        """Return the first name in text that the proxy chose, or None."""
        if self.prefix not in text:
            return None
        found = self._name.search(text)
        return None if found is None else found[0]

    def renew(self) -> None:
        """Stop sharing the present statements with clients that prepare later.

        After a change of the schema the same text may have another result type.
        """
        self._statements.clear()

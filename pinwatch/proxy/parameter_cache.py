"""The parameters that clients of one endpoint receive at login, from earlier logins.

Bounded in entries and in bytes: the oldest entries are dropped. A client can send
10,000 bytes of startup parameters, and the database reports most of them back.
"""

from collections import OrderedDict
from typing import Final

from pinwatch.pool.interfaces import Key
from pinwatch.relay.client_login import CachedParameters
from pinwatch.relay.parameters import APPLICATION_NAME, Values, nameless, plain_name

MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
OVERHEAD: Final = 1_024  # bytes of an entry besides its words
WORD: Final = 128  # bytes of a name or a value besides its text


class ParameterCache:
    """Reported parameters by the pool's key and the client's startup parameters.

    An application_name that the server keeps unchanged is no part of an entry.
    """

    def __init__(
        self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.size = 0
        """The size of all entries, in bytes."""
        self._entries: OrderedDict[tuple[Key, Values], CachedParameters] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, parameters: Values) -> CachedParameters | None:
        found = self._entries.get((key, nameless(parameters)))
        name = plain_name(parameters)
        if found is None or name is None:
            return found
        reported = found.reported_parameters.changed(APPLICATION_NAME, name)
        return found._replace(reported_parameters=reported)

    def put(self, parameters: Values, cached: CachedParameters) -> None:
        """Add an entry, or replace it; drop the oldest ones that are too many."""
        entry = cached.key, nameless(parameters)
        replaced = self._entries.pop(entry, None)
        if replaced is not None:
            self.size -= entry_size(entry[1], replaced)
        self._entries[entry] = cached
        self.size += entry_size(entry[1], cached)
        while len(self._entries) > self.max_entries or self.size > self.max_bytes:
            (_, dropped), oldest = self._entries.popitem(last=False)
            self.size -= entry_size(dropped, oldest)

    def clear(self) -> None:
        self._entries.clear()
        self.size = 0


def entry_size(parameters: Values, cached: CachedParameters) -> int:
    """Return the size of an entry in bytes, about."""
    reported = cached.reported_parameters
    words = *cached.key, *parameters.pairs(), *reported.pairs()
    return OVERHEAD + sum(len(word) + WORD for word in words)

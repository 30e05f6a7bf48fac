"""The history of leaks since the proxy started: hidden state that it found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pinwatch import events
from pinwatch.observers.latest import MAX_BYTES, MAX_ITEMS, Latest


@dataclass(frozen=True, slots=True)
class Leak:
    """A leak and its number."""

    id: int
    event: events.StateLeaked


Listen = Callable[[Leak], None]


class Leaks:
    """The leaks of one proxy; each listener is called with every new one."""

    def __init__(self, max_leaks: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self.listeners: list[Listen] = []
        self._count = 0
        self._kept = Latest(_texts, max_leaks, max_bytes)

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.StateLeaked):
            self._count += 1
            leak = Leak(self._count, event)
            self._kept.append(leak)
            for listen in self.listeners:
                listen(leak)

    def leaks(self) -> list[Leak]:
        """Return the leaks that are kept, newest first."""
        return list(reversed(self._kept))


def _texts(leak: Leak) -> Iterator[str]:
    event = leak.event
    yield from (event.name, event.value, event.function, event.path)
    yield from (event.digest, event.sql, event.statement, *event.tags.values())

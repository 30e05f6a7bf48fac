"""The pins and leaks of a proxy in this process, with the code that caused them.

Owns the list of them and the rules that ``allow`` covered at the time. Events arrive on
the proxy's thread and other threads read the list, which only grows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pinwatch import events
from pinwatch.pins.names import HIDDEN_STATE, check_rules
from pinwatch.testing.found import Found, Leak, Pin
from pinwatch.testing.origin import Frame, is_of_other_process, origin
from pinwatch.testing.origin.tagged import tagged

MAX_SENDERS: Final = 10_000
"""Statements that may leave state, and that are kept until a leak names them."""


class Peak:
    """The highest number of members at a time."""

    def __init__(self) -> None:
        self.most = 0
        self._now: set[int] = set()

    def began(self, number: int) -> None:
        self._now.add(number)
        self.most = max(self.most, len(self._now))

    def ended(self, number: int) -> None:
        self._now.discard(number)


@dataclass(frozen=True, slots=True)
class _Sender:
    """The code that sent a statement, as in ``found.Located``."""

    frames: tuple[Frame, ...] = ()
    allowed: bool = False
    other_process: bool = False


class Recorder:
    """An observer that keeps all pins and leaks, in order."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self.leaked = False
        self.clients = Peak()
        self.connections = Peak()
        self._addresses: dict[int, str] = {}
        self._elsewhere: set[int] = set()
        """Clients in other processes, which are not looked for again."""
        self._senders: dict[int, _Sender] = {}
        """The senders of statements that may leave state, by number."""
        self._allowances: list[tuple[str, ...]] = []

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.SessionPinned():
                self.found.append(self._pin(event))
            case events.UnseenCodeRuns(client, statement, sql):
                self._senders[statement] = self._sender(client, sql, HIDDEN_STATE)
                if len(self._senders) > MAX_SENDERS:
                    del self._senders[next(iter(self._senders))]
            case events.StateLeaked():
                self.found.append(self._leak(event))
                self.leaked = True
            case events.ClientConnected(client, address):
                self._addresses[client] = address
            case events.ClientClosed(client):
                self._addresses.pop(client, None)
                self._elsewhere.discard(client)
                self.clients.ended(client)
            case events.ClientWelcomed(client):
                self.clients.began(client)
            case events.DatabaseConnected(connection):
                self.connections.began(connection)
            case events.DatabaseClosed(connection):
                self.connections.ended(connection)
            case _:
                pass

    @contextmanager
    def allow(self, *rules: str) -> Iterator[None]:
        """Allow these rules within the block; raises SettingError."""
        check_rules(rules)
        self._allowances.append(rules)
        try:
            yield
        finally:
            self._allowances.remove(rules)

    def _pin(self, event: events.SessionPinned) -> Pin:
        sender = self._sender(event.client, event.sql, event.rule)
        return Pin(
            **event.values(),
            frames=sender.frames or tagged(event.tags),
            allowed=sender.allowed,
            other_process=sender.other_process,
        )

    def _leak(self, event: events.StateLeaked) -> Leak:
        """Return a leak with the sender of its statement, which was found before."""
        sender = self._senders.get(event.number, _Sender())
        return Leak(
            **event.values(),
            frames=sender.frames or tagged(event.tags),
            allowed=sender.allowed,
            other_process=sender.other_process,
        )

    def _sender(self, client: int, sql: str, rule: str) -> _Sender:
        """Find the code that sent sql while the client waits for the reply."""
        frames: tuple[Frame, ...] = ()
        if client not in self._elsewhere:
            address = self._addresses.get(client, "")
            frames = origin(address, sql)
            if not frames and is_of_other_process(address):
                self._elsewhere.add(client)
        return _Sender(
            frames,
            allowed=any(rule in rules for rules in list(self._allowances)),
            other_process=client in self._elsewhere,
        )

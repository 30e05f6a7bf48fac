"""Runs a script on a server and on pinwatch with one database connection.

Owns the order: a client's turn ends before the next one's begins, so that each side
runs the same statements in the same order. A client that would keep the only database
connection returns it: it rolls its transaction back, and leaves if it is pinned.
"""

import asyncio
from typing import Final

from pinwatch import events
from tests.fuzz.actions import copy_fail, query, sync
from tests.fuzz.pair import END, DifferenceFound, IntendedDifference, Pair
from tests.fuzz.quiet import is_database_quiet
from tests.fuzz.script import Flight, Script, Turn
from tests.fuzz.stage import CLIENTS, Stage, table
from tests.harness import RunningProxy

BACK_TO_IDLE: Final = Flight((copy_fail("over"), sync(), query("ROLLBACK")))
"""Messages that end a COPY, a batch and a transaction, whichever is open."""


def run(script: Script, stage: Stage) -> None:
    """Run a script. Raises DifferenceFound and IntendedDifference.

    No intended difference excuses an exception in the proxy.
    """
    stage.renew()
    proxy = stage.proxy()
    performance = Performance(stage, proxy)
    try:
        with proxy:
            performance.play(script)
    except (AssertionError, DifferenceFound, IntendedDifference):
        if not proxy.faults:
            raise
    if proxy.faults:
        faults = "\n".join(repr(fault["exception"]) for fault in proxy.faults)
        raise DifferenceFound(f"{performance.transcripts()}\nIn the proxy: {faults}")


class Performance:
    """One run of a script."""

    def __init__(self, stage: Stage, proxy: RunningProxy) -> None:
        self.stage = stage
        self.proxy = proxy
        self.pairs: dict[int, Pair] = {}  # those that are logged in
        self.gone: set[int] = set()  # clients that have vanished
        self.logs: list[Pair] = []  # all that were logged in
        self.numbers: dict[Pair, int] = {}  # the proxy's numbers of the clients

    def play(self, script: Script) -> None:
        try:
            for number, turn in enumerate(script.turns):
                if turn.client not in self.gone:
                    following = script.turns[number + 1 :]
                    self._turn(turn, following[0] if following else None)
            self._finish()
        finally:
            for pair in self.pairs.values():
                pair.vanish()

    def transcripts(self) -> str:
        """Return the transcripts of all clients, in the order of their logins."""
        return "".join(
            f"client {pair.number}:\n{pair.transcripts()}" for pair in self.logs
        )

    def _turn(self, turn: Turn, following: Turn | None) -> None:
        pair = self._pair(turn)
        *flights, last = turn.flights
        for flight in flights:
            self._fly(pair, flight)
        if turn.end in ("vanish", "reset"):
            if pair.open:
                pair.cut(last, table(turn.client), turn.cut, turn.end == "reset")
            self.gone.add(turn.client)
        else:
            self._fly(pair, last)
            self._end_turn(pair, turn, following)
        if not pair.open:
            pair.vanish()
            del self.pairs[turn.client]

    def _pair(self, turn: Turn) -> Pair:
        if turn.client not in self.pairs:
            endpoints = self.stage.direct, self.proxy.endpoint()
            monitor = self.stage.monitors[0]
            pair = Pair(turn.client, endpoints, monitor, turn.parameters, self._is_idle)
            self.pairs[turn.client] = pair
            self.logs.append(pair)
            self.numbers[pair] = self.proxy.happened(events.ClientConnected)[-1].client
        return self.pairs[turn.client]

    def _is_idle(self) -> bool:
        """Return True if the proxy has done all it can, and so has its server."""
        self.proxy.run(asyncio.sleep(0))
        return is_database_quiet(self.stage.monitors[1])

    def _fly(self, pair: Pair, flight: Flight) -> None:
        if pair.open:
            pair.fly(flight, table(pair.number))

    def _end_turn(self, pair: Pair, turn: Turn, following: Turn | None) -> None:
        """Let the client return the database connection, unless its turn is next."""
        alone = following is not None and following.client == turn.client
        if not pair.open or (alone and turn.end == "stay"):
            return
        early = None if alone else following
        if pair.in_transaction:
            self._send_early(early)
        if not pair.idle:
            pair.fly(BACK_TO_IDLE, table(pair.number))
        if pair.open and (self._pinned(pair) or turn.end == "leave"):
            self._send_early(early)
            pair.leave()

    def _pinned(self, pair: Pair) -> bool:
        number = self.numbers[pair]
        pins = self.proxy.happened(events.SessionPinned)
        return any(pin.client == number for pin in pins)

    def _send_early(self, turn: Turn | None) -> None:
        """Send a client's first flight, once, while another has the connection."""
        pair = None if turn is None else self.pairs.get(turn.client)
        if turn is None or pair is None or pair.sent:
            return
        cut = len(turn.flights) == 1 and turn.end in ("vanish", "reset")
        if turn.early and not cut:
            pair.send_early(turn.flights[0].encode(table(turn.client)))

    def _finish(self) -> None:
        """Check that no reply is left over, and that the pool serves a new client."""
        for pair in reversed(list(self.pairs.values())):
            self._fly(pair, END)
            pair.leave()
        self.pairs.clear()
        last = self._pair(Turn(0, ()))
        self._fly(last, END)
        last.leave()
        for client in set(range(CLIENTS)) - self.gone:
            first, second = self.stage.rows(client)
            if first != second:
                raise DifferenceFound(f"{table(client)}: {first} and {second}")

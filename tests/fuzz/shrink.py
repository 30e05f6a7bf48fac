"""Makes a failing script smaller, while it still fails.

Owns the ways in which a script can be smaller. Each is a list of candidates; one that
fails takes the script's place, and the search goes on at the same place of its list.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from tests.fuzz.actions import Action
from tests.fuzz.script import Flight, Script, Turn

MAX_RUNS: Final = 400

T = TypeVar("T")


def shrink(script: Script, fails: Callable[[Script], bool]) -> Script:
    """Return the smallest failing script that was found in MAX_RUNS runs."""
    runs = 0
    before = None
    while before != script:
        before = script
        for candidates in WAYS:
            at = 0
            while runs < MAX_RUNS:
                candidate = _nth(candidates(script), at)
                if candidate is None:
                    break
                runs += 1
                if fails(candidate):
                    script = candidate
                else:
                    at += 1
    return script


def _nth(values: Iterator[Script], number: int) -> Script | None:
    for index, value in enumerate(values):
        if index == number:
            return value
    return None


def without_a_turn(script: Script) -> Iterator[Script]:
    for turns in _without_one(script.turns):
        yield Script(turns)


def without_a_flight(script: Script) -> Iterator[Script]:
    for at, turn in enumerate(script.turns):
        for flights in _without_one(turn.flights):
            yield _with_turn(script, at, replace(turn, flights=flights))


def without_half_a_flight(script: Script) -> Iterator[Script]:
    for flight, with_flight in _flights(script):
        half = len(flight.actions) // 2
        if half > 1:
            yield with_flight(replace(flight, actions=flight.actions[half:]))
            yield with_flight(replace(flight, actions=flight.actions[:half]))


def without_an_action(script: Script) -> Iterator[Script]:
    for flight, with_flight in _flights(script):
        for actions in _without_one(flight.actions):
            yield with_flight(replace(flight, actions=actions))


def with_a_plainer_turn(script: Script) -> Iterator[Script]:
    for at, turn in enumerate(script.turns):
        for plainer in (
            replace(turn, parameters={}),
            replace(turn, early=False),
            replace(turn, end="stay", cut=0),
            replace(turn, client=0),
        ):
            if plainer != turn:
                yield _with_turn(script, at, plainer)


def with_a_plainer_flight(script: Script) -> Iterator[Script]:
    for flight, with_flight in _flights(script):
        if flight.pieces:
            yield with_flight(replace(flight, pieces=0))


def with_a_plainer_action(script: Script) -> Iterator[Script]:
    for flight, with_flight in _flights(script):
        for at, action in enumerate(flight.actions):
            for plainer in _plainer(action):
                actions = *flight.actions[:at], plainer, *flight.actions[at + 1 :]
                yield with_flight(replace(flight, actions=actions))


def _plainer(action: Action) -> Iterator[Action]:
    text = action.arguments[-1] if action.arguments else None
    first = action.arguments[:1]
    if action.name in ("query", "parse") and text not in ("SELECT 1", ""):
        yield replace(action, arguments=(*action.arguments[:-1], "SELECT 1"))
    if action.name == "execute" and len(action.arguments) > 1:
        yield replace(action, arguments=first)
    if action.name == "bind" and len(action.arguments) > 2:
        yield replace(action, arguments=action.arguments[:2])


WAYS: Final = (
    without_a_turn,
    without_a_flight,
    without_half_a_flight,
    without_an_action,
    with_a_plainer_turn,
    with_a_plainer_flight,
    with_a_plainer_action,
)


def _without_one(values: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Yield the values without each of them in turn, unless it is the only one."""
    if len(values) > 1:
        for at in range(len(values)):
            yield *values[:at], *values[at + 1 :]


def _with_turn(script: Script, at: int, turn: Turn) -> Script:
    return Script((*script.turns[:at], turn, *script.turns[at + 1 :]))


def _flights(script: Script) -> Iterator[tuple[Flight, Callable[[Flight], Script]]]:
    """Yield each flight, and a function that returns the script with another one."""
    for at, turn in enumerate(script.turns):
        for number, flight in enumerate(turn.flights):

            def with_flight(
                other: Flight, at: int = at, turn: Turn = turn, number: int = number
            ) -> Script:
                before, after = turn.flights[:number], turn.flights[number + 1 :]
                flights = *before, other, *after
                return _with_turn(script, at, replace(turn, flights=flights))

            yield flight, with_flight

"""The state that a client session holds on its database connection, for display.

Owns the sum of the effects of statements; some effects end with the transaction. It
does not decide on pins: a pin stays when all state is gone. Does not know savepoints,
and learns of a failed statement only from the end of its transaction.
"""

from collections.abc import Iterable

from pinwatch.pins.effects import ALL, Effect

Held = dict[str, dict[str, str]]


class SessionState:
    """The names that a session holds, with their values, by kind."""

    __slots__ = ("_held", "changes")

    def __init__(self) -> None:
        self._held: Held = {}  # what was held when the transaction began
        self.changes: dict[tuple[str, str, bool], Effect] = {}
        """The effects of the transaction, in order; only the latest on each name."""

    def apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            key = effect.kind, effect.name, effect.local
            self.changes.pop(key, None)
            self.changes[key] = effect

    def end_transaction(self, rolled_back: bool) -> None:
        for effect in self.changes.values():
            if effect.stays(rolled_back):
                _change(self._held, effect)
        self.changes.clear()

    def snapshot(self) -> Held:
        """Return the names that are held, by kind, without empty kinds."""
        held = {kind: dict(names) for kind, names in self._held.items()}
        for effect in self.changes.values():
            _change(held, effect)
        return {kind: names for kind, names in held.items() if names}


def _change(held: Held, effect: Effect) -> None:
    names = held.setdefault(effect.kind, {})
    if effect.holds:
        names[effect.name] = effect.value
    elif effect.name == ALL:
        names.clear()
    else:
        names.pop(effect.name, None)

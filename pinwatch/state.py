"""What a client session holds on its database connection, for people to see.

Owns the sum of the effects of what ran. Decides nothing: a pin stays when all of it is
gone.
"""

from collections.abc import Iterable

from pinwatch.pins.effects import ALL, Effect


class SessionState:
    """Names with their values, by kind."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[str, dict[str, str]] = {}

    def apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if effect.holds:
                self._held.setdefault(effect.kind, {})[effect.name] = effect.value
            elif effect.name == ALL:
                self._held.pop(effect.kind, None)
            else:
                self._held.get(effect.kind, {}).pop(effect.name, None)

    def snapshot(self) -> dict[str, dict[str, str]]:
        """Kinds of which nothing is held are left out."""
        return {kind: dict(names) for kind, names in self._held.items() if names}

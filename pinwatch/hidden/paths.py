"""The ways by which a statement leaves state that RDS Proxy does not see.

Follows the functions that a statement calls, and the triggers of the tables that it
writes to, through the catalogue.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pinwatch.hidden.bodies import DO, Body, Left, read_body, read_statements
from pinwatch.hidden.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Path:
    """State that stays, and the functions that lead to the statement that leaves it."""

    functions: tuple[str, ...]
    left: Left

    def __str__(self) -> str:
        return " -> ".join([*self.functions, self.left.sql])


@dataclass(slots=True)
class Followed:
    """The paths behind a statement, and sentences on code that was not read.

    A sentence begins with the name of its function, or is on the statement itself.
    """

    paths: list[Path] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


class Follower:
    """Follows statements into the code that they run; each function is read once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._bodies: dict[str, Body] = {}

    def follow(self, text: str) -> Followed:
        """Return the paths of all statements; each function is followed once."""
        found = Followed()
        self._enter(found, (), read_statements(text), set())
        return found

    def _enter(
        self, found: Followed, functions: tuple[str, ...], body: Body, seen: set[str]
    ) -> None:
        found.paths += (Path(functions, left) for left in body.left)
        of_function = f"{functions[-1]}: " if functions else ""
        found.unread += (of_function + reason for reason in body.unread)
        for name, definition in self._run(found, body):
            if definition not in seen:
                seen.add(definition)
                self._enter(found, (*functions, name), self._read(definition), seen)

    def _run(self, found: Followed, body: Body) -> Iterator[tuple[str, str]]:
        """Yield the name and the definition of the code that a body runs."""
        yield from ((DO, block) for block in body.blocks)
        names = list(body.calls)
        for write in body.writes:
            names += self.catalogue.triggered(write.event, write.table)
        for name in names:
            definitions = self.catalogue.definitions(name)
            if not definitions:
                found.unread.append(f"{name}(): it is not in the catalogue")
            if "" in definitions:
                found.unread.append(f"{name}(): it is an aggregate or window function")
            yield from ((f"{name}()", one) for one in definitions if one)

    def _read(self, definition: str) -> Body:
        if definition not in self._bodies:
            self._bodies[definition] = read_body(definition)
        return self._bodies[definition]

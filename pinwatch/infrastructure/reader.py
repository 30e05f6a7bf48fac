"""The base of the readers of CloudFormation and Terraform.

Decides which resources are read with a proxy, and reports the target groups and
endpoints that are left out. A subclass knows the language.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar

from pinwatch.infrastructure.found import Place, Property, Unresolved, listed


class Reader(ABC):
    """The proxies in one file, and their properties."""

    kind: ClassVar[str]
    """The type of a proxy's resource."""

    owner_property: ClassVar[str]
    """The property by which a target group or an endpoint names its proxy."""

    @abstractmethod
    def proxies(self) -> Mapping[str, str | None]:
        """Return the names in RDS by the names in the file; None if unknown."""

    @abstractmethod
    def target_groups(self) -> Iterable[str]: ...

    @abstractmethod
    def endpoints(self) -> Iterable[str]: ...

    @abstractmethod
    def owner(self, resource: str) -> str | Unresolved:
        """Return the proxy of a target group or an endpoint."""

    @abstractmethod
    def read(self, resource: str, prefix: Place) -> Iterator[Property]:
        """Yield the properties of one resource; its settings are below prefix."""

    @abstractmethod
    def not_created(self) -> Iterator[Property]:
        """Yield a property for each resource that the file has but does not create."""

    def properties(self, proxy: str) -> Iterator[Property]:
        """Yield the properties of a proxy, its target group and its endpoints.

        Each resource that is left out yields one property that says why.
        """
        yield from self.read(proxy, ())
        for group in self.target_groups():
            yield from self._belonging(group, proxy, ())
        for number, endpoint in enumerate(self.endpoints()):
            yield from self._belonging(endpoint, proxy, ("endpoints", number))
        yield from self.not_created()

    def _belonging(
        self, resource: str, proxy: str, prefix: Place
    ) -> Iterator[Property]:
        owner = self.owner(resource)
        if isinstance(owner, Unresolved):
            yield Property(resource, self.owner_property, (), owner)
        elif owner == proxy:
            yield from self.read(resource, prefix)
        else:
            note = "it belongs to another proxy"
            yield Property(resource, self.owner_property, (), owner, note=note)


def narrowed(candidates: list[str], *tests: Callable[[str], bool]) -> list[str]:
    """Apply each test to the candidates, unless no candidate passes it."""
    for test in tests:
        candidates = [c for c in candidates if test(c)] or candidates
    return candidates


def only(candidates: list[str], text: str, kind: str) -> str | Unresolved:
    """Return the candidate if it is the only one, else why there is no owner."""
    match candidates:
        case [one]:
            return one
        case []:
            return Unresolved(text, f"no {kind} in the file is known by this name")
        case several:
            return Unresolved(text, f"it may belong to {listed(several, 'or')}")

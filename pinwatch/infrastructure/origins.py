"""The origin of a Terraform resource: module, provider and region.

Two proxies may have one name only in two regions or accounts. Their origins decide
which of them a target group belongs to.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pinwatch.infrastructure.printed import Printed, Resource
from pinwatch.infrastructure.references import Address, References, parse, references

ARN: Final = re.compile(r"arn:[\w-]+:rds:([\w-]+):")
ARNS: Final = ("arn", "db_proxy_arn", "target_group_arn", "db_proxy_endpoint_arn")


class Origin(NamedTuple):
    """``provider`` is the key of its configuration, which a state does not have."""

    address: Address
    provider: str | None
    region: str | None

    def shared_modules(self, other: "Origin") -> int:
        """Return how many modules, from the root on, contain both resources."""
        count = 0
        pairs = zip(self.address.modules, other.address.modules, strict=False)
        for mine, theirs in pairs:
            if mine != theirs:
                break
            count += 1
        return count


class Origins:
    """The origins of the resources of one plan or state."""

    def __init__(self, printed: Printed, written: References) -> None:
        self._written = written
        self._regions = dict(_regions(printed))
        self._known: dict[str, Origin] = {}

    def __call__(self, resource: Resource) -> Origin:
        known = self._known.get(resource.address)
        if known is None:
            known = self._known[resource.address] = self._origin(resource)
        return known

    def _origin(self, resource: Resource) -> Origin:
        address = parse(resource.address) or Address((), "", resource.address, None)
        written = self._written.configured(resource.address)
        provider = written.provider_config_key if written else None
        region = _region(resource) or self._regions.get(provider or "")
        return Origin(address, provider, region)


def _region(resource: Resource) -> str | None:
    """Return the region in the attributes of a resource that exists."""
    region = resource.values.get("region")
    if isinstance(region, str):
        return region
    for name in ARNS:
        arn = ARN.match(str(resource.values.get(name)))
        if arn is not None:
            return arn[1]
    return None


def _regions(printed: Printed) -> Iterator[tuple[str, str]]:
    """Yield the region of each provider, if it is a constant or a root variable."""
    for key, provider in printed.configuration.provider_config.items():
        written = provider.expressions.get("region")
        region = written.get("constant_value") if isinstance(written, dict) else None
        for reference in references(written):
            variable = printed.variables.get(reference.removeprefix("var."))
            region = variable.value if variable else None
        if isinstance(region, str):
            yield key, region

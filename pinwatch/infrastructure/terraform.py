"""aws_db_proxy and what belongs to it, in what terraform show -json prints.

Owns what a plan leaves open, and what a secret is called before it is made. OpenTofu
prints the same. https://developer.hashicorp.com/terraform/internals/json-format
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pinwatch.infrastructure.found import (
    Place,
    Property,
    Unresolved,
    has_tables,
    is_list,
    is_setting,
)

PROXY: Final = "aws_db_proxy"
TARGET_GROUP: Final = "aws_db_proxy_default_target_group"
ENDPOINT: Final = "aws_db_proxy_endpoint"
SECRET: Final = re.compile(r"(aws_secretsmanager_secret\..+)\.(?:arn|id)")
INDEX: Final = re.compile(r"\[(?:\"(?:[^\"\\]|\\.)*\"|\d+)\]")

NAMES: Final[dict[str, str]] = {
    "connection_pool_config": "connection_pool",
    "db_proxy_endpoint_name": "name",
    "username": "user_name",  # UserName of the API, and no password goes with it
}
"""Where a setting's name is not the attribute's."""

LEFT_TO_AWS: Final = frozenset(
    {
        "client_password_auth_type",
        "connection_pool",
        "default_auth_scheme",
        "idle_client_timeout",
    }
)
"""Settings that are open in a plan where nothing is written: AWS has a default."""

EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
APPLIED: Final = "(known after apply)"

Json = dict[str, Any]


class Attribute(NamedTuple):
    """An attribute or a block of a resource, with what the plan has about it.

    ``open`` and ``sensitive`` are True, or mark parts of it; ``expression`` is what is
    written for it, and None where nothing is or where it is a state.
    """

    name: str
    value: Any
    open: Any
    sensitive: Any
    expression: Any

    def inner(self, key: str | int, name: str, expression: Any) -> "Attribute":
        return Attribute(
            name,
            _at(self.value, key),
            _at(self.open, key),
            _at(self.sensitive, key),
            expression,
        )

    @property
    def references(self) -> list[str]:
        written = self.expression if isinstance(self.expression, dict) else {}
        references: list[str] = written.get("references", [])
        return references


class Stack:
    """A plan, or a state."""

    kind = PROXY

    def __init__(self, printed: Json) -> None:
        values = printed.get("planned_values") or printed.get("values") or {}
        self._resources = {
            resource["address"]: resource
            for resource in _resources(values.get("root_module", {}))
            if resource["mode"] == "managed"
        }
        self._open = {
            change["address"]: change["change"].get("after_unknown")
            for change in printed.get("resource_changes", ())
        }
        configuration = printed.get("configuration", {}).get("root_module", {})
        self._expressions = dict(_expressions(configuration, ""))

    def proxies(self) -> dict[str, str | None]:
        return {
            address: self._resources[address]["values"].get("name")
            for address in self._of_type(PROXY)
        }

    def properties(self, proxy: str) -> Iterator[Property]:
        yield from self._read(proxy, ())
        for group in self._of_type(TARGET_GROUP):
            yield from self._belonging(group, proxy, ())
        for number, endpoint in enumerate(self._of_type(ENDPOINT)):
            yield from self._belonging(endpoint, proxy, ("endpoints", number))

    def _of_type(self, kind: str) -> list[str]:
        return [a for a, found in self._resources.items() if found["type"] == kind]

    def _module(self, address: str) -> str:
        resource = self._resources[address]
        return address.rpartition(f"{resource['type']}.{resource['name']}")[0]

    def _attributes(self, address: str) -> Iterator[Attribute]:
        resource = self._resources[address]
        written = self._expressions.get(INDEX.sub("", address), {})
        whole = Attribute(
            "",
            resource["values"],
            self._open.get(address),
            resource.get("sensitive_values"),
            written,
        )
        keys = resource["values"].keys() | (whole.open or {}).keys()
        for key in sorted(keys):
            yield whole.inner(key, key, written.get(key))

    def _belonging(self, address: str, proxy: str, prefix: Place) -> Iterator[Property]:
        """The properties of a target group or an endpoint, where it is the proxy's."""
        (name,) = [a for a in self._attributes(address) if a.name == "db_proxy_name"]
        owner = self._owner(address, name)
        if isinstance(owner, Unresolved):
            yield Property(address, name.name, (), owner)
        elif owner == proxy:
            yield from self._read(address, prefix)

    def _owner(self, address: str, name: Attribute) -> str | Unresolved | None:
        """The address of its proxy; None where that is not of this stack."""
        proxies = self.proxies()
        if name.open is not True:
            mine = (proxy for proxy in proxies if proxies[proxy] == name.value)
            return next(mine, None)
        for reference in name.references:
            proxy = self._module(address) + reference
            if proxy in proxies:
                return proxy
        return _unresolved(name, "whose it is is known only after apply")

    def _read(self, address: str, prefix: Place) -> Iterator[Property]:
        is_proxy = self._resources[address]["type"] == PROXY
        names = NAMES | {"name": "db_proxy_name"} if is_proxy else NAMES
        for attribute in self._attributes(address):
            if is_proxy or attribute.name != "db_proxy_name":
                setting = (*prefix, names.get(attribute.name, attribute.name))
                yield from self._values(address, setting, attribute)

    def _values(
        self, address: str, setting: Place, attribute: Attribute
    ) -> Iterator[Property]:
        """One, or those of the blocks where it is a list or a table of settings."""
        if isinstance(attribute.value, list) and has_tables(setting):
            several = is_list(setting)
            for number, block in enumerate(_blocks(attribute)):
                name = f"{attribute.name}[{number}]" if several else attribute.name
                place = (*setting, number) if several else setting
                yield from self._block(address, place, block._replace(name=name))
        elif attribute.open is True:
            yield from self._after_apply(address, setting, attribute)
        elif attribute.value not in EMPTY:
            value, hidden = attribute.value, attribute.sensitive is True
            yield Property(address, attribute.name, setting, value, hidden)

    def _block(
        self, address: str, setting: Place, block: Attribute
    ) -> Iterator[Property]:
        keys = block.value.keys() | (block.open or {}).keys()
        for key in sorted(keys):
            written = (block.expression or {}).get(key)
            attribute = block.inner(key, f"{block.name}.{key}", written)
            path = (*setting, NAMES.get(key, key))
            yield from self._values(address, path, attribute)

    def _after_apply(
        self, address: str, setting: Place, attribute: Attribute
    ) -> Iterator[Property]:
        written = attribute.expression is not None
        value: Any = _unresolved(attribute, "it is known only after apply")
        if not is_setting(setting):
            if written:
                yield Property(address, attribute.name, setting, value.text)
        elif written or setting[-1] not in LEFT_TO_AWS:
            if setting[-1] == "secret_arn":
                value = self._secret(address, attribute) or value
            yield Property(address, attribute.name, setting, value)

    def _secret(self, address: str, attribute: Attribute) -> str | None:
        """The name, where the secret is of the same plan and has its ARN only later."""
        for reference in attribute.references:
            secret = SECRET.fullmatch(reference)
            if secret is not None:
                resource = self._resources.get(self._module(address) + secret[1], {})
                name: str | None = resource.get("values", {}).get("name")
                return name
        return None


def _at(marks: Any, key: str | int) -> Any:
    """A part of a value, or of the marks for it, which True marks as a whole."""
    match marks:
        case True:
            return True
        case dict():
            return marks.get(str(key))
        case list() if isinstance(key, int) and key < len(marks):
            return marks[key]
        case _:
            return None


def _resources(module: Json) -> Iterator[Json]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _expressions(module: Json, prefix: str) -> Iterator[tuple[str, Json]]:
    """What is written for each resource, by its address without indexes."""
    for resource in module.get("resources", ()):
        yield prefix + resource["address"], resource.get("expressions", {})
    for name, call in module.get("module_calls", {}).items():
        yield from _expressions(call.get("module", {}), f"{prefix}module.{name}.")


def _unresolved(attribute: Attribute, why: str) -> Unresolved:
    return Unresolved((attribute.references or [APPLIED])[0], why)


def _blocks(attribute: Attribute) -> Iterator[Attribute]:
    """Each with what is written for it.

    Blocks of a set are in another order than they are written, so that one is known by
    what is written in it outright, or all are alike.
    """
    written = attribute.expression if isinstance(attribute.expression, list) else []
    alike = all(block == attribute.value[0] for block in attribute.value)
    for number, value in enumerate(attribute.value):
        fitting = [block for block in written if _fits(value, block)]
        expression = None
        if len(written) == len(attribute.value) and alike:
            expression = written[number]
        elif len(fitting) == 1:
            expression = fitting[0]
        yield attribute.inner(number, attribute.name, expression)


def _fits(value: Json, block: Json) -> bool:
    """Whether what is written is there, and nothing else."""
    constants = {
        key: expression["constant_value"]
        for key, expression in block.items()
        if "constant_value" in expression
    }
    return all(constants[key] == value.get(key) for key in constants) and all(
        key in block for key, given in value.items() if given not in EMPTY
    )

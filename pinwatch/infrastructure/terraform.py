"""aws_db_proxy and its resources in what terraform show -json prints.

Decides which target groups and endpoints belong to a proxy, what a plan leaves open,
and what a secret is called before it is made. Reads the same resources of the provider
awscc, too.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from pinwatch.infrastructure.found import (
    HIDDEN,
    Place,
    Property,
    Unresolved,
    has_tables,
    is_list,
    is_setting,
)
from pinwatch.infrastructure.origins import Origin, Origins
from pinwatch.infrastructure.printed import Json, Module, Printed, Resource
from pinwatch.infrastructure.reader import Reader, narrowed, only
from pinwatch.infrastructure.references import (
    Address,
    References,
    parse,
    references,
    static,
)

PROXY: Final = "aws_db_proxy"
PROXIES: Final = (PROXY, "awscc_rds_db_proxy")
TARGET_GROUPS: Final = (
    "aws_db_proxy_default_target_group",
    "awscc_rds_db_proxy_target_group",
)
ENDPOINTS: Final = ("aws_db_proxy_endpoint", "awscc_rds_db_proxy_endpoint")
SECRETS: Final = ("aws_secretsmanager_secret", "awscc_secretsmanager_secret")
SECRETS_BEGIN: Final = tuple(f"{kind}." for kind in SECRETS)
SECRET_VERSION: Final = "aws_secretsmanager_secret_version"
CLOUD_CONTROL: Final = "awscc_"

NAMES: Final[dict[str, str]] = {
    "connection_pool_config": "connection_pool",
    "connection_pool_configuration_info": "connection_pool",  # awscc
    "db_proxy_endpoint_name": "name",
    "username": "user_name",  # UserName of the API, which has no password
}
"""The settings whose name is not the attribute's."""

LEFT_TO_AWS: Final = frozenset(
    {
        "client_password_auth_type",
        "connection_pool",
        "default_auth_scheme",
        "idle_client_timeout",
    }
)
"""Settings that are open in a plan if nothing is written: AWS has a default."""

EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
APPLIED: Final = "(known after apply)"


class Attribute(NamedTuple):
    """An attribute or a block of a resource, with the plan's marks for it.

    ``open`` marks what is known only after apply: it is True, or marks parts, and so is
    ``sensitive``. ``expression`` is None in a state, and if nothing is written.
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
    def text(self) -> str:
        """The text that is shown for an open value: its first reference."""
        return (references(self.expression) or [APPLIED])[0]


class Stack(Reader):
    """A plan, or a state."""

    kind = PROXY
    owner_property = "db_proxy_name"

    def __init__(self, printed: Printed) -> None:
        values = printed.planned_values or printed.values
        every = list(_resources(values.root_module)) if values else []
        managed = [one for one in every if one.mode == "managed"]
        self._resources = {
            one.address: one for one in managed if one.deposed_key is None
        }
        self._open = {
            change.address: change.change.after_unknown
            for change in printed.resource_changes
            if change.deposed is None
        }
        self._deposed = dict.fromkeys(
            [(one.address, one.deposed_key) for one in managed]
            + [(one.address, one.deposed) for one in printed.resource_changes]
        )
        self._references = References(self._resources.values(), printed)
        self._origins = Origins(printed, self._references)

    def proxies(self) -> Mapping[str, str | None]:
        return {address: self._name(address) for address in self._of_type(PROXIES)}

    def target_groups(self) -> list[str]:
        return self._of_type(TARGET_GROUPS)

    def endpoints(self) -> list[str]:
        return self._of_type(ENDPOINTS)

    def not_created(self) -> Iterator[Property]:
        """Yield deposed objects: former ones that have been replaced."""
        kinds = PROXIES + TARGET_GROUPS + ENDPOINTS
        for address, key in self._deposed:
            parsed = parse(address)
            if key is not None and parsed is not None and parsed.type in kinds:
                note = "a deposed object, which the next apply destroys"
                yield Property(address, "deposed", (), key, note=note)

    def owner(self, resource: str) -> str | Unresolved:
        """Return the proxy that db_proxy_name refers to, or else has the name of."""
        name = self._attribute(resource, "db_proxy_name")
        proxies = self.proxies()
        if name.value is None and name.open is not True:
            return Unresolved("", "it has no db_proxy_name")
        followed = self._references.follow(resource, name.expression)
        candidates = [
            proxy
            for proxy in followed
            if proxy in proxies
            and (name.open is True or proxies[proxy] in (None, name.value))
        ]
        if not candidates and name.open is True:
            return Unresolved(name.text, "its proxy is known only after apply")
        if not candidates:
            named = [proxy for proxy in proxies if proxies[proxy] == name.value]
            candidates = self._in_same_region(resource, named)
        text = name.text if name.open is True else str(name.value)
        text = HIDDEN if name.sensitive is True else text
        return only(self._nearest(resource, candidates), text, PROXY)

    def _in_same_region(self, resource: str, proxies: list[str]) -> list[str]:
        """Return the proxies without those of another region."""
        region = self._origin(resource).region
        regions = {proxy: self._origin(proxy).region for proxy in proxies}
        if region is None:
            return proxies
        return [proxy for proxy in proxies if regions[proxy] in (None, region)]

    def _nearest(self, resource: str, proxies: list[str]) -> list[str]:
        """Narrow proxies with the same name to those that the resource depends on.

        Of several, prefer those of its region, its provider and its module, and those
        with its key.
        """
        if len(proxies) < 2:
            return proxies
        before = self._dependencies(resource)
        mine = self._origin(resource)
        origins = {proxy: self._origin(proxy) for proxy in proxies}
        shared = {p: mine.shared_modules(origin) for p, origin in origins.items()}
        most = max(shared.values())
        return narrowed(
            proxies,
            lambda proxy: static(origins[proxy].address) in before,
            lambda proxy: origins[proxy].region == mine.region is not None,
            lambda proxy: origins[proxy].provider == mine.provider is not None,
            lambda proxy: shared[proxy] == most,
            lambda proxy: origins[proxy].address.key == mine.address.key is not None,
        )

    def _origin(self, address: str) -> Origin:
        return self._origins(self._resources[address])

    def _dependencies(self, address: str) -> set[Address]:
        """Return the addresses in depends_on, without keys.

        A state has all dependencies there, a configuration those written by hand.
        """
        modules = static(self._origin(address).address).modules
        written = self._references.configured(address)
        beside = [parse(one) for one in written.depends_on] if written else []
        given = [parse(one) for one in self._resources[address].depends_on]
        return {static(one) for one in given if one} | {
            static(one)._replace(modules=modules) for one in beside if one
        }

    def _name(self, proxy: str) -> str | None:
        values = self._resources[proxy].values
        name = values.get("name", values.get("db_proxy_name"))
        return name if isinstance(name, str) else None

    def _of_type(self, kinds: tuple[str, ...]) -> list[str]:
        return [a for a, found in self._resources.items() if found.type in kinds]

    def _whole(self, address: str) -> Attribute:
        resource = self._resources[address]
        written = self._references.configured(address)
        return Attribute(
            "",
            resource.values,
            self._open.get(address),
            resource.sensitive_values,
            written.expressions if written else {},
        )

    def _attribute(self, address: str, name: str) -> Attribute:
        whole = self._whole(address)
        return whole.inner(name, name, _at(whole.expression, name))

    def read(self, resource: str, prefix: Place) -> Iterator[Property]:
        is_proxy = self._resources[resource].type in PROXIES
        names = NAMES | {"name": "db_proxy_name"} if is_proxy else NAMES
        whole = self._whole(resource)
        for key in _keys(whole):
            if is_proxy or key != self.owner_property:
                attribute = whole.inner(key, key, _at(whole.expression, key))
                setting = (*prefix, names.get(key, key))
                yield from self._values(resource, setting, attribute)

    def _values(
        self, address: str, setting: Place, attribute: Attribute
    ) -> Iterator[Property]:
        """Yield one property, or those in a list or a table of settings."""
        value, several = attribute.value, is_list(setting)
        if has_tables(setting) and several and _are_blocks(value):
            for number, block in enumerate(_blocks(attribute)):
                name = f"{attribute.name}[{number}]"
                named = block._replace(name=name)
                yield from self._block(address, (*setting, number), named)
        elif has_tables(setting) and not several and _are_blocks(value):
            for block in _blocks(attribute):
                yield from self._block(address, setting, block)
        elif has_tables(setting) and isinstance(value, dict) and value:
            yield from self._block(address, setting, attribute)
        elif attribute.open is True:
            yield from self._after_apply(address, setting, attribute)
        elif value not in EMPTY:
            hidden = attribute.sensitive is True
            yield Property(address, attribute.name, setting, value, hidden)

    def _block(
        self, address: str, setting: Place, block: Attribute
    ) -> Iterator[Property]:
        for key in _keys(block):
            name = f"{block.name}.{key}"
            attribute = block.inner(key, name, _at(block.expression, key))
            path = (*setting, NAMES.get(key, key))
            yield from self._values(address, path, attribute)

    def _after_apply(
        self, address: str, setting: Place, attribute: Attribute
    ) -> Iterator[Property]:
        written = attribute.expression is not None
        value: Any = Unresolved(attribute.text, "it is known only after apply")
        if not is_setting(setting):
            if written:
                yield Property(address, attribute.name, setting, value.text)
        elif written or not self._left_to_aws(address, setting):
            if setting[-1] == "secret_arn":
                value = self._secret(address, attribute) or value
            yield Property(address, attribute.name, setting, value)

    def _left_to_aws(self, address: str, setting: Place) -> bool:
        """Return whether AWS decides a setting for which nothing is written.

        In dynamic blocks nothing is written, either; awscc has no blocks.
        """
        if self._resources[address].type.startswith(CLOUD_CONTROL):
            return setting[-1] != "secret_arn"
        return setting[-1] in LEFT_TO_AWS

    def _secret(self, address: str, attribute: Attribute) -> str | None:
        """Return the name of the secret, if it is made by the same plan."""
        found = self._references.follow(address, attribute.expression)
        for version in [one for one in found if self._type(one) == SECRET_VERSION]:
            secret = self._attribute(version, "secret_id").expression
            found += self._references.follow(version, secret)
        secrets = {one for one in found if self._type(one) in SECRETS}
        if len(secrets) != 1:
            return None
        name = self._resources[secrets.pop()].values.get("name")
        return name if isinstance(name, str) else None

    def _type(self, address: str) -> str:
        return self._resources[address].type


def _at(marks: Any, key: str | int) -> Any:
    """Return a part of a value, or of its marks; True marks all of it."""
    match marks:
        case True:
            return True
        case dict():
            return marks.get(str(key))
        case list() if isinstance(key, int) and key < len(marks):
            return marks[key]
        case _:
            return None


def _resources(module: Module) -> Iterator[Resource]:
    yield from module.resources
    for child in module.child_modules:
        yield from _resources(child)


def _keys(attribute: Attribute) -> list[str]:
    """Return the attributes that are known, and those that are open."""
    parts = (attribute.value, attribute.open)
    return sorted({key for part in parts if isinstance(part, dict) for key in part})


def _are_blocks(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _blocks(attribute: Attribute) -> Iterator[Attribute]:
    """Yield each block with what is written for it.

    A set has its blocks in another order than they are written. A block is then known
    by what is written in it as a constant, or because all blocks are alike.
    """
    if isinstance(attribute.expression, dict):
        yield from _objects(attribute)
        return
    written = attribute.expression if isinstance(attribute.expression, list) else []
    written = [block for block in written if isinstance(block, dict)]
    alike = all(block == attribute.value[0] for block in attribute.value)
    for number, value in enumerate(attribute.value):
        fitting = [block for block in written if _fits(value, block)]
        expression = None
        if len(written) == len(attribute.value) and alike:
            expression = written[number]
        elif len(fitting) == 1:
            expression = fitting[0]
        yield attribute.inner(number, attribute.name, expression)


def _objects(attribute: Attribute) -> Iterator[Attribute]:
    """Yield each object of a list that is one expression, as awscc has it.

    The references are those of the whole list, in order. They are shared out if there
    is one for each secret that is open.
    """
    found = references(attribute.expression)
    size = len(attribute.value)
    is_open = [_at(_at(attribute.open, n), "secret_arn") is True for n in range(size)]
    fitting = [one for one in found if one.startswith(SECRETS_BEGIN)]
    for secrets in (found, fitting):
        if len(secrets) == sum(is_open):
            break
    else:
        secrets = []
    shares = iter(secrets)
    others = [one for one in found if one not in secrets + fitting]
    for number in range(size):
        expression: Json = {}
        entry = attribute.inner(number, attribute.name, expression)
        for key in _keys(entry):
            if others and _at(entry.open, key) is True:
                expression[key] = {"references": others}
        if is_open[number] and secrets:
            expression["secret_arn"] = {"references": [next(shares)]}
        elif is_open[number]:
            expression["secret_arn"] = {"references": found}
        yield entry


def _fits(value: Json, block: Json) -> bool:
    """Return whether a block has what is written, and nothing else."""
    constants = {
        key: expression["constant_value"]
        for key, expression in block.items()
        if isinstance(expression, dict) and "constant_value" in expression
    }
    return all(constants[key] == value.get(key) for key in constants) and all(
        key in block for key, given in value.items() if given not in EMPTY
    )

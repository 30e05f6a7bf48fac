"""AWS::RDS::DBProxy and its resources in a template of CloudFormation, SAM or CDK.

Decides which target groups and endpoints belong to a proxy, and what a secret is
called. Does not know how a template is parsed.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from pinwatch.infrastructure.found import (
    ENGINE,
    HIDDEN,
    Place,
    Property,
    Unresolved,
    has_tables,
    is_setting,
    shown,
)
from pinwatch.infrastructure.intrinsics import (
    DEPLOYED,
    NO_VALUE,
    Resolver,
    function,
    known,
    referenced,
    table,
    written,
)
from pinwatch.infrastructure.reader import Reader, narrowed, only

PROXY: Final = "AWS::RDS::DBProxy"
TARGET_GROUP: Final = "AWS::RDS::DBProxyTargetGroup"
ENDPOINT: Final = "AWS::RDS::DBProxyEndpoint"
SECRET: Final = "AWS::SecretsManager::Secret"
ATTACHMENT: Final = "AWS::SecretsManager::SecretTargetAttachment"

POOL: Final = "ConnectionPoolConfigurationInfo"
NAMES: Final[dict[str, Place]] = {
    POOL: ("connection_pool",),
    "DBProxyEndpointName": ("name",),
}
"""The settings whose name is not the property's in snake case."""

PROPERTIES: Final = (
    "Auth",
    "AuthScheme",
    "ClientPasswordAuthType",
    "ConnectionBorrowTimeout",
    "ConnectionPoolConfigurationInfo",
    "DBClusterIdentifiers",
    "DBInstanceIdentifiers",
    "DBProxyEndpointName",
    "DBProxyName",
    "DebugLogging",
    "DefaultAuthScheme",
    "Description",
    "EndpointNetworkType",
    "EngineFamily",
    "IAMAuth",
    "IdleClientTimeout",
    "InitQuery",
    "MaxConnectionsPercent",
    "MaxIdleConnectionsPercent",
    "RequireTLS",
    "RoleArn",
    "SecretArn",
    "SessionPinningFilters",
    "Tags",
    "TargetConnectionNetworkType",
    "TargetGroupName",
    "TargetRole",
    "UserName",
    "VpcSecurityGroupIds",
    "VpcSubnetIds",
)
"""Properties of the three resources, as CloudFormation spells them."""

WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
NAMED_SECRET: Final = re.compile(r"arn:.*:secretsmanager:.*:secret:([\w/+=.@-]+)")


def snake_case(name: str) -> str:
    """Return require_tls for RequireTLS, as in pinwatch.config.model."""
    return WORD.sub("_", name).lower()


def _setting(name: str) -> Place:
    return NAMES.get(name, (snake_case(name),))


SPELLING: Final = {name.casefold(): name for name in PROPERTIES} | {
    _setting(name)[0]: name for name in PROPERTIES
}
"""The property that is meant by its name in another case, or by a setting's name."""


class Misspelt(ValueError):
    """A property in a spelling that CloudFormation refuses, and the right spelling."""


class Template(Reader):
    """A parsed template. ``assumed`` names a condition that is assumed to hold."""

    kind = PROXY
    owner_property = "DBProxyName"

    def __init__(self, template: Mapping[str, Any], assumed: str | None = None) -> None:
        self._template = template
        self._assumed = assumed
        self._resources = {
            str(name): resource
            for name, resource in table(template, "Resources").items()
            if isinstance(resource, dict)
        }

    def proxies(self) -> dict[str, str | None]:
        """Return names by logical names, without proxies whose condition is false."""
        return {
            proxy: name if isinstance(name, str) else None
            for proxy, name in self._names.items()
        }

    def target_groups(self) -> list[str]:
        return self._of_type(TARGET_GROUP)

    def endpoints(self) -> list[str]:
        return self._of_type(ENDPOINT)

    def properties(self, proxy: str) -> Iterator[Property]:
        """Yield the properties, with the condition of the proxy assumed to hold."""
        condition = self._resources[proxy].get("Condition")
        created = self._created(proxy)
        if isinstance(created, Unresolved) and isinstance(condition, str):
            yield _assumption(proxy, condition, created)
            yield from Template(self._template, condition).properties(proxy)
        else:
            yield from super().properties(proxy)

    def not_created(self) -> Iterator[Property]:
        for name in self._of_type(PROXY):
            if self._created(name) is False:
                yield self._not_created(name)

    def owner(self, resource: str) -> str | Unresolved:
        """Return the proxy that DBProxyName refers to, or else has the name of."""
        raw = self._written(resource).get("DBProxyName")
        resolver = self._resolver()
        called = resolver.resolve(raw)
        if called is None or called is NO_VALUE:
            return Unresolved("", "it has no DBProxyName")
        reference = referenced(called)
        if reference is not None and reference in self._of_type(PROXY):
            return reference
        alike = [p for p, name in self._names.items() if name == called]
        text = HIDDEN if resolver.secret else shown(called)
        if isinstance(called, Unresolved) and not alike:
            return Unresolved(text, f"its proxy is not known: {called.why}")
        return only(self._nearest(resource, alike), text, PROXY)

    def _nearest(self, resource: str, alike: list[str]) -> list[str]:
        """Narrow proxies with the same name to those the resource refers to."""
        mine = self._resources[resource]
        before = mine.get("DependsOn")
        before = before if isinstance(before, list) else [before]
        name = self._written(resource).get("DBProxyName")

        def same_name(proxy: str) -> bool:
            return bool(self._written(proxy).get("DBProxyName") == name)

        def same_condition(proxy: str) -> bool:
            return bool(
                self._resources[proxy].get("Condition") == mine.get("Condition")
            )

        return narrowed(alike, before.__contains__, same_name, same_condition)

    def _of_type(self, kind: str) -> list[str]:
        return [n for n, found in self._resources.items() if found.get("Type") == kind]

    @cached_property
    def _names(self) -> dict[str, Any]:
        """The resolved names of the proxies that are created, by logical names."""
        return {
            name: self._resolve(self._written(name).get("DBProxyName"))
            for name in self._of_type(PROXY)
            if self._created(name) is not False
        }

    def _written(self, name: str) -> Mapping[str, Any]:
        return table(self._resources[name], "Properties")

    def _resolver(self) -> Resolver:
        return Resolver(self._template, self._assumed)

    def _resolve(self, raw: Any) -> Any:
        return self._resolver().resolve(raw)

    def _created(self, name: str) -> bool | Unresolved:
        condition = self._resources[name].get("Condition")
        return condition is None or self._resolver().condition(condition)

    def _not_created(self, name: str) -> Property:
        condition = shown(self._resources[name].get("Condition"))
        why = f"{condition} does not hold, so this is not created"
        return Property(name, "Condition", (), why)

    def read(self, resource: str, prefix: Place) -> Iterator[Property]:
        created = self._created(resource)
        if isinstance(created, Unresolved):
            yield _assumption(resource, self._resources[resource]["Condition"], created)
        elif not created:
            yield self._not_created(resource)
            return
        is_proxy = self._resources[resource].get("Type") == PROXY
        for key, raw in self._written(resource).items():
            if key != self.owner_property or is_proxy:
                setting = _under(prefix, resource, key)
                yield from self._values(resource, str(key), setting, raw)

    def _values(
        self, resource: str, name: str, setting: Place, raw: Any
    ) -> Iterator[Property]:
        """Yield one property, or those in a list or a table of settings."""
        if not (is_setting(setting) or setting == ENGINE):
            yield Property(resource, name, setting, written(raw), note=_about(name))
            return
        resolver = self._resolver()
        raw = resolver.branch(raw)
        call = function(raw)
        if call is not None and setting[-1] != "secret_arn":
            raw, call = resolver.resolve(raw), None
        match raw:
            case dict() if call is None:
                for key, inner in raw.items():
                    path = _under(setting, resource, key)
                    yield from self._values(resource, f"{name}.{key}", path, inner)
            case list() if has_tables(setting):
                for number, entry in enumerate(raw):
                    path = (*setting, number)
                    yield from self._values(resource, f"{name}[{number}]", path, entry)
            case _ if raw is not NO_VALUE:
                if setting[-1] == "secret_arn":
                    value = self._secret(resolver, raw)
                else:
                    value = known(resolver.resolve(raw))
                yield Property(resource, name, setting, value, resolver.secret)

    def _secret(self, resolver: Resolver, raw: Any) -> Any:
        """Return a secret's ARN, or its name, which Secrets Manager accepts as well."""
        value = resolver.resolve(raw)
        reference = referenced(value)
        if reference is not None:
            return self._secret_of(resolver, reference, value)
        if isinstance(value, Unresolved):
            named = NAMED_SECRET.fullmatch(value.text)
            return named[1] if named else value
        return value

    def _secret_of(self, resolver: Resolver, name: str, value: Unresolved) -> Any:
        """Return the name of the secret that a logical name stands for."""
        resource = self._resources.get(name, {})
        inner = table(resource, "Properties")
        match resource.get("Type"):
            case str(kind) if kind == ATTACHMENT:
                return self._secret(resolver, inner.get("SecretId"))
            case str(kind) if kind == SECRET:
                called = resolver.resolve(inner.get("Name"))
                if isinstance(called, str):
                    return called
                why = f"the ARN of {name} {DEPLOYED}, and so is its name"
                return Unresolved(value.text, why)
        return value


def _assumption(resource: str, condition: Any, why: Unresolved) -> Property:
    text = Unresolved(shown(condition), f"{why.why}: it is assumed to hold")
    return Property(resource, "Condition", (), text)


def _about(name: str) -> str:
    known = name.rpartition(".")[2] in PROPERTIES
    return "" if known else "pinwatch does not know this property"


def _under(prefix: Place, resource: str, key: object) -> Place:
    """Return the setting of a property. Raise Misspelt if its spelling is wrong."""
    name = str(key)
    right = SPELLING.get(name.casefold()) or SPELLING.get(snake_case(name), name)
    if right != name and name not in PROPERTIES:
        raise Misspelt(
            f"{resource} has the property {name}, which CloudFormation refuses: it is "
            f"{right}"
        )
    return prefix + _setting(name)

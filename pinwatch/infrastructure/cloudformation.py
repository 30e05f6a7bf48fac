"""AWS::RDS::DBProxy and what belongs to it, in a template: CloudFormation, SAM, CDK.

Owns which resources belong to a proxy, and what a secret is called. Does not know how
a template's text is parsed.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pinwatch.infrastructure.found import (
    ENGINE,
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
    table,
    written,
)

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
"""Where a setting's name is not the property's own in snake case."""

WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
NAMED_SECRET: Final = re.compile(r"arn:.*:secretsmanager:.*:secret:([\w/+=.@-]+)")


def snake_case(name: str) -> str:
    """RequireTLS is require_tls, as in pinwatch.config.model."""
    return WORD.sub("_", name).lower()


class Template:
    """A parsed template."""

    kind = PROXY

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._template = template
        self._resources = {
            str(name): resource
            for name, resource in table(template, "Resources").items()
            if isinstance(resource, dict)
        }

    def proxies(self) -> dict[str, str | None]:
        """By their logical names; those whose condition does not hold are not there."""
        found: dict[str, str | None] = {}
        for name in self._of_type(PROXY):
            if self._created(name) is not False:
                called = self._resolve(self._written(name).get("DBProxyName"))
                found[name] = called if isinstance(called, str) else None
        return found

    def properties(self, proxy: str) -> Iterator[Property]:
        yield from self._read(proxy, ())
        for group in self._of_type(TARGET_GROUP):
            yield from self._belonging(group, proxy, ())
        for number, endpoint in enumerate(self._of_type(ENDPOINT)):
            yield from self._belonging(endpoint, proxy, ("endpoints", number))

    def _of_type(self, kind: str) -> list[str]:
        return [n for n, found in self._resources.items() if found.get("Type") == kind]

    def _written(self, name: str) -> Mapping[str, Any]:
        return table(self._resources[name], "Properties")

    def _resolve(self, raw: Any) -> Any:
        return Resolver(self._template).resolve(raw)

    def _created(self, name: str) -> bool | Unresolved:
        condition = self._resources[name].get("Condition")
        return condition is None or Resolver(self._template).condition(condition)

    def _belonging(self, name: str, proxy: str, prefix: Place) -> Iterator[Property]:
        """The properties of a target group or an endpoint, where it is the proxy's."""
        owner = self._owner(name)
        if isinstance(owner, Unresolved):
            unknown = owner._replace(why=f"whose it is is not known: {owner.why}")
            yield Property(name, "DBProxyName", (), unknown)
        elif owner == proxy:
            yield from self._read(name, prefix)

    def _owner(self, name: str) -> str | Unresolved | None:
        """The logical name of its proxy; None where that is not in the template."""
        raw = self._written(name).get("DBProxyName")
        proxies = self._of_type(PROXY)
        match function(raw):
            case ("Ref", str(proxy)) if proxy in proxies:
                return proxy
        called = self._resolve(raw)
        for proxy in proxies:
            if called == self._resolve(self._written(proxy).get("DBProxyName")):
                return proxy
        return called if isinstance(called, Unresolved) else None

    def _read(self, name: str, prefix: Place) -> Iterator[Property]:
        condition = shown(self._resources[name].get("Condition"))
        created = self._created(name)
        if isinstance(created, Unresolved):
            unknown = Unresolved(condition, f"{created.why}: it is taken to hold")
            yield Property(name, "Condition", (), unknown)
        elif not created:
            why = f"{condition} does not hold, so this is not created"
            yield Property(name, "Condition", (), why)
            return
        for key, raw in self._written(name).items():
            if key != "DBProxyName" or name in self._of_type(PROXY):
                yield from self._values(name, str(key), _under(prefix, key), raw)

    def _values(
        self, resource: str, name: str, setting: Place, raw: Any
    ) -> Iterator[Property]:
        """One, or those of the entries where it is a list or a table of settings."""
        if not (is_setting(setting) or setting == ENGINE):
            yield Property(resource, name, setting, written(raw))
            return
        resolver = Resolver(self._template)
        raw = resolver.branch(raw)
        call = function(raw)
        if call is not None and setting[-1] != "secret_arn":
            raw, call = resolver.resolve(raw), None
        match raw:
            case dict() if call is None:
                for key, inner in raw.items():
                    path = _under(setting, key)
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
        """Its ARN, or the name by which Secrets Manager finds it as well."""
        match function(raw):
            case ("Ref", str(name)) | ("GetAtt", [str(name), "Id"]):
                resource = self._resources.get(name, {})
                inner = table(resource, "Properties")
                if resource.get("Type") == ATTACHMENT:
                    return self._secret(resolver, inner.get("SecretId"))
                if resource.get("Type") == SECRET:
                    called = resolver.resolve(inner.get("Name"))
                    if isinstance(called, str):
                        return called
                    why = f"the ARN of {name} {DEPLOYED}, and so is its name"
                    return Unresolved(written(raw), why)
        value = resolver.resolve(raw)
        if isinstance(value, Unresolved):
            named = NAMED_SECRET.fullmatch(value.text)
            return named[1] if named else value
        return value


def _under(prefix: Place, key: object) -> Place:
    return prefix + NAMES.get(str(key), (snake_case(str(key)),))

"""Addresses of Terraform, and the resources that an expression refers to.

A plan has no expressions, only the references in each. Those are followed through
for_each, the variables of modules and their outputs. The plan does not have locals.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pinwatch.infrastructure.printed import (
    Configured,
    ModuleConfiguration,
    Printed,
    Resource,
)

PART: Final = re.compile(r'([^.\[\]"]+)|\[("(?:[^"\\]|\\.)*"|\d+)\]')
MAX_PARSED: Final = 10_000  # addresses that are kept in parts
PER_INSTANCE: Final = ("each.", "count.index")

Modules = tuple[tuple[str, str | None], ...]
"""The path of a module's instance: names with their keys."""

Seen = set[tuple[Modules, str | None, str]]


class Address(NamedTuple):
    """The parts of the address of a resource's instance. Keys are as they are written.

    ``key`` is None if the resource has neither count nor for_each.
    """

    modules: Modules
    type: str
    name: str
    key: str | None


@lru_cache(MAX_PARSED)
def parse(address: str) -> Address | None:
    """Return the parts of an address, or of a reference to a resource."""
    parts = _parts(address)
    modules: list[tuple[str, str | None]] = []
    while len(parts) > 1 and parts[0] == ("module", None):
        modules.append(parts[1])
        parts = parts[2:]
    if len(parts) < 2 or parts[0][1] is not None:
        return None
    (kind, _), (name, key), *_ = parts
    return Address(tuple(modules), kind, name, key)


def _parts(address: str) -> list[tuple[str, str | None]]:
    """Return ("module", None), ("a", '"x"') for module.a["x"]."""
    parts: list[tuple[str, str | None]] = []
    for name, key in PART.findall(address):
        if name:
            parts.append((name, None))
        elif parts:
            parts[-1] = (parts[-1][0], key)
    return parts


@lru_cache(MAX_PARSED)
def static(address: Address) -> Address:
    """Return the address without keys, as a configuration has it."""
    modules = tuple((name, None) for name, _ in address.modules)
    return Address(modules, address.type, address.name, None)


def references(expression: Any) -> list[str]:
    """Return the references in an expression, each without its own beginnings.

    Terraform lists a.b.c, a.b and a for a.b.c.
    """
    kept: list[str] = []
    given = expression.get("references") if isinstance(expression, dict) else None
    for reference in given if isinstance(given, list) else ():
        if isinstance(reference, str) and not (kept and _begins(kept[-1], reference)):
            kept.append(reference)
    return kept


def _begins(whole: str, beginning: str) -> bool:
    rest = whole.removeprefix(beginning)
    return whole.startswith(beginning) and rest[:1] in ("", ".", "[")


class Scope(NamedTuple):
    """The place of an expression; each.* refers to ``key`` and ``for_each``."""

    modules: Modules
    key: str | None = None
    for_each: Any = None


class References:
    """Follows references from one resource to another."""

    def __init__(self, resources: Iterable[Resource], printed: Printed) -> None:
        self._root = printed.configuration.root_module
        self._instances: dict[tuple[Modules, str, str], dict[str | None, str]] = {}
        self._children: dict[tuple[Modules, str], dict[str | None, None]] = {}
        for resource in resources:
            address = parse(resource.address)
            if address is not None:
                self._add(address, resource.address)
        self._configured = dict(_configured(self._root, ()))

    def _add(self, address: Address, text: str) -> None:
        modules, kind, name, key = address
        self._instances.setdefault((modules, kind, name), {})[key] = text
        for number, (module, module_key) in enumerate(modules):
            above = (modules[:number], module)
            self._children.setdefault(above, {})[module_key] = None

    def configured(self, address: str) -> Configured | None:
        """Return what is written for a resource."""
        parsed = parse(address)
        return self._configured.get(static(parsed)) if parsed else None

    def follow(self, address: str, expression: Any) -> list[str]:
        """Return the addresses that an expression in a resource leads to, each once."""
        parsed = parse(address)
        if parsed is None:
            return []
        written = self.configured(address)
        for_each = written.for_each_expression if written else None
        scope = Scope(parsed.modules, parsed.key, for_each)
        return list(dict.fromkeys(self._follow(expression, scope, set())))

    def _follow(
        self, expression: Any, scope: Scope, seen: Seen, each: bool = False
    ) -> Iterator[str]:
        """Follow each reference once. ``each`` prefers instances with the same key."""
        found = references(expression)
        each = each or any(one.startswith(PER_INSTANCE) for one in found)
        key = scope.key if each else None
        for reference in found:
            if (scope.modules, key, reference) not in seen:
                seen.add((scope.modules, key, reference))
                yield from self._one(reference, scope, key, seen)

    def _one(
        self, reference: str, scope: Scope, key: str | None, seen: Seen
    ) -> Iterator[str]:
        match _parts(reference):
            case [("each", _), *_]:
                yield from self._follow(scope.for_each, scope, seen, each=True)
            case [("var", _), (name, _), *_]:
                yield from self._variable(name, scope, seen)
            case [("module", _), (name, written), *rest]:
                output = rest[0][0] if rest else None
                children = self._children.get((scope.modules, name), {})
                for child in _chosen(children, written, key):
                    inner = Scope((*scope.modules, (name, child)))
                    yield from self._output(output, inner, seen)
            case [(kind, _), (name, written), *_]:
                instances = self._instances.get((scope.modules, kind, name), {})
                for one in _chosen(instances, written, key):
                    yield instances[one]

    def _variable(self, name: str, scope: Scope, seen: Seen) -> Iterator[str]:
        """Follow what the call of a module gives for a variable."""
        if not scope.modules:
            return
        *outer, (module, key) = scope.modules
        parent = self._module(tuple(outer))
        call = parent.module_calls.get(module) if parent else None
        if call is not None:
            above = Scope(tuple(outer), key, call.for_each_expression)
            yield from self._follow(call.expressions.get(name), above, seen)

    def _output(self, name: str | None, scope: Scope, seen: Seen) -> Iterator[str]:
        """Follow an output of a module, or all if the name is not known."""
        module = self._module(scope.modules)
        for output, written in module.outputs.items() if module else ():
            if name in (None, output):
                yield from self._follow(written.expression, scope, seen)

    def _module(self, modules: Modules) -> ModuleConfiguration | None:
        module = self._root
        for name, _ in modules:
            call = module.module_calls.get(name)
            if call is None:
                return None
            module = call.module
        return module


def _chosen(
    keys: Iterable[str | None], written: str | None, key: str | None
) -> list[str | None]:
    """Return the keys that a reference may mean.

    That is the one written in it, else the key of the instance that refers, else all.
    """
    every = list(keys)
    if written is not None:
        return [written] if written in every else []
    return [key] if key is not None and key in every else every


def _configured(
    module: ModuleConfiguration, path: Modules
) -> Iterator[tuple[Address, Configured]]:
    """Yield what is written for each resource, by its address without keys."""
    for resource in module.resources:
        address = parse(resource.address)
        if address is not None:
            yield address._replace(modules=path), resource
    for name, call in module.module_calls.items():
        yield from _configured(call.module, (*path, (name, None)))

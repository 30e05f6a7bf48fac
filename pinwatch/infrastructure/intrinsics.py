"""What CloudFormation's functions give, as far as a template alone can tell.

Owns parameters, mappings, conditions and the functions. Knows no resource by its type.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pinwatch.infrastructure.found import Unresolved, shown

NO_VALUE: Final = object()
VARIABLE: Final = re.compile(r"\$\{(!?)\s*([^}]*?)\s*\}")
DYNAMIC: Final = "{{resolve:"
DEPLOYED: Final = "is known only when it is deployed"


def function(raw: Any) -> tuple[str, Any] | None:
    """The function's name, without "Fn::", and its argument, where raw is one."""
    if isinstance(raw, dict) and len(raw) == 1:
        [(name, argument)] = raw.items()
        if name in ("Ref", "Condition") or str(name).startswith("Fn::"):
            if name == "Fn::GetAtt" and isinstance(argument, str):
                argument = argument.split(".", 1)
            return str(name).removeprefix("Fn::"), argument
    return None


def written(raw: Any) -> str:
    """A value that may have functions in it, with their short names."""
    call = function(raw)
    if call is not None:
        name, argument = call
        if name == "GetAtt" and isinstance(argument, list):
            argument = ".".join(map(str, argument))
        return f"!{name} {written(argument)}"
    match raw:
        case dict():
            return f"{{{', '.join(f'{k}: {written(v)}' for k, v in raw.items())}}}"
        case list():
            return f"[{', '.join(map(written, raw))}]"
        case _:
            return shown(raw)


class Resolver:
    """Of one template; ``secret`` says whether a NoEcho parameter had a part."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._parameters = table(template, "Parameters")
        self._mappings = table(template, "Mappings")
        self._conditions = table(template, "Conditions")
        self._resources = table(template, "Resources")
        self.secret = False
        self._functions: dict[str, Callable[[Any], Any]] = {
            "FindInMap": self._find_in_map,
            "If": self._if,
            "Join": self._join,
            "Ref": self._ref,
            "Select": self._select,
            "Split": self._split,
            "Sub": self._sub,
        }

    def resolve(self, raw: Any) -> Any:
        """The value, with Unresolved in the place of each that is not known."""
        call = function(raw)
        if call is not None:
            return self._call(*call, raw)
        match raw:
            case dict():
                values = {str(k): self.resolve(v) for k, v in raw.items()}
                return {k: v for k, v in values.items() if v is not NO_VALUE}
            case list():
                return [v for v in map(self.resolve, raw) if v is not NO_VALUE]
            case str() if DYNAMIC in raw:
                return Unresolved(raw, f"it is looked up and {DEPLOYED}")
            case _:
                return raw

    def branch(self, raw: Any) -> Any:
        """What is to be resolved, where raw chooses by conditions that are known."""
        match function(raw):
            case ("If", [condition, so, otherwise]):
                holds = self.condition(condition)
                if not isinstance(holds, Unresolved):
                    return self.branch(so if holds else otherwise)
            case ("Ref", "AWS::NoValue"):
                return NO_VALUE
        return raw

    def condition(self, raw: Any) -> bool | Unresolved:
        """Whether a condition, or the one of a name, holds."""
        if isinstance(raw, str):
            if raw in self._conditions:
                return self.condition(self._conditions[raw])
            return Unresolved(raw, f"the template has no condition {raw}")
        match function(raw):
            case ("Condition", str(name)):
                return self.condition(name)
            case ("Equals", [left, right]):
                return self._equal(self.resolve(left), self.resolve(right))
            case ("Not", [inner]):
                holds = self.condition(inner)
                return holds if isinstance(holds, Unresolved) else not holds
            case ("And", [*inner]):
                return self._first(map(self.condition, inner), False)
            case ("Or", [*inner]):
                return self._first(map(self.condition, inner), True)
            case _:
                return Unresolved(written(raw), f"{written(raw)} is no condition")

    @staticmethod
    def _equal(left: Any, right: Any) -> bool | Unresolved:
        for side in (left, right):
            if isinstance(side, Unresolved):
                return side
        return text(left) == text(right)

    @staticmethod
    def _first(
        holding: Iterator[bool | Unresolved], decisive: bool
    ) -> bool | Unresolved:
        """Of And or Or: decided by one, else not known by one, else the opposite."""
        outcomes = list(holding)
        if decisive in outcomes:
            return decisive
        for outcome in outcomes:
            if isinstance(outcome, Unresolved):
                return outcome
        return not decisive

    def _call(self, name: str, argument: Any, raw: Any) -> Any:
        if name not in self._functions:
            return Unresolved(written(raw), f"what !{name} gives {DEPLOYED}")
        try:
            return self._functions[name](argument)
        except (AttributeError, LookupError, TypeError, ValueError):
            return Unresolved(written(raw), f"!{name} cannot have this argument")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self._parameters:
            return self._parameter(name, table(self._parameters, name))
        is_there = name in self._resources or name.startswith("AWS::")
        why = f"{name} {DEPLOYED}" if is_there else f"the template has no {name}"
        return Unresolved(f"${{{name}}}", why)

    def _parameter(self, name: str, parameter: Mapping[str, Any]) -> Any:
        kind = str(parameter.get("Type", "String"))
        self.secret |= text(parameter.get("NoEcho", False)) == "true"
        unknown = f"${{{name}}}"
        if kind.startswith("AWS::SSM::"):
            return Unresolved(unknown, f"the parameter {name} is looked up in SSM")
        if "Default" not in parameter:
            return Unresolved(unknown, f"the parameter {name} has no default")
        default = parameter["Default"]
        if kind == "CommaDelimitedList" or kind.startswith("List<"):
            return [item.strip() for item in text(default).split(",")]
        return self.resolve(default)

    def _sub(self, argument: Any) -> Any:
        template, variables = argument if isinstance(argument, list) else (argument, {})
        parts: list[Any] = []
        end = 0
        for match in VARIABLE.finditer(template):
            parts.append(template[end : match.start()])
            end = match.end()
            literal, name = match.groups()
            if literal:
                parts.append(f"${{{name}}}")
            elif name in variables:
                parts.append(self.resolve(variables[name]))
            elif "." in name:
                parts.append(Unresolved(f"${{{name}}}", f"{name} {DEPLOYED}"))
            else:
                parts.append(self._ref(name))
        return joined("", [*parts, template[end:]])

    def _join(self, argument: Any) -> Any:
        delimiter, parts = argument
        parts = self.resolve(parts)
        return parts if isinstance(parts, Unresolved) else joined(delimiter, parts)

    def _select(self, argument: Any) -> Any:
        index, items = map(self.resolve, argument)
        for part in (index, items):
            if isinstance(part, Unresolved):
                return part
        if int(index) < 0:
            raise IndexError
        return items[int(index)]

    def _split(self, argument: Any) -> Any:
        delimiter, whole = argument[0], self.resolve(argument[1])
        return whole if isinstance(whole, Unresolved) else whole.split(delimiter)

    def _find_in_map(self, argument: Any) -> Any:
        names, options = argument[:3], argument[3:]
        keys = [self.resolve(name) for name in names]
        for key in keys:
            if isinstance(key, Unresolved):
                return key
        mapping, first, second = map(text, keys)
        try:
            return self.resolve(_entry(_entry(self._mappings[mapping], first), second))
        except KeyError:
            if options:
                return self.resolve(options[0]["DefaultValue"])
            why = f"the mappings have no {mapping}.{first}.{second}"
            return Unresolved(f"!FindInMap {mapping}.{first}.{second}", why)

    def _if(self, argument: Any) -> Any:
        condition, so, otherwise = argument
        holds = self.condition(condition)
        if isinstance(holds, Unresolved):
            raw = {"Fn::If": argument}
            return Unresolved(written(raw), f"{condition} is not known: {holds.why}")
        return self.resolve(so if holds else otherwise)


def table(template: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """A section of the template; what is not a mapping there is as nothing."""
    found = template.get(section)
    return found if isinstance(found, dict) else {}


def text(value: Any) -> str:
    """As CloudFormation has it, to which every value is text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _entry(mapping: Mapping[Any, Any], key: str) -> Any:
    """By the key's text: true and 5 are no text in YAML."""
    return {text(name): value for name, value in mapping.items()}[key]


def known(value: Any) -> Any:
    """Not known as a whole, where a part of it is not."""
    parts = value if isinstance(value, list) else ()
    for part in parts:
        if isinstance(part, Unresolved):
            return Unresolved(shown(value), part.why)
    return value


def joined(delimiter: str, parts: list[Any]) -> str | Unresolved:
    known = [p.text if isinstance(p, Unresolved) else text(p) for p in parts]
    whole = delimiter.join(known)
    for part in parts:
        if isinstance(part, Unresolved):
            return Unresolved(whole, part.why)
    return whole

"""CloudFormation's intrinsic functions, resolved as far as a template allows.

Handles parameters, mappings, conditions and functions. Knows no type of resource.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pinwatch.infrastructure.found import Unresolved, shown

NO_VALUE: Final = object()
VARIABLE: Final = re.compile(r"\$\{(!?)\s*([^}]*?)\s*\}")
DYNAMIC: Final = "{{resolve:"
REFERENCE: Final = re.compile(r"\$\{(\w+)(?:\.[\w.]+)?\}|!GetAtt (\w+)\.[\w.]+")
DEPLOYED: Final = "is known only when it is deployed"
MAX_TEXT: Final = 2**20
"""Characters of a text that functions make; CloudFormation accepts 1 MB in all."""


def function(raw: Any) -> tuple[str, Any] | None:
    """Return a function's name, without "Fn::", and its argument."""
    if isinstance(raw, dict) and len(raw) == 1:
        [(name, argument)] = raw.items()
        if name in ("Ref", "Condition") or str(name).startswith("Fn::"):
            if name == "Fn::GetAtt" and isinstance(argument, str):
                argument = argument.split(".", 1)
            return str(name).removeprefix("Fn::"), argument
    return None


def written(raw: Any) -> str:
    """Return a value as one line, with the short names of the functions in it."""
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


def referenced(value: Any) -> str | None:
    """Return the logical name if a resolved value is nothing but a reference to it."""
    match = REFERENCE.fullmatch(value.text) if isinstance(value, Unresolved) else None
    return match and (match[1] or match[2])


class Resolver:
    """Resolves the functions of one template.

    ``assumed`` names a condition that is assumed to hold. ``secret`` becomes True when
    a NoEcho parameter is used.
    """

    def __init__(self, template: Mapping[str, Any], assumed: str | None = None) -> None:
        self._parameters = table(template, "Parameters")
        self._mappings = table(template, "Mappings")
        self._conditions = table(template, "Conditions")
        self._holding: dict[str, bool | Unresolved] = {}
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
        if assumed is not None:
            self._assume({"Condition": assumed}, True)

    def resolve(self, raw: Any) -> Any:
        """Return a value, with Unresolved for each part that is not known."""
        call = function(raw)
        if call is not None:
            return self._call(*call, raw)
        match raw:
            case dict():
                values = {str(k): self.resolve(v) for k, v in raw.items()}
                return {k: v for k, v in values.items() if v is not NO_VALUE}
            case list():
                return [v for v in map(self.resolve, raw) if v is not NO_VALUE]
            case _:
                return self._literal(raw)

    @staticmethod
    def _literal(raw: Any) -> Any:
        if isinstance(raw, str) and DYNAMIC in raw:
            return Unresolved(raw, f"it is looked up and {DEPLOYED}")
        return raw

    def branch(self, raw: Any) -> Any:
        """Return the branch that known conditions choose, not resolved."""
        match function(raw):
            case ("If", [condition, so, otherwise]):
                holds = self.condition(condition)
                if not isinstance(holds, Unresolved):
                    return self.branch(so if holds else otherwise)
            case ("Ref", "AWS::NoValue"):
                return NO_VALUE
        return raw

    def condition(self, raw: Any) -> bool | Unresolved:
        """Return whether a condition, or a condition's name, holds."""
        if isinstance(raw, str):
            if raw not in self._holding:
                self._holding[raw] = self._named(raw)
            return self._holding[raw]
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
                return Unresolved(written(raw), f"{written(raw)} is not a condition")

    def _named(self, name: str) -> bool | Unresolved:
        if name in self._conditions:
            return self.condition(self._conditions[name])
        return Unresolved(name, f"the template has no condition {name}")

    def _assume(self, raw: Any, holds: bool) -> None:
        """Record that a condition holds or not, and what follows from that."""
        match (*(function(raw) or ("", None)), holds):
            case ("Condition", str(name), _) if name not in self._holding:
                self._holding[name] = holds
                self._assume(self._conditions.get(name), holds)
            case ("Not", [inner], _):
                self._assume(inner, not holds)
            case ("And", [*inner], True) | ("Or", [*inner], False):
                for one in inner:
                    self._assume(one, holds)
            case ("Equals", [left, right], True):
                self._assume_equal(left, right)
                self._assume_equal(right, left)

    def _assume_equal(self, reference: Any, value: Any) -> None:
        """Record the value of a parameter that has no default."""
        match function(reference):
            case ("Ref", str(name)) if function(value) is None:
                parameter = table(self._parameters, name)
                if parameter and "Default" not in parameter:
                    given = {**parameter, "Default": value}
                    self._parameters = {**self._parameters, name: given}

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
        """Return decisive if a condition has that value, else one that is not known."""
        outcomes = list(holding)
        if decisive in outcomes:
            return decisive
        for outcome in outcomes:
            if isinstance(outcome, Unresolved):
                return outcome
        return not decisive

    def _call(self, name: str, argument: Any, raw: Any) -> Any:
        if name not in self._functions:
            return Unresolved(written(raw), f"the value of !{name} {DEPLOYED}")
        try:
            return self._functions[name](argument)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
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
        return self._literal(default)

    def _sub(self, argument: Any) -> Any:
        template, variables = argument if isinstance(argument, list) else (argument, {})
        parts: list[Any] = []
        given: dict[str, Any] = {}
        end = 0
        for match in VARIABLE.finditer(template):
            parts.append(template[end : match.start()])
            end = match.end()
            literal, name = match.groups()
            if literal:
                parts.append(f"${{{name}}}")
            elif name in variables:
                if name not in given:
                    given[name] = self.resolve(variables[name])
                parts.append(given[name])
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
            return self._literal(_entry(_entry(self._mappings[mapping], first), second))
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
            return Unresolved(
                written(raw), f"{written(condition)} is not known: {holds.why}"
            )
        return self.resolve(so if holds else otherwise)


def table(template: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """Return a section of the template; an empty one if it is not a mapping."""
    found = template.get(section)
    return found if isinstance(found, dict) else {}


def text(value: Any) -> str:
    """Return a value as CloudFormation compares it: as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _entry(mapping: Mapping[Any, Any], key: str) -> Any:
    """Return an entry by its key's text: in YAML, true and 5 are not text."""
    return {text(name): value for name, value in mapping.items()}[key]


def known(value: Any) -> Any:
    """Return the value, or Unresolved if a part of it is."""
    parts = value if isinstance(value, list) else ()
    for part in parts:
        if isinstance(part, Unresolved):
            return Unresolved(shown(value), part.why)
    return value


def joined(delimiter: str, parts: list[Any]) -> str | Unresolved:
    """Return the parts as one text, Unresolved if a part of it is."""
    known = [p.text if isinstance(p, Unresolved) else text(p) for p in parts]
    if sum(map(len, known)) + len(delimiter) * len(known) > MAX_TEXT:
        return Unresolved("", f"it has more than {MAX_TEXT:,} characters")
    whole = delimiter.join(known)
    for part in parts:
        if isinstance(part, Unresolved):
            return Unresolved(whole, part.why)
    return whole

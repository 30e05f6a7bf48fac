"""What was found of one proxy: the settings, and what became of each property.

Owns which properties are settings, by asking the model, and the sentence about one
that is wrong. Does not know in what language the proxy was written.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from pydantic import ValidationError

from pinwatch.config.describe import settings
from pinwatch.config.model import Settings
from pinwatch.errors import SettingError

Place = tuple[str | int, ...]
"""Where a setting is: ("auth", 0, "secret_arn")."""

ENGINE: Final = ("engine_family",)
HIDDEN: Final = "(hidden)"
LEFT_OUT: Final = "the entry that it belongs to is left out"


class Unresolved(NamedTuple):
    """A value that is not known before it is deployed: as far as it is, and why."""

    text: str
    why: str


class Property(NamedTuple):
    """One property as it is written, and the setting that would have its value."""

    resource: str
    name: str
    setting: Place
    value: Any
    secret: bool = False

    @property
    def shown(self) -> str:
        return HIDDEN if self.secret else shown(self.value)


class Row(NamedTuple):
    """A property, its value, and the setting that it became or why it did not."""

    resource: str
    name: str
    value: str
    note: str = ""


class Found(NamedTuple):
    """``settings`` is as a TOML file would have them."""

    proxy: str
    settings: dict[str, Any]
    used: list[Row]
    unresolved: list[Row]
    meaningless: list[Row]


class Infrastructure(Protocol):
    """What a file says, in whatever language."""

    kind: str
    """What a proxy is called there."""

    def proxies(self) -> Mapping[str, str | None]:
        """Those that there are, each with its name in RDS where that is known."""
        ...

    def properties(self, proxy: str) -> Iterable[Property]:
        """Those of the proxy, its target group and its endpoints."""
        ...


def dotted(path: Place) -> str:
    """The setting's name, as docs/configuration.md has it."""
    return ".".join(part for part in path if isinstance(part, str))


def is_setting(path: Place) -> bool:
    """Whether pinwatch has it."""
    return dotted(path) in settings()


def has_tables(path: Place) -> bool:
    """Whether it is a setting with settings of its own, one table or many."""
    return any(name.startswith(f"{dotted(path)}.") for name in settings())


def is_list(path: Place) -> bool:
    """Whether it is a setting, and a list."""
    return is_setting(path) and settings()[dotted(path)].is_list


def shown(value: Any) -> str:
    """In one line, without a character that moves a terminal's cursor."""
    match value:
        case Unresolved():
            text = value.text
        case str():
            text = value
        case list():
            text = f"[{', '.join(map(shown, value))}]"
        case _:
            text = json.dumps(value, default=str)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def sort(file: str, proxy: str, properties: Iterable[Property]) -> Found:
    """Tells the properties apart and checks the settings; raises SettingError."""
    given = list(properties)
    _check_engine(file, given)
    incomplete = {
        p.setting[:2]
        for p in given
        if isinstance(p.value, Unresolved) and _in_a_list(p.setting)
    }
    found = Found(proxy, {}, [], [], [])
    used: dict[Place, Property] = {}
    places: dict[Place, Place] = {}
    for p in given:
        row = Row(p.resource, p.name, p.shown)
        if isinstance(p.value, Unresolved):
            why = p.value.why
            if _in_a_list(p.setting):
                why += f": {LEFT_OUT}"
            found.unresolved.append(row._replace(note=why))
        elif not is_setting(p.setting):
            found.meaningless.append(row)
        elif p.setting[:2] in incomplete:
            found.unresolved.append(row._replace(note=LEFT_OUT))
        else:
            path = _place(p.setting, places)
            _put(found.settings, path, p.value)
            used[path] = p
            found.used.append(row._replace(note=dotted(path)))
    _listen_somewhere(found.settings)
    try:
        Settings(**found.settings)
    except ValidationError as error:
        raise SettingError(_sentence(file, error, used)) from None
    return found


def _check_engine(file: str, properties: Iterable[Property]) -> None:
    for p in properties:
        known = not isinstance(p.value, Unresolved)
        if p.setting == ENGINE and known and p.value != "POSTGRESQL":
            raise SettingError(
                f"{file}: {p.resource}.{p.name} is {p.shown}, but pinwatch is for "
                "POSTGRESQL."
            )


def _in_a_list(path: Place) -> bool:
    return len(path) > 1 and isinstance(path[1], int)


def _place(path: Place, places: dict[Place, Place]) -> Place:
    """Where it stands when entries that are left out of its list do not count."""
    if not _in_a_list(path):
        return path
    entry = path[:2]
    if entry not in places:
        number = sum(other[0] == entry[0] for other in places)
        places[entry] = (entry[0], number)
    return places[entry] + path[2:]


def _put(table: dict[str, Any], path: Place, value: Any) -> None:
    match path:
        case (str(name),):
            table[name] = value
        case (str(name), int(number), *rest):
            entries = table.setdefault(name, [])
            if number == len(entries):
                entries.append({})
            _put(entries[number], tuple(rest), value)
        case (str(name), *rest):
            _put(table.setdefault(name, {}), tuple(rest), value)


def _listen_somewhere(found: Mapping[str, Any]) -> None:
    """RDS gives each endpoint a name of its own; here it is a port, any free one."""
    for endpoint in found.get("endpoints", ()):
        endpoint["listen"] = "127.0.0.1:0"


def _sentence(file: str, error: ValidationError, used: dict[Place, Property]) -> str:
    """Names the file, the resource and the property, and what is allowed."""
    first = error.errors()[0]
    path: Place = first["loc"]
    setting = settings().get(dotted(path))
    wrong = str(first["ctx"]["error"]) if first["type"] == "value_error" else None
    allowed = setting.allowed if setting and wrong is None else wrong
    for place, p in used.items():
        if place == path[: len(place)]:
            if wrong is not None and setting is not None and setting.several:
                return f"{file}: {p.resource}.{p.name}: {wrong}."
            return f"{file}: {p.resource}.{p.name} is {p.shown}, but must be {allowed}."
    for place, p in used.items():
        if path and path == place[: len(path)]:
            table = p.name.rpartition(".")[0] or p.name
            if wrong is None:
                return f"{file}: {p.resource}.{table} must be {allowed}."
            return f"{file}: {p.resource}.{table}: {wrong}."
    return f"{file}: {wrong or first['msg']}."

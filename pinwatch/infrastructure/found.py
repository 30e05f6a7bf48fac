"""The settings found for one proxy, and what became of each property.

Decides which properties are settings, by the settings model, and writes the sentence
about a wrong value. Does not know in what language the proxy was written.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from pinwatch.config.describe import settings
from pinwatch.config.model import Settings
from pinwatch.errors import SettingError
from pinwatch.text import printable

Place = tuple[str | int, ...]
"""The path of a setting: ("auth", 0, "secret_arn")."""

ENGINE: Final = ("engine_family",)
HIDDEN: Final = "(hidden)"
LEFT_OUT: Final = "the entry that it belongs to is left out"

LOCAL: Final = frozenset(
    {
        "allow_faults",
        "auth.password",
        "auth.secret_file",
        "auth.username",
        "endpoints.listen",
        "event_log",
        "http",
        "http_token",
        "iam",
        "insecure_trust",
        "listen",
        "max_client_connections",
        "max_connections",
        "secrets_manager",
        "state_folder",
        "target",
        "targets",
        "tls",
        "wait",
    }
)
"""Settings of this machine, which a property of the same name must not change."""


class Unresolved(NamedTuple):
    """A value that is not known: as much of it as is known, and why not all of it."""

    text: str
    why: str


class Property(NamedTuple):
    """One property as it is written, and the setting that has its value.

    ``note`` says more about a property that becomes no setting.
    """

    resource: str
    name: str
    setting: Place
    value: Any
    secret: bool = False
    note: str = ""

    @property
    def shown(self) -> str:
        return HIDDEN if self.secret else shown(self.value)

    @property
    def label(self) -> str:
        return printable(f"{self.resource}.{self.name}")

    def row(self, note: str = "") -> "Row":
        return Row(*map(printable, (self.resource, self.name, self.shown, note)))


class Row(NamedTuple):
    """A property, its value, and the setting that has it or why none has."""

    resource: str
    name: str
    value: str
    note: str = ""


class Found(NamedTuple):
    """``settings`` has the form of a TOML file."""

    proxy: str
    settings: dict[str, Any]
    used: list[Row]
    unresolved: list[Row]
    meaningless: list[Row]


def dotted(path: Place) -> str:
    """Return a setting's name as in docs/configuration.md."""
    return ".".join(part for part in path if isinstance(part, str))


def is_setting(path: Place) -> bool:
    """Return whether pinwatch has this setting, and RDS Proxy may have it, too."""
    local = LOCAL.intersection((dotted(path[:1]), dotted(path)))
    return dotted(path) in settings() and not local


def has_tables(path: Place) -> bool:
    """Return whether this setting is a table, or a list of tables."""
    return is_setting(path) and any(
        name.startswith(f"{dotted(path)}.") for name in settings()
    )


def is_list(path: Place) -> bool:
    """Return whether this setting is a list."""
    return is_setting(path) and settings()[dotted(path)].is_list


def shown(value: Any) -> str:
    """Return a value as one printable line."""
    match value:
        case Unresolved():
            text = value.text
        case str():
            text = value
        case list():
            text = f"[{', '.join(map(shown, value))}]"
        case _:
            text = json.dumps(value, default=str)
    return " ".join(printable(text).split())


def listed(names: Iterable[str], word: str = "and") -> str:
    """Return "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def sort(file: str, proxy: str, properties: Iterable[Property]) -> Found:
    """Sort properties into settings and the rest; check the settings.

    Raises SettingError.
    """
    given = list(properties)
    _check_engine(file, given)
    ties = dict(_ties(given))
    incomplete = {
        p.setting[:2]
        for p in given
        if _in_a_list(p.setting)
        and (isinstance(p.value, Unresolved) or p.setting[:2] in ties)
    }
    found = Found(printable(proxy), {}, [], [], [])
    used: dict[Place, Property] = {}
    places: dict[Place, Place] = {}
    for p in given:
        tie = ties.get(p.setting) or ties.get(p.setting[:2])
        if isinstance(p.value, Unresolved):
            why = p.value.why
            if _in_a_list(p.setting):
                why += f": {LEFT_OUT}"
            found.unresolved.append(p.row(why))
        elif not is_setting(p.setting):
            found.meaningless.append(p.row(p.note))
        elif tie or p.setting[:2] in incomplete:
            found.unresolved.append(p.row(tie or LEFT_OUT))
        else:
            path = _place(p.setting, places)
            _put(found.settings, path, p.value)
            used[path] = p
            found.used.append(p.row(dotted(path)))
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
                f"{file}: {p.label} is {p.shown}, but pinwatch is for POSTGRESQL."
            )


def _ties(properties: Iterable[Property]) -> Iterator[tuple[Place, str]]:
    """Yield each place that two resources set differently, and a note on it."""
    by_place: defaultdict[Place, list[Property]] = defaultdict(list)
    by_name: defaultdict[str, list[Property]] = defaultdict(list)
    for p in properties:
        if is_setting(p.setting) and not _in_a_list(p.setting):
            by_place[p.setting].append(p)
        elif _in_a_list(p.setting) and p.setting[2:] == ("name",):
            by_name[shown(p.value)].append(p)
    for place, several in by_place.items():
        if any(p.value != several[0].value for p in several):
            yield place, f"{_resources(several)} set {dotted(place)} differently"
    for name, several in by_name.items():
        if len(several) > 1 and not isinstance(several[0].value, Unresolved):
            for p in several:
                why = f"{_resources(several)} have the same name, {name}"
                yield p.setting[:2], f"{why}: {LEFT_OUT}"


def _resources(properties: Iterable[Property]) -> str:
    return listed(dict.fromkeys(p.resource for p in properties))


def _in_a_list(path: Place) -> bool:
    return len(path) > 1 and isinstance(path[1], int)


def _place(path: Place, places: dict[Place, Place]) -> Place:
    """Return the path with entries counted from 0, without those left out."""
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


def _sentence(file: str, error: ValidationError, used: dict[Place, Property]) -> str:
    """Return the file, the resource, the property, and what the property must be."""
    first = error.errors()[0]
    path: Place = first["loc"]
    setting = settings().get(dotted(path))
    wrong = str(first["ctx"]["error"]) if first["type"] == "value_error" else None
    allowed = setting.allowed if setting and wrong is None else wrong
    for place, p in used.items():
        if place == path[: len(place)]:
            if wrong is not None and setting is not None and setting.several:
                return f"{file}: {p.label}: {wrong}."
            return f"{file}: {p.label} is {p.shown}, but must be {allowed}."
    for place, p in used.items():
        if path and path == place[: len(path)]:
            table = printable(f"{p.resource}.{p.name.rpartition('.')[0] or p.name}")
            if wrong is None:
                return f"{file}: {table} must be {allowed}."
            return f"{file}: {table}: {wrong}."
    return f"{file}: {wrong or first['msg']}."

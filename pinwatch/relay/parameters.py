"""Startup parameters, and the SQL that sets them on a database connection.

Owns the set of parameters that RDS Proxy accepts in a StartupMessage, and the SQL that
replaces one client's values by another's. Mappings of values are interned: equal ones
are the same object.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Final
from weakref import WeakValueDictionary

from pinwatch.errors import (
    invalid_parameter,
    missing_user,
    unsupported_command_line_options,
    unsupported_option,
    unsupported_replication,
)
from pinwatch.pins.effects import ALL, SETTINGS, Effect
from pinwatch.pins.verdict import verdict
from pinwatch.wire.messages import MAX_IDENTIFIER

EXTRA_FLOAT_DIGITS: Final = b"extra_float_digits"
APPLICATION_NAME: Final = b"application_name"
ACCEPTED: Final = {
    name.lower(): name
    for name in (
        APPLICATION_NAME,
        b"client_encoding",
        b"DateStyle",
        b"TimeZone",
        EXTRA_FLOAT_DIGITS,
        b"search_path",
    )
}

NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
NOT_PRINTABLE: Final = re.compile(rb"[^ -~]")
PLAIN_NAME: Final = re.compile(rb"[ -~]{0,63}")
"""Names that PostgreSQL neither shortens nor escapes."""


class Values:
    """An interned, immutable mapping from a parameter's name to its value."""

    __slots__ = ("__weakref__", "_items", "values")

    _interned: ClassVar[
        "WeakValueDictionary[frozenset[tuple[bytes, bytes]], Values]"
    ] = WeakValueDictionary()

    _items: frozenset[tuple[bytes, bytes]]
    values: Mapping[bytes, bytes]

    @classmethod
    def of(cls, values: Mapping[bytes, bytes]) -> "Values":
        items = frozenset(values.items())
        known = cls._interned.get(items)
        if known is None:
            known = cls()
            known._items = items
            known.values = dict(values)
            cls._interned[items] = known
        return known

    def changed(self, name: bytes, value: bytes) -> "Values":
        """Return these values with one of them replaced."""
        if self.values.get(name) == value:
            return self
        return Values.of({**self.values, name: value})

    def pairs(self) -> tuple[bytes, ...]:
        """Return names and values in turn, sorted by name."""
        return tuple(word for item in sorted(self.values.items()) for word in item)

    def differing(self, other: "Values") -> dict[bytes, bytes]:
        """Return the values that are missing or different in other."""
        return dict(self._items - other._items)


NO_PARAMETERS: Final = Values.of({})


def of_reading(parameters: Values) -> Values:
    """Return the parameters that affect how SQL is parsed."""
    read = {
        n: v
        for n, v in parameters.values.items()
        if n not in (APPLICATION_NAME, EXTRA_FLOAT_DIGITS)
    }
    return Values.of(read)


def plain_name(parameters: Values) -> bytes | None:
    """Return the application_name if the server keeps it unchanged, else None."""
    name = parameters.values.get(APPLICATION_NAME)
    return None if name is None or not PLAIN_NAME.fullmatch(name) else name


def nameless(parameters: Values) -> Values:
    """Return parameters with an empty application_name in place of a plain one."""
    if plain_name(parameters) is None:
        return parameters
    return parameters.changed(APPLICATION_NAME, b"")


@dataclass(frozen=True, slots=True)
class InitQuery:
    """The SQL that each new database connection runs.

    sets has the accepted parameters that the text sets by SET or set_config.
    """

    sql: bytes = b""
    sets: frozenset[bytes] = frozenset()


NO_INIT_QUERY: Final = InitQuery()


def own_parameters(pairs: tuple[bytes, ...], initial: InitQuery) -> Values:
    """Return the known values of a connection opened with these names and values.

    The init query runs after the login, so a value that it sets is unknown.
    """
    opened = zip(pairs[::2], pairs[1::2], strict=True)
    return Values.of({n: v for n, v in opened if n not in initial.sets})


@cache
def init_query(sql: str) -> InitQuery:
    text = sql.encode()
    found = verdict(text).effects
    names = {effect.name.encode() for effect in found if effect.kind == SETTINGS}
    return InitQuery(text, frozenset(ACCEPTED[n] for n in names & ACCEPTED.keys()))


def read_startup(
    parameters: Mapping[bytes, bytes],
) -> tuple[bytes, bytes, Values]:
    """Return user, database and settings of a StartupMessage.

    Raises ClientError for a parameter that RDS Proxy refuses.
    """
    settings: dict[bytes, bytes] = {}
    user = parameters.get(b"user", b"")
    if not user:
        raise missing_user()
    for name, value in parameters.items():
        if name in (b"user", b"database"):
            continue
        if name == b"options":
            raise unsupported_command_line_options()
        if name == b"replication":
            raise unsupported_replication()
        accepted = ACCEPTED.get(name.lower())
        if accepted is None:
            raise unsupported_option(name.decode("utf-8", "replace"))
        settings[accepted] = _as_stored(accepted, value)
    return user, parameters.get(b"database") or user, Values.of(settings)


def _as_stored(name: bytes, value: bytes) -> bytes:
    """Return a startup value as PostgreSQL stores it; raises ClientError.

    A startup packet has no encoding. PostgreSQL escapes all but printable ASCII in an
    application_name. Each valid value of another parameter is UTF-8.
    """
    if name == APPLICATION_NAME:
        return NOT_PRINTABLE.sub(_escaped, value[:MAX_IDENTIFIER])
    try:
        value.decode()
    except UnicodeDecodeError:
        raise invalid_parameter(name.decode(), value) from None
    return value


def switch(
    before: Values | None, after: Values, initial: InitQuery = NO_INIT_QUERY
) -> bytes:
    """Return the SQL that changes the settings from before to after.

    None stands for unknown settings. A reset setting returns to the value that the
    init query sets, if it sets one.
    """
    known = ACCEPTED.values() if before is None else before.values
    names = [name for name in known if name not in after.values]
    reset = [b"RESET " + name for name in names]
    old = NO_PARAMETERS if before is None else before
    if not initial.sets.isdisjoint(names):
        reset.append(initial.sql)
        old = NO_PARAMETERS
    wanted = after.differing(old)
    assign = [
        b"pg_catalog.set_config(" + literal(n) + b"," + literal(v) + b",false)"
        for n, v in sorted(wanted.items())
    ]
    if assign:
        reset.append(b"SELECT " + b",".join(assign))
    return b";".join(reset)


def restore(parameters: Values, resets: Iterable[Effect]) -> bytes:
    """Return the SQL that sets startup values again.

    resets are the effects that returned settings to the server's defaults. The SQL is
    empty if they changed no setting that has a startup value.
    """
    local: dict[bytes, bytes] = {}
    for effect in resets:
        for name in parameters.values:
            if effect.name in (ALL, name.decode().lower()):
                local[name] = b"true" if effect.local else b"false"
    if not local:
        return b""
    assign = [
        b"pg_catalog.set_config(%b,%b,%b)"
        % (literal(name), literal(parameters.values[name]), is_local)
        for name, is_local in local.items()
    ]
    return b"SELECT " + b",".join(assign)


def literal(value: bytes) -> bytes:
    """Return a string constant that means the same under any settings.

    It depends neither on standard_conforming_strings nor on client_encoding: bytes
    that are not ASCII are escaped, and the server takes them in its own encoding, as in
    a startup packet.
    """
    quoted = value.replace(b"'", b"''")
    if b"\\" in quoted or not quoted.isascii():
        escaped = quoted.replace(b"\\", b"\\\\")
        return b"E'" + NOT_ASCII.sub(_escaped, escaped) + b"'"
    return b"'" + quoted + b"'"


def _escaped(byte: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % byte[0][0]

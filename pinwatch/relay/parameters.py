"""Startup parameters, and what a client is told of its settings.

Owns which parameters a StartupMessage may carry, as on RDS Proxy, and the SQL that
gives a database connection one client's values instead of another's. Profiles and
ParameterStatus sets are interned: two are equal when they are the same object.
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
MAX_NAME: Final = 63  # bytes of a name that PostgreSQL keeps
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
        """These values with one of them changed."""
        if self.values.get(name) == value:
            return self
        return Values.of({**self.values, name: value})

    def pairs(self) -> tuple[bytes, ...]:
        """Names and values by turns."""
        return tuple(word for item in sorted(self.values.items()) for word in item)

    def differing(self, other: "Values") -> dict[bytes, bytes]:
        """The values here that other lacks or has otherwise."""
        return dict(self._items - other._items)


NO_PARAMETERS: Final = Values.of({})


def of_reading(parameters: Values) -> Values:
    """Those under which SQL is read."""
    read = {
        n: v
        for n, v in parameters.values.items()
        if n not in (APPLICATION_NAME, EXTRA_FLOAT_DIGITS)
    }
    return Values.of(read)


def plain_name(parameters: Values) -> bytes | None:
    """The application_name, where there is one that the server keeps to the letter."""
    name = parameters.values.get(APPLICATION_NAME)
    return None if name is None or not PLAIN_NAME.fullmatch(name) else name


def nameless(parameters: Values) -> Values:
    """The same for all such names."""
    if plain_name(parameters) is None:
        return parameters
    return parameters.changed(APPLICATION_NAME, b"")


@dataclass(frozen=True, slots=True)
class InitQuery:
    """What each new database connection runs; sets are those of ACCEPTED that it sets.

    Only SET and set_config in the text itself are seen.
    """

    sql: bytes = b""
    sets: frozenset[bytes] = frozenset()


NO_INIT_QUERY: Final = InitQuery()


def own_parameters(pairs: tuple[bytes, ...], initial: InitQuery) -> Values:
    """The values of a connection that was opened with these names and values.

    The init query, which runs after the login, has changed those that it sets.
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
    """User, database and settings of a StartupMessage.

    Raises ClientError for whatever RDS Proxy refuses.
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

    A startup packet has no encoding: PostgreSQL escapes what is not ASCII in an
    application_name, and knows no other accepted value with bytes that are not UTF-8.
    """
    if name == APPLICATION_NAME:
        return NOT_PRINTABLE.sub(_escaped, value[:MAX_NAME])
    try:
        value.decode()
    except UnicodeDecodeError:
        raise invalid_parameter(name.decode(), value) from None
    return value


def switch(
    before: Values | None, after: Values, initial: InitQuery = NO_INIT_QUERY
) -> bytes:
    """The SQL that turns settings before into after; None is not known.

    A setting that goes back to its default goes back to the init query's.
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
    """Return the SQL that gives settings their startup values again; empty if none.

    resets are the effects that returned settings to the server's defaults.
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
    """A string constant that reads the same under any settings.

    Whatever standard_conforming_strings, and whatever client_encoding: what is not
    ASCII is the server's, as in a startup packet that it gets itself.
    """
    quoted = value.replace(b"'", b"''")
    if b"\\" in quoted or not quoted.isascii():
        escaped = quoted.replace(b"\\", b"\\\\")
        return b"E'" + NOT_ASCII.sub(_escaped, escaped) + b"'"
    return b"'" + quoted + b"'"


def _escaped(byte: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % byte[0][0]

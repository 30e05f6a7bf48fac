"""Where drivers keep their sockets.

Owns the names of their attributes. Asks objects of drivers only: an attribute of any
other object might do anything.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, Final

ADDRESS: Final = {
    "asyncpg": ("_transport", "_con", "_connection"),
    "pg8000": ("_usock", "_c"),
    "psycopg": ("pgconn", "_conn", "_pgconn", "socket"),
    "psycopg2": ("connection",),
    "psycopg_binary": ("socket",),
    "psycopg_c": ("socket",),
}
"""By the package of a type: attributes that lead to its socket."""

FRAMEWORKS: Final = frozenset({"django", "sqlalchemy", "psycopg_pool", "aiopg"})
"""Packages whose objects have a driver's in an attribute of theirs."""

DEEPEST: Final = 4
"""Attributes from a driver's object to its socket."""


def of_a_driver(frame: FrameType) -> bool:
    """Whether a frame is code of a driver, or of what stands on one."""
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package in ADDRESS or package in FRAMEWORKS


def holds(frame: FrameType, address: str) -> bool:
    """Whether a local variable, or an attribute of one, is a connection from there."""
    values = list(frame.f_locals.values())
    return any(_is_from(value, address, 0) for value in values) or any(
        _is_from(inner, address, 0) for value in values for inner in _inside(value)
    )


def ours(address: str) -> bool:
    """Whether a socket of this process has the address as its own end."""
    return any(_name_of(number) == address for number in _descriptors())


def _inside(value: object) -> Iterator[object]:
    """The attributes of an object that is no driver's, without running its code."""
    with suppress(AttributeError, TypeError):
        yield from list(object.__getattribute__(value, "__dict__").values())


def _is_from(value: object, address: str, depth: int) -> bool:
    attributes = ADDRESS.get(_package(value))
    if attributes is None or depth == DEEPEST:
        return False
    if _own_address(value) == address:
        return True
    return any(_leads_to(value, name, address, depth) for name in attributes)


def _leads_to(value: object, name: str, address: str, depth: int) -> bool:
    inner = _attribute(value, name)
    if isinstance(inner, int):
        return _name_of(inner) == address
    if isinstance(inner, socket.socket):
        return _name_of(inner.fileno()) == address
    get_extra_info = _attribute(inner, "get_extra_info")
    if callable(get_extra_info):
        return _joined(get_extra_info("sockname")) == address
    return _is_from(inner, address, depth + 1)


def _own_address(value: object) -> str:
    """Of what has a descriptor itself, as connections of psycopg2 do."""
    if _package(value) != "psycopg2":
        return ""
    fileno = _attribute(value, "fileno")
    try:
        return _name_of(fileno()) if callable(fileno) else ""
    except Exception:  # whatever a driver raises of a connection that is closed
        return ""


def _attribute(value: object, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # likewise
        return None


def _package(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _name_of(descriptor: int) -> str:
    """A socket's own end, as host:port; empty of anything else."""
    try:
        copy = os.dup(descriptor)
    except OSError:
        return ""
    try:
        with socket.socket(fileno=copy) as duplicate:
            return _joined(duplicate.getsockname())
    except OSError:
        with suppress(OSError):
            os.close(copy)
        return ""


def _joined(name: object) -> str:
    """As events have it."""
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""


def _descriptors() -> list[int]:
    """All open ones of this process, by what Linux and macOS have in /dev/fd."""
    with suppress(OSError):
        return [int(name) for name in os.listdir("/dev/fd")]
    return []

"""The attributes in which drivers keep their sockets.

Reads attributes of drivers' objects only, because those of other objects may run code.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, Final

from pinwatch.text import socket_address

ADDRESS: Final = {
    "asyncpg": ("_transport", "_con", "_connection"),
    "pg8000": ("_usock", "_c"),
    "psycopg": ("pgconn", "_conn", "_pgconn", "socket"),
    "psycopg2": ("connection",),
    "psycopg_binary": ("socket",),
    "psycopg_c": ("socket",),
}
"""Attributes that lead to the socket, by package of the type."""

FRAMEWORKS: Final = frozenset({"django", "sqlalchemy", "psycopg_pool", "aiopg"})
"""Packages whose objects keep a driver's object in an attribute."""

MAX_DEPTH: Final = 4
"""Most attributes from a driver's object to its socket."""


def of_a_driver(frame: FrameType) -> bool:
    """Return whether a frame is code of a driver or of a framework on top of one.

    Frames of Cython have no module's name, but a file's that begins with the package.
    """
    module = frame.f_globals.get("__name__")
    name = frame.f_code.co_filename.replace("/", ".") if module is None else module
    package = str(name).partition(".")[0]
    return package in ADDRESS or package in FRAMEWORKS


def holds(frame: FrameType, address: str) -> bool:
    """Return whether a local variable or its attribute is a connection from address."""
    values = list(frame.f_locals.values())
    return any(_is_from(value, address, 0) for value in values) or any(
        _is_from(inner, address, 0) for value in values for inner in _inside(value)
    )


def ours(address: str) -> bool:
    """Return whether a socket of this process has this local address."""
    return any(_name_of(number) == address for number in _descriptors())


def is_of_other_process(address: str) -> bool:
    """Return whether no socket of this process has this address (host:port).

    The answer is False if the client is on a Unix socket, which has no address, or if
    the sockets of this process are not known.
    """
    descriptors = _descriptors()
    if ":" not in address or not descriptors:
        return False
    return all(_name_of(number) != address for number in descriptors)


def _inside(value: object) -> Iterator[object]:
    """Yield the attributes of another object without running its code."""
    with suppress(AttributeError, TypeError):
        yield from list(object.__getattribute__(value, "__dict__").values())


def _is_from(value: object, address: str, depth: int) -> bool:
    attributes = ADDRESS.get(_package(value))
    if attributes is None or depth == MAX_DEPTH:
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
        return socket_address(get_extra_info("sockname"), "") == address
    return _is_from(inner, address, depth + 1)


def _own_address(value: object) -> str:
    """Return the local address of a psycopg2 connection, which has a descriptor."""
    if _package(value) != "psycopg2":
        return ""
    fileno = _attribute(value, "fileno")
    try:
        return _name_of(fileno()) if callable(fileno) else ""
    except Exception:  # drivers raise various errors for a closed connection
        return ""


def _attribute(value: object, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # likewise
        return None


def _package(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _name_of(descriptor: int) -> str:
    """Return a socket's local address as host:port; empty for other descriptors."""
    try:
        copy = os.dup(descriptor)
    except OSError:
        return ""
    try:
        with socket.socket(fileno=copy) as duplicate:
            return socket_address(duplicate.getsockname(), "")
    except OSError:
        with suppress(OSError):
            os.close(copy)
        return ""


def _descriptors() -> list[int]:
    """Return the open descriptors of this process, from /dev/fd."""
    with suppress(OSError):
        return [int(name) for name in os.listdir("/dev/fd")]
    return []

"""Finds out when a server process has answered all that its client sent.

The process then waits for its client, and its socket has nothing to read. A wrong
answer does no harm: the replies are compared with those of a later flight.
"""

import fcntl
import socket
import struct
import termios
from typing import Any

import psycopg


def is_quiet(
    client: socket.socket, process: int, monitor: psycopg.Connection[Any]
) -> bool:
    """Return True if the process waits for more bytes of the client."""
    (unread,) = struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))
    if unread:
        return False
    sql = "SELECT wait_event FROM pg_stat_get_activity(%s)"
    return monitor.execute(sql, [process]).fetchone() == ("ClientRead",)


def is_database_quiet(monitor: psycopg.Connection[Any]) -> bool:
    """Return True if no other process works for the monitor's database."""
    sql = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND wait_event IS DISTINCT FROM 'ClientRead'"""
    return monitor.execute(sql).fetchone() == (0,)

"""The handlers; revenue_in_time pins a session of RDS Proxy."""

from typing import Any, Protocol

from shop.database import connection


class Context(Protocol):
    def get_remaining_time_in_millis(self) -> int: ...


def place(event: dict[str, Any], context: Context) -> None:
    with connection().transaction():
        for total in event["totals"]:
            connection().execute("INSERT INTO orders (total) VALUES (%s)", [total])


def revenue_in_time(event: dict[str, Any], context: Context) -> int:
    """Return the revenue, with a timeout that pins: the session keeps it."""
    left = context.get_remaining_time_in_millis()
    connection().execute(f"SET statement_timeout = {left}")
    return revenue(event, context)


def revenue(event: dict[str, Any], context: Context) -> int:
    """Return the revenue; the timeout is that of the role, which pins nothing."""
    row = connection().execute("SELECT coalesce(sum(total), 0) FROM orders").fetchone()
    assert row is not None
    return int(row[0])

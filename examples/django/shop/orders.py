"""The orders of the shop; only place_in_turn pins a session of RDS Proxy."""

from django.db import connection, transaction
from django.db.models import Sum

from shop.models import Order


def place(total: int) -> None:
    Order.objects.create(total=total)


def revenue() -> int:
    return Order.objects.aggregate(total=Sum("total"))["total"] or 0


@transaction.atomic
def place_in_turn(total: int) -> None:
    """Place an order under a lock that pins: the session holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [42])
        place(total)
        cursor.execute("SELECT pg_advisory_unlock(%s)", [42])


@transaction.atomic
def place_one_by_one(total: int) -> None:
    """Place an order under a lock of the transaction, which pins nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [42])
    place(total)

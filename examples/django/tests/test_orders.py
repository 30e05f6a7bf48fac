import pytest
from shop import orders

pytestmark = pytest.mark.django_db


def test_place() -> None:
    orders.place(3)
    orders.place(4)
    assert orders.revenue() == 7


def test_place_in_turn() -> None:
    """This test fails with ``--pinwatch``, because its session is pinned."""
    orders.place_in_turn(3)
    assert orders.revenue() == 3


def test_place_one_by_one() -> None:
    orders.place_one_by_one(3)
    assert orders.revenue() == 3

from shop import orders
from sqlalchemy.orm import Session


def test_revenue(session: Session) -> None:
    orders.place(session, 3)
    orders.place(session, 4)
    assert orders.revenue(session) == 7


def test_revenue_with_more_memory(session: Session) -> None:
    """This test fails with ``--pinwatch``, because its session is pinned."""
    orders.place(session, 3)
    assert orders.revenue_with_more_memory(session) == 3

"""The orders of the shop; revenue_with_more_memory pins a session of RDS Proxy."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[int]


def place(session: Session, total: int) -> None:
    session.add(Order(total=total))
    session.flush()


def revenue(session: Session) -> int:
    return session.scalar(select(func.coalesce(func.sum(Order.total), 0))) or 0


def revenue_with_more_memory(session: Session) -> int:
    """Return the revenue, with a setting that pins: the session keeps it."""
    session.execute(text("SET work_mem = '64MB'"))
    return revenue(session)

"""The orders of the session's tenant. No statement names it: the policy does."""

from sqlalchemy import FetchedValue, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(server_default=FetchedValue())
    total: Mapped[int]


def place(session: Session, total: int) -> None:
    session.add(Order(total=total))
    session.commit()


def revenue(session: Session) -> int:
    return session.scalar(select(func.coalesce(func.sum(Order.total), 0))) or 0

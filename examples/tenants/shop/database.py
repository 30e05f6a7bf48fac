"""Sessions that serve one tenant, on any connection of the pool."""

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.orm import Session, SessionTransaction


class TenantSession(Session):
    """A session whose transactions see the rows of one tenant alone."""

    def __init__(self, engine: Engine, tenant: int) -> None:
        super().__init__(engine, info={"tenant": str(tenant)})


@event.listens_for(TenantSession, "after_begin")
def set_tenant(
    session: Session, transaction: SessionTransaction, connection: Connection
) -> None:
    """Name the tenant at the beginning of each transaction, with which it ends."""
    connection.execute(select(func.set_tenant(session.info["tenant"])))


def connect(url: str) -> Engine:
    """Create an engine without prepared statements: dropping them would pin."""
    return create_engine(url, connect_args={"prepare_threshold": None})

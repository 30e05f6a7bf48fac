"""Two tenants are isolated, although they share one database connection."""

import pytest
from shop import orders
from shop.database import TenantSession
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session


def test_each_tenant_sees_its_own_orders(engine: Engine, other: Engine) -> None:
    with TenantSession(engine, 1) as ours, TenantSession(other, 2) as theirs:
        orders.place(ours, 3)
        orders.place(theirs, 40)
        orders.place(ours, 4)
        assert orders.revenue(ours) == 7
        ours.commit()
        assert orders.revenue(theirs) == 40


def test_the_next_client_has_no_tenant(engine: Engine, other: Engine) -> None:
    with TenantSession(engine, 3) as session:
        orders.place(session, 5)
    with Session(other) as session:
        assert orders.revenue(session) == 0


def test_a_tenant_is_lost_outside_a_transaction(engine: Engine) -> None:
    with TenantSession(engine, 4) as session:
        orders.place(session, 6)
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    with Session(alone) as session:
        session.execute(select(func.set_tenant("4")))
        assert orders.revenue(session) == 0


def test_no_order_for_another_tenant(engine: Engine) -> None:
    with TenantSession(engine, 5) as session:
        session.add(orders.Order(tenant_id=6, total=1))
        with pytest.raises(ProgrammingError, match="row-level security"):
            session.commit()


def test_they_share_a_database_connection(engine: Engine, other: Engine) -> None:
    processes = set()
    for tenant, one in ((7, engine), (8, other)):
        with TenantSession(one, tenant) as session:
            processes.add(session.scalar(select(func.pg_backend_pid())))
    assert len(processes) == 1

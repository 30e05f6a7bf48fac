"""Faults on demand."""

from contextlib import closing, suppress
from time import monotonic
from typing import Any

import psycopg
import pytest

from pinwatch.errors import FaultError
from pinwatch.proxy.faults import Fault
from tests.harness import Proxies, RunningProxy, eventually


def put_on(proxy: RunningProxy, *what: Any, **how: Any) -> Fault:
    async def add() -> Fault:
        return proxy.proxy.faults.add(*what, **how)

    return proxy.run(add())


def remove(proxy: RunningProxy, name: str) -> Fault:
    async def away() -> Fault:
        return proxy.proxy.faults.remove(name)

    return proxy.run(away())


def connect(proxy: RunningProxy) -> psycopg.Connection[Any]:
    return psycopg.connect(
        proxy.endpoint().dsn, autocommit=True, prepare_threshold=None
    )


def test_latency_before_a_borrow(proxy: Proxies) -> None:
    running = proxy()
    with closing(connect(running)) as client:
        fault = put_on(running, "latency", seconds=0.2)
        began = monotonic()
        client.execute("SELECT 1")
        assert monotonic() - began >= 0.2
        assert fault.happened == 1
        remove(running, fault.name)
        client.execute("SELECT 1")
        assert fault.happened == 1


def test_each_third_borrow_is_refused(proxy: Proxies) -> None:
    running = proxy()
    with closing(connect(running)) as client:
        put_on(running, "refuse", every=3)
        served = []
        for _ in range(9):
            try:
                client.execute("SELECT 1")
                served.append(True)
            except psycopg.errors.ConnectionException:
                served.append(False)
        assert served == [True, True, False] * 3


def test_kill_at_once(proxy: Proxies) -> None:
    running = proxy()
    with closing(connect(running)) as busy, closing(connect(running)) as idle:
        idle.execute("SELECT 1")
        busy.execute("BEGIN")
        assert put_on(running, "kill").happened
        with pytest.raises(psycopg.OperationalError):
            busy.execute("SELECT 1")
        idle.execute("SELECT 1")
        assert not running.proxy.faults.on


def test_kill_some_now_and_then(proxy: Proxies) -> None:
    running = proxy()
    fault = put_on(running, "kill", seconds=0.1, connections=1, name="now-and-then")
    eventually(lambda: _served(running) and fault.happened >= 2)
    assert list(running.proxy.faults.on) == ["now-and-then"]


def test_pause_for_a_while(proxy: Proxies) -> None:
    running = proxy()
    with closing(connect(running)) as client:
        client.execute("SELECT 1")
        put_on(running, "pause", lasting=0.3)
        began = monotonic()
        client.execute("SELECT 1")
        assert monotonic() - began >= 0.2
        assert not running.proxy.faults.on


def test_a_client_that_leaves_during_its_delay(proxy: Proxies) -> None:
    running = proxy()
    client = connect(running)
    client.execute("SELECT 1")
    fault = put_on(running, "latency", seconds=0.2)
    client.pgconn.send_query(b"SELECT 1")
    eventually(lambda: fault.happened)
    client.close()
    eventually(lambda: not running.clients)
    remove(running, fault.name)
    with closing(connect(running)) as other:
        other.execute("SELECT 1")


def test_names(proxy: Proxies) -> None:
    running = proxy()
    fault = put_on(running, "refuse", name="mine")
    assert fault.name == "mine"
    with pytest.raises(FaultError, match="A fault named mine is already active"):
        put_on(running, "pause", name="mine")
    with pytest.raises(FaultError, match=r"No fault named your; active faults: mine\."):
        remove(running, "your")
    with pytest.raises(FaultError, match="latency needs seconds"):
        put_on(running, "latency")


def _served(proxy: RunningProxy) -> bool:
    """Run a statement; a fault may kill its connection."""
    with suppress(psycopg.OperationalError), closing(connect(proxy)) as client:
        client.execute("SELECT 1")
    return True


def test_two_pauses(proxy: Proxies) -> None:
    """Borrows are served after both have ended."""
    running = proxy()
    with closing(connect(running)) as client:
        client.execute("SELECT 1")
        put_on(running, "pause", name="long", lasting=0.4)
        put_on(running, "pause", lasting=0.1)
        client.execute("SELECT 1")
        assert not running.proxy.faults.on

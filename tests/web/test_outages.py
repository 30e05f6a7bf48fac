"""A rehearsed outage shows in the same places as a real one."""

from threading import Thread
from typing import Final

import pytest

from pinwatch.observers.log import PROXY_EVENTS, describe
from pinwatch.proxy.faults import Kind
from tests.harness import eventually
from tests.metrics.scrape import Measured
from tests.web.conftest import Watch, Watched

MEANINGS: Final[dict[Kind, str]] = {
    "pause": "pause, no borrow is served.",
    "refuse": "refuse, every borrow.",
}


def target(watched: Watched) -> tuple[str, str | None, str | None]:
    (found,) = watched.get("/api/targets")
    return found["state"], found["reason"], found["description"]


def availability(watched: Watched) -> float:
    return metric(watched, "availability_percentage")


def metric(watched: Watched, name: str, **labels: str) -> float:
    return Measured(watched.clients, f"{watched.url}/metrics").tells(name, **labels)


def log(watched: Watched) -> list[str]:
    happened = list(watched.clients.proxy.events)
    return [describe(one)[1] for one in happened if isinstance(one, PROXY_EVENTS)]


def is_well(watched: Watched) -> bool:
    return (target(watched), availability(watched)) == (("AVAILABLE", None, None), 100)


@pytest.mark.parametrize("kind", MEANINGS)
def test_a_fault_that_serves_no_borrow(watch: Watch, kind: Kind) -> None:
    watched = watch()
    watched().query("SELECT 1")
    assert is_well(watched)
    faults = watched.clients.proxy.proxy.faults
    watched.in_the_loop(lambda: faults.add(kind, "drill"))
    text = f"The fault drill is active: {MEANINGS[kind]}"
    assert target(watched) == ("UNAVAILABLE", "UNREACHABLE", text)
    assert availability(watched) == 0
    address = watched.get("/api/targets")[0]["address"]
    why = text.rstrip(".")
    assert watched.get("/readyz", 503) == {
        "error": f"The target {address} cannot be used: {why}."
    }
    watched.in_the_loop(lambda: faults.remove("drill"))
    assert is_well(watched)
    assert watched.get("/readyz") == {"status": "ok"}
    times = "1 time" if kind == "pause" else "0 times"
    assert log(watched) == [
        f"The fault drill began: {MEANINGS[kind]}",
        f"The target default is UNAVAILABLE (UNREACHABLE): {text}",
        "The target default is AVAILABLE.",
        f"The fault drill ended; it took effect {times}.",
    ]


def test_faults_that_overlap(watch: Watch) -> None:
    watched = watch()
    faults = watched.clients.proxy.proxy.faults
    watched.in_the_loop(lambda: faults.add("pause", "one"))
    watched.in_the_loop(lambda: faults.add("refuse", "two"))
    watched.in_the_loop(lambda: faults.remove("one"))
    assert target(watched)[2] == "The fault two is active: refuse, every borrow."
    watched.in_the_loop(lambda: faults.remove("two"))
    assert is_well(watched)


def test_a_fault_that_serves_some_borrows(watch: Watch) -> None:
    watched = watch()
    faults = watched.clients.proxy.proxy.faults
    watched.in_the_loop(lambda: faults.add("refuse", "some", every=2))
    watched.in_the_loop(lambda: faults.add("latency", "slow", seconds=0.001))
    assert is_well(watched)
    assert watched.get("/readyz") == {"status": "ok"}
    assert log(watched) == [
        "The fault some began: refuse, 1 borrow in 2.",
        "The fault slow began: latency, 0.001 s before each borrow.",
    ]


def test_refused_borrows_are_counted(watch: Watch) -> None:
    watched = watch()
    client = watched()
    faults = watched.clients.proxy.proxy.faults
    watched.in_the_loop(lambda: faults.add("refuse"))
    assert [error[1] for error in client.query("SELECT 1").errors] == ["08000"]
    assert metric(watched, "borrows_total", outcome="timed_out") == 1


def test_a_planned_outage(watch: Watch) -> None:
    watched = watch()
    watched().query("SELECT 1")
    proxy = watched.clients.proxy
    group = proxy.proxy.group
    outage = Thread(target=proxy.run, args=(group.failover(outage=0.5),))
    outage.start()
    eventually(lambda: target(watched)[0] == "UNAVAILABLE")
    text = "A planned outage of 0.5 s is in progress."
    assert target(watched)[1:] == ("UNREACHABLE", text)
    assert availability(watched) == 0
    watched.get("/readyz", 503)
    outage.join()
    assert is_well(watched)
    assert watched.get("/readyz") == {"status": "ok"}
    began, ended, failover = log(watched)
    assert began == f"The target default is UNAVAILABLE (UNREACHABLE): {text}"
    assert ended == "The target default is AVAILABLE."
    assert failover.startswith("Failover: writer default is back, no writer for 0.")

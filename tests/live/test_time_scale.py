"""With a time_scale, all durations are shown in scaled seconds."""

from typing import Any, Final

from tests.harness import eventually
from tests.live.conftest import serve as serve
from tests.metrics.conftest import Measure
from tests.metrics.conftest import measure as measure
from tests.metrics.scrape import Measured
from tests.web.conftest import Watch, Watched
from tests.web.conftest import watch as watch
from tests.wireclient import query

SCALE: Final = 1_000
SETTINGS: Final[dict[str, Any]] = {
    "time_scale": SCALE,
    "authentication_timeout": 1e9,
    "idle_client_timeout": 28_800,
    "connection_pool": {"connection_borrow_timeout": 300},
}
A_WHILE: Final = 50.0  # scaled seconds
"""Much longer than the whole test takes in real seconds."""


def pass_time(proxy: Measured | Watched) -> None:
    clock = proxy.clients.proxy.proxy.clock
    began = clock.now
    eventually(lambda: clock.now > began + A_WHILE)


def by_state(watched: Watched) -> dict[str, Any]:
    """Return the connections by state, when the proxy checks the target on none."""

    def connections() -> dict[str, Any] | None:
        found = {one["state"]: one for one in watched.get("/api/pool")["connections"]}
        return found if found.keys() == {"idle", "pinned"} else None

    return eventually(connections) or {}


def test_pool_and_sessions_agree(watch: Watch) -> None:
    """Each state began after the one before it in the list."""
    watched = watch(2, **SETTINGS)
    pinned, idle = watched(), watched()
    pinned.query("LISTEN jobs")
    pass_time(watched)
    idle.query("SELECT 1")
    pass_time(watched)
    first = by_state(watched)
    sessions = {one["pinned"]: one for one in watched.get("/api/sessions")}
    (pin,) = watched.get("/api/pins")
    second = by_state(watched)
    assert A_WHILE < first["idle"]["seconds"] < first["pinned"]["seconds"] - A_WHILE
    assert (
        first["pinned"]["seconds"]
        <= sessions[True]["pinned_seconds"]
        <= pin["pinned_seconds"]
        <= second["pinned"]["seconds"]
    )
    assert sessions[True]["pinned_seconds"] < sessions[True]["age"]
    assert sessions[False]["age"] > A_WHILE * 2


def test_a_query_takes_as_long_as_the_borrow_in_it(measure: Measure) -> None:
    measured = measure(1, **SETTINGS)
    holder, waiter = measured(), measured()
    holder.query("BEGIN")
    before = measured.scrape()
    waiter.send(query("SELECT 1"))
    eventually(lambda: measured.clients.proxy.waiting)
    pass_time(measured)
    holder.query("COMMIT")
    waiter.reply()
    after = measured.scrape()

    def grown(name: str) -> float:
        return after(f"{name}_seconds_sum") - before(f"{name}_seconds_sum")

    borrowing = grown("database_connections_borrow_latency")
    assert A_WHILE < borrowing <= grown("query_response_latency")


def test_metrics_of_pins_agree_with_sessions(measure: Measure) -> None:
    measured = measure(1, **SETTINGS)
    measured().query("LISTEN jobs")
    pass_time(measured)
    assert measured.tells("pinned_seconds_total", rule="listen") > A_WHILE

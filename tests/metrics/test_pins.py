"""Metrics of pins."""

from pinwatch.hidden.wording import WORDS
from tests.harness import eventually
from tests.metrics.conftest import Measure

PINNED = "database_connections_currently_session_pinned"


def test_by_rule_database_and_user(measure: Measure, database: str) -> None:
    proxy = measure(2)
    names = {"database": database, "user": "postgres"}
    first, second = proxy(), proxy()
    first.query("LISTEN jobs")
    now = proxy.scrape()
    assert now("pins_total", rule="listen", **names) == 1
    assert now(PINNED) == 1
    second.query("LISTEN jobs")
    now = proxy.scrape()
    assert now("pins_total", rule="listen", **names) == 2
    assert now(PINNED) == 2
    assert now("database_connections_currently_borrowed") == 2
    assert now("database_connections_currently_in_transaction") == 0
    first.leave()
    proxy.comes_to_tell(1, PINNED)
    assert proxy.tells("pins_total", rule="listen", **names) == 2


def test_a_session_pins_once(measure: Measure) -> None:
    proxy = measure()
    client = proxy()
    client.query("SET search_path TO app; LISTEN jobs")
    client.query("CREATE TEMP TABLE t ()")
    now = proxy.scrape()
    (pin,) = [s for s in now.samples if s.name == "pinwatch_pins_total"]
    assert (pin.labels["rule"], pin.value) == ("set", 1)
    assert now("pinned_seconds_total", rule="set") > 0
    assert now("pinned_seconds_total", rule="listen") == 0
    assert now(PINNED) == 1


def test_one_that_does_not_pin(measure: Measure) -> None:
    proxy = measure()
    proxy().query("BEGIN; SELECT 1; COMMIT")
    now = proxy.scrape()
    assert [s for s in now.samples if s.name == "pinwatch_pins_total"] == []
    assert now(PINNED) == 0
    assert now("pinned_seconds_total", rule="set") == 0


def test_how_long(measure: Measure) -> None:
    """It goes on while the session is pinned, and stays when that is over."""
    proxy = measure()
    client = proxy()

    def seconds(rule: str = "listen") -> float:
        return proxy.tells("pinned_seconds_total", rule=rule)

    client.query("LISTEN jobs")
    so_far = seconds()
    eventually(lambda: seconds() > so_far > 0)
    so_far = seconds()
    client.leave()
    proxy.comes_to_tell(0, PINNED)
    over = seconds()
    assert over > so_far
    assert (seconds(), seconds("set")) == (over, 0)


def test_warnings(measure: Measure) -> None:
    proxy = measure()
    client = proxy()
    assert proxy.tells("pin_warnings_total", rule="set_transaction") == 0
    for _ in range(2):
        client.query("BEGIN; SET TRANSACTION READ ONLY; COMMIT")
    assert proxy.tells("pin_warnings_total", rule="set_transaction") == 2


def test_what_a_lenient_profile_warns_of(measure: Measure) -> None:
    proxy = measure(profile="lenient")
    proxy().query("BEGIN; SET LOCAL a.b = 'c'; COMMIT")
    now = proxy.scrape()
    assert now("pin_warnings_total", rule="set") == 1
    assert now(PINNED) == 0


def test_every_kind_of_hidden_state_is_there_from_the_start(measure: Measure) -> None:
    now = measure().scrape()
    assert {kind: now("hidden_state_total", kind=kind) for kind in WORDS} == (
        dict.fromkeys(WORDS, 0)
    )


def test_probes_for_hidden_state_are_counted(measure: Measure) -> None:
    for mode, probes in (("off", 0), ("report", 1)):
        proxy = measure(hidden_state=mode)
        proxy().query("SELECT 1")
        proxy().query("DO $$ BEGIN END $$")
        assert proxy.tells("hidden_state_probes_total") == probes

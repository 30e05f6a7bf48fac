"""Each alert can be rehearsed: one command makes it fire, another one resolves it.

A real Prometheus evaluates the rules, with seconds in place of their minutes.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import yaml

from tests.cli.command import Up, pinwatch, pinwatch_up
from tests.grafana.written import RULES
from tests.harness import eventually
from tests.prometheus import INTERVAL, PROGRAM, Prometheus, running
from tests.site import ask

LASTING: Final = "2s"  # in place of the minutes that an alert is pending
WINDOW: Final = "[5s]"  # in place of [5m]
GROUP: Final = yaml.safe_load(RULES.read_text())["groups"][0]
ALERTS: Final = {rule["alert"]: rule for rule in GROUP["rules"]}

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Prometheus is not installed")


def shortened(rule: dict[str, Any]) -> dict[str, Any]:
    lasting = rule["for"] if rule["for"] == "0s" else LASTING
    expression = re.sub(r"\[\d+m\]", WINDOW, rule["expr"])
    return rule | {"for": lasting, "expr": expression}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A pinwatch that may end, and the Prometheus that watches its HTTP address."""

    up: Callable[[], Up]
    stop: Callable[[], None]
    prometheus: Prometheus

    def run(self, *arguments: str) -> None:
        ended = pinwatch(*arguments, "--url", self.up().greeting["HTTP"])
        assert ended.returncode == 0, ended.stderr

    def state(self, alert: str) -> str:
        found = self.active(alert)
        return found["state"] if found else "inactive"

    def runbook(self, alert: str) -> str:
        """Return the address that the active alert has."""
        return str(self.active(alert)["annotations"]["runbook_url"])

    def active(self, alert: str) -> dict[str, Any]:
        alerts = self.prometheus.get("alerts")["alerts"]
        of_name = [one for one in alerts if one["labels"]["alertname"] == alert]
        return of_name[0] if of_name else {}

    def was_pending(self, alert: str) -> bool:
        series = f'ALERTS{{alertname="{alert}", alertstate="pending"}}'
        return self.prometheus.has_numbers(f"count_over_time({series}[5m])")


@pytest.fixture
def rehearsal(tmp_path: Path, target: str) -> Iterator[Rehearsal]:
    with ExitStack() as stack:
        present: list[Up] = []

        def start(http: str) -> Up:
            options = ("--target", target, "--http", http, "--probe")
            present.append(stack.enter_context(pinwatch_up(tmp_path / "log", *options)))
            return present[-1]

        http = start("127.0.0.1:0").greeting["HTTP"].removeprefix("http://")

        def up() -> Up:
            return present[-1] if present else start(http)

        def stop() -> None:
            assert present.pop().stop() == 0

        file = configuration(tmp_path, http)
        prometheus = stack.enter_context(running(file))
        eventually(lambda: prometheus.has_numbers("pinwatch_borrows_total"))
        yield Rehearsal(up, stop, prometheus)


def configuration(folder: Path, http: str) -> Path:
    """Write Prometheus's configuration, and the rules with shorter times."""
    groups = [{"name": "pinwatch", "rules": [shortened(r) for r in ALERTS.values()]}]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    job = {"job_name": "pinwatch", "static_configs": [{"targets": [http]}]}
    file = folder / "prometheus.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "global": {
                    "scrape_interval": INTERVAL,
                    "evaluation_interval": INTERVAL,
                },
                "rule_files": ["rules.yaml"],
                "scrape_configs": [job],
            }
        )
    )
    return file


def pins(rehearsal: Rehearsal, stack: ExitStack) -> None:
    for _ in range(3):
        client = stack.enter_context(
            closing(psycopg.connect(rehearsal.up().url, autocommit=True))
        )
        client.execute("SET work_mem = '1MB'")


def refused(rehearsal: Rehearsal, stack: ExitStack) -> None:
    rehearsal.run("fault", "add", "refuse", "--name", "drill")
    stack.callback(rehearsal.run, "fault", "remove", "drill")
    with (
        suppress(psycopg.OperationalError),
        closing(psycopg.connect(rehearsal.up().url)) as client,
    ):
        client.execute("SELECT 1")


def paused(rehearsal: Rehearsal, stack: ExitStack) -> None:
    rehearsal.run("fault", "add", "pause", "--name", "drill")
    stack.callback(rehearsal.run, "fault", "remove", "drill")


def leaked(rehearsal: Rehearsal, stack: ExitStack) -> None:
    with closing(psycopg.connect(rehearsal.up().url, autocommit=True)) as client:
        client.execute("DO $$ BEGIN SET work_mem = '1MB'; END $$")


def stopped(rehearsal: Rehearsal, stack: ExitStack) -> None:
    rehearsal.stop()
    stack.callback(rehearsal.up)


@pytest.mark.parametrize(
    ("alert", "fire"),
    [
        ("PinwatchPinnedShare", pins),
        ("PinwatchBorrowTimeouts", refused),
        ("PinwatchTargetUnavailable", paused),
        ("PinwatchHiddenState", leaked),
        ("PinwatchDown", stopped),
    ],
)
def test_an_alert_fires_and_resolves(
    rehearsal: Rehearsal, alert: str, fire: Callable[[Rehearsal, ExitStack], None]
) -> None:
    """Leaving the stack resolves it."""
    with ExitStack() as stack:
        fire(rehearsal, stack)
        eventually(partial(is_state, rehearsal, alert, "firing"))
        page, _, section = rehearsal.runbook(alert).partition("#")
    eventually(partial(is_state, rehearsal, alert, "inactive"))
    assert f'<h2 id="{section}">{alert}</h2>' in ask(page).text
    assert rehearsal.was_pending(alert) == (ALERTS[alert]["for"] != "0s")


def is_state(rehearsal: Rehearsal, alert: str, state: str) -> bool:
    return rehearsal.state(alert) == state


def test_each_alert_has_a_rehearsal() -> None:
    (mark,) = test_an_alert_fires_and_resolves.pytestmark  # type: ignore[attr-defined]
    assert {alert for alert, _ in mark.args[1]} == set(ALERTS)

"""Alerts fire, by promtool's own clock and the rules that Prometheus reads."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.grafana.written import RULES

PROMTOOL: Final = shutil.which("promtool")
RULE: Final = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}
SHARE: Final = "PinwatchPinnedShare"
TIMEOUTS: Final = "PinwatchBorrowTimeouts"
TARGET: Final = "PinwatchTargetUnavailable"
LEAKED: Final = "PinwatchHiddenState"
DOWN: Final = "PinwatchDown"

PINNED: Final = "pinwatch_database_connections_currently_session_pinned"
OPEN: Final = "pinwatch_database_connections"
TIMED_OUT: Final = 'pinwatch_borrows_total{outcome="timed_out"}'
AVAILABLE: Final = "pinwatch_availability_percentage"
LEAKS: Final = 'pinwatch_hidden_state_total{kind="setting"}'
UP: Final = 'up{job="pinwatch"}'
OTHER_UP: Final = 'up{job="other"}'
OF_SERIES: Final = {
    TIMEOUTS: {"outcome": "timed_out"},
    LEAKED: {"kind": "setting"},
    DOWN: {"job": "pinwatch"},
}
"""Labels that an alert has from what it looks at."""

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


@pytest.mark.parametrize(
    ("alert", "series", "at"),
    [
        (SHARE, {PINNED: "3x9", OPEN: "10x9"}, "5m"),
        (TIMEOUTS, {TIMED_OUT: "0x2 1x6"}, "3m"),
        (TARGET, {AVAILABLE: "100x2 0x6"}, "4m"),
        (LEAKED, {LEAKS: "0x2 1x6"}, "3m"),
        (DOWN, {UP: "1x2 0x6"}, "4m"),
    ],
)
def test_it_fires(
    alert: str, series: Mapping[str, str], at: str, tmp_path: Path
) -> None:
    assert fires(alert, series, at, tmp_path)


@pytest.mark.parametrize(
    ("alert", "series", "at"),
    [
        pytest.param(
            SHARE, {PINNED: "3x9", OPEN: "10x9"}, "4m", id="not for 5 minutes"
        ),
        pytest.param(SHARE, {PINNED: "3x9", OPEN: "30x9"}, "9m", id="10 %, not over"),
        pytest.param(SHARE, {PINNED: "2x9", OPEN: "2x9"}, "9m", id="only two"),
        pytest.param(SHARE, {PINNED: "0x9", OPEN: "0x9"}, "9m", id="no connections"),
        pytest.param(
            SHARE, {PINNED: "3x3 0 3x4", OPEN: "10x9"}, "8m", id="not all the time"
        ),
        pytest.param(TIMEOUTS, {TIMED_OUT: "3x9"}, "9m", id="of long ago"),
        pytest.param(TARGET, {AVAILABLE: "100x9"}, "9m", id="it serves"),
        pytest.param(TARGET, {AVAILABLE: "100x2 0x6"}, "3m", id="not for a minute"),
        pytest.param(LEAKED, {LEAKS: "3x9"}, "9m", id="leaks of long ago"),
        pytest.param(DOWN, {UP: "1x9"}, "9m", id="it is scraped"),
        pytest.param(DOWN, {OTHER_UP: "0x9"}, "9m", id="another job"),
    ],
)
def test_it_does_not_fire(
    alert: str, series: Mapping[str, str], at: str, tmp_path: Path
) -> None:
    assert not fires(alert, series, at, tmp_path)


def fires(alert: str, series: Mapping[str, str], at: str, folder: Path) -> bool:
    """Return True if it fires at this time; there is one sample a minute from 0."""
    silent, firing = (expects(folder, alert, series, at, yes) for yes in (False, True))
    assert silent != firing
    return firing


def expects(
    folder: Path, alert: str, series: Mapping[str, str], at: str, firing: bool
) -> bool:
    """Return True if promtool finds the alert firing, or silent, as expected."""
    rule = RULE[alert]
    expected = {
        "exp_labels": rule["labels"] | OF_SERIES.get(alert, {}),
        "exp_annotations": {
            name: text.replace("{{ $labels.instance }}", "")  # the series have none
            for name, text in rule["annotations"].items()
        },
    }
    tests: dict[str, Any] = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values}
                    for name, values in series.items()
                ],
                "alert_rule_test": [
                    {
                        "eval_time": at,
                        "alertname": alert,
                        "exp_alerts": [expected] if firing else [],
                    }
                ],
            }
        ],
    }
    file = folder / "tests.yaml"
    file.write_text(yaml.safe_dump(tests))
    assert PROMTOOL is not None
    ended = subprocess.run([PROMTOOL, "test", "rules", file], capture_output=True)
    return ended.returncode == 0

"""A pinwatch under the load of compose, watched by Prometheus with compose's own files.

What Grafana would ask Prometheus is asked here: that every expression gives data proves
its metrics, their labels, the scrape and the rules at once.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from grafana import links
from grafana.alerts import FEWEST_PINNED
from tests.cli.command import pinwatch_up
from tests.docker.compose import FOLDER, SERVICES, mounts
from tests.docker.prometheus import prometheus
from tests.grafana.written import expressions, looked_up, panels
from tests.harness import PATIENCE, Postgres, eventually
from tests.prometheus import INTERVAL, PROGRAM, Prometheus

TOKEN: Final = "of this test"
LOAD: Final = FOLDER / "load" / "load.sh"
CHOSEN: Final = {
    "$__rate_interval": "3s",
    "$__interval": "1s",
    "$__range": "1m",
    'instance="$instance"': 'instance=~".+"',
    "$job": ".+",
    "$proxy": ".+",
    "$endpoint": ".+",
    f" >= {FEWEST_PINNED}": " >= 1",
}
"""Values that Grafana would substitute for the dashboard's variables.

The load pins fewer sessions than the alert on pinned connections needs.
"""


pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="Prometheus is not installed"),
    pytest.mark.skipif(not shutil.which("pgbench"), reason="pgbench is not installed"),
]


@dataclass(frozen=True, slots=True)
class Watched:
    """The HTTP side of a pinwatch at work, and the Prometheus that watches it."""

    http: str
    prometheus: Prometheus


@pytest.fixture(scope="module")
def watched(postgres: Postgres) -> Iterator[Watched]:
    """A pinwatch as compose starts it, with the role that its files name."""
    with TemporaryDirectory(prefix="pinwatch-") as name, app(postgres) as database:
        root = Path(name)
        (config,) = mounts("pinwatch").values()
        options = ("--config", str(config), "--target", database)
        with (
            pinwatch_up(
                root / "log",
                *options,
                "--state-folder",
                str(root / "state"),
                PINWATCH_HTTP_TOKEN=TOKEN,
            ) as up,
            load(database, up.url.replace("app@", "app:app@")),
            prometheus(
                root,
                up.greeting["HTTP"].removeprefix("http://"),
                {"PINWATCH_HTTP_TOKEN": TOKEN},
            ) as watching,
        ):
            yield Watched(up.greeting["HTTP"], watching)


@contextmanager
def app(postgres: Postgres) -> Iterator[str]:
    """The URL of a new database, as its owner."""
    with closing(postgres.connect()) as connection:
        connection.execute("CREATE ROLE app LOGIN")
        connection.execute("CREATE DATABASE app OWNER app")
        try:
            yield postgres.endpoint("app").url().replace("postgres@", "app@")
        finally:
            connection.execute("DROP DATABASE app WITH (FORCE)")
            connection.execute("DROP ROLE app")


@contextmanager
def load(database: str, proxy: str) -> Iterator[None]:
    """Run the load of compose's load service."""
    script = [part for part in SERVICES["load"]["command"] if "://" not in part]
    assert script == ["sh", "/load/load.sh"]
    with subprocess.Popen(
        ["sh", LOAD, database, proxy], start_new_session=True
    ) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_every_expression_gives_data(watched: Watched) -> None:
    """The expressions of panels, variables, alerts and annotations have values."""
    missing = {(who, chosen(expression)) for who, expression in expressions()}
    assert missing

    def all_give_data() -> bool:
        for who, expression in sorted(missing):
            if watched.prometheus.has_numbers(expression):
                missing.remove((who, expression))
        return not missing

    try:
        eventually(all_give_data, seconds=2 * PATIENCE)
    finally:
        assert missing == set()


def chosen(expression: str) -> str:
    for variable, value in CHOSEN.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


def test_variables_have_values(watched: Watched) -> None:
    for variable in looked_up():
        (series, label) = re.findall(
            r"label_values\((.+), (\w+)\)", chosen(variable["query"])
        )[0]
        assert label == variable["name"]
        assert eventually(lambda s=series, n=label: watched.prometheus.values(n, s))  # type: ignore[misc]


def test_the_target_is_scraped(watched: Watched) -> None:
    eventually(lambda: watched.prometheus.has_numbers('up{job="pinwatch"} == 1'))
    (target,) = watched.prometheus.get("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    assert target["scrapeInterval"] == INTERVAL


def test_the_rules_are_evaluated(watched: Watched) -> None:
    def unknown() -> list[str]:
        groups = watched.prometheus.get("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert rules
        return [rule["name"] for rule in rules if rule["health"] != "ok"]

    eventually(lambda: not unknown())


def test_the_health_check_passes_where_pinwatch_is(watched: Watched) -> None:
    assert health(watched.http).returncode == 0


def test_the_health_check_fails_where_it_is_not() -> None:
    assert health("127.0.0.1:1").returncode != 0


def health(http: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program of the image's HEALTHCHECK."""
    return subprocess.run(
        [sys.executable, FOLDER / "healthcheck.py"],
        env=os.environ | {"PINWATCH_HTTP": http},
        capture_output=True,
        timeout=PATIENCE,
    )


def test_the_links_are_answered(watched: Watched) -> None:
    """Grafana substitutes the instance, and a rule from the labels of a series."""
    rules = eventually(lambda: watched.prometheus.values("rule", "pinwatch_pins_total"))
    instance = watched.http.removeprefix("http://")
    for pattern in (links.LIVE_PAGE_URL, links.RULE_URL + rules[0]):
        request = Request(pattern.replace("${instance}", instance))
        request.add_header("Authorization", f"Bearer {TOKEN}")
        with urlopen(request, timeout=PATIENCE) as answer:
            assert answer.status == 200
            assert answer.headers.get_content_type() == "text/html"


def test_the_table_s_columns_are_what_the_api_answers(watched: Watched) -> None:
    (table,) = [panel for panel in panels() if panel["type"] == "table"]
    (query,) = table["targets"]
    parameters = {one["key"]: one["value"] for one in query["url_options"]["params"]}
    assert parameters == {"since": "${__from:date:iso}", "first": "true"}
    asked = urlencode(parameters | {"since": "2020-01-01T00:00:00.000Z"})
    request = Request(f"{watched.http}{query['url']}?{asked}")
    request.add_header("Authorization", f"Bearer {TOKEN}")

    def pins() -> list[dict[str, object]]:
        with urlopen(request, timeout=PATIENCE) as answer:
            found: list[dict[str, object]] = json.load(answer)
            return found

    first, *_ = eventually(pins)
    assert {column["selector"] for column in query["columns"]} <= set(first)

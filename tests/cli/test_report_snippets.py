"""pinwatch report prints an init query and an alarm, and says what the log lacks."""

from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
import pytest
import yaml

from pinwatch.cli.report_snippets import AlarmCode, Code
from pinwatch.production.snippets import ALARMS, INIT_QUERY
from tests.cli.command import pinwatch, pinwatch_up
from tests.cli.test_report import reported
from tests.harness import Postgres
from tests.production.logs import LOG, text, write
from tests.production.test_init_query import TIME, stderr

POSTGRES_LOG: Final = stderr(f"{TIME}:10.0.0.1(4000):{{role}}@shop:[{{pid}}]:")
"""Two sessions that begin with the same time zone, and with two search paths."""
LEFT_OUT: Final = (
    "search_path, because its values differ between sessions: 'ann', 'bob'."
)


def test_an_init_query_from_an_event_log_makes_the_sets_unnecessary(
    postgres: Postgres, tmp_path: Path
) -> None:
    target = postgres.endpoint("postgres").url()
    events = tmp_path / "events.jsonl"
    with pinwatch_up(
        tmp_path / "log", "--target", target, "--event-log", str(events)
    ) as up:
        for tenant in (b"ann", b"bob"):
            with closing(psycopg.connect(up.url, autocommit=True)) as client:
                client.execute(b"SET TIME ZONE INTERVAL '+02:30' HOUR TO MINUTE")
                client.execute(b"SELECT set_config('a.b', 'it''s', false)")
                client.execute(b"SET search_path TO " + tenant)
        assert up.stop() == 0
    given = pinwatch("report", "--init-query", "cloudformation", str(events))
    assert given.returncode == 0
    assert given.stderr == f"pinwatch: left out: {LEFT_OUT}\n"
    template = yaml.safe_load(given.stdout)
    template["Parameters"]["ProxyName"]["Default"] = "orders"
    template["Resources"]["Proxy"] = {
        "Type": "AWS::RDS::DBProxy",
        "Properties": {"DBProxyName": "orders", "EngineFamily": "POSTGRESQL"},
    }
    file = write(tmp_path, "template.yaml", yaml.safe_dump(template).encode())
    with (
        pinwatch_up(tmp_path / "log", "--from", file, "--target", target) as up,
        closing(psycopg.connect(up.url, autocommit=True)) as client,
    ):
        found = client.execute("SELECT date_part('timezone', now())").fetchone()
        assert found == (9_000,)
        assert client.execute("SHOW a.b").fetchone() == ("it's",)


@pytest.mark.parametrize("code", Code)
def test_each_code_goes_to_standard_output_alone(code: Code, tmp_path: Path) -> None:
    log = write(tmp_path, "postgresql.log", POSTGRES_LOG)
    printed = pinwatch("report", "--init-query", code, "--proxy-name", "orders", log)
    assert printed.returncode == 0
    assert "SET timezone TO " in printed.stdout
    assert "left out" not in printed.stdout
    by_role = code is Code.ALTER_ROLE
    assert ("SET search_path" in printed.stdout) is by_role
    assert (LEFT_OUT in printed.stderr) is not by_role


def test_the_codes_are_those_that_can_be_written() -> None:
    assert [*Code] == [*INIT_QUERY]
    assert [*AlarmCode] == [*ALARMS]


@pytest.mark.parametrize("code", AlarmCode)
def test_the_alarm_needs_no_file(code: AlarmCode) -> None:
    printed = pinwatch("report", "--alarm", code, "--proxy-name", "orders")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert "DatabaseConnectionsCurrentlySessionPinned" in printed.stdout
    assert "orders" in printed.stdout


def test_a_log_of_rds_proxy_has_no_values(tmp_path: Path) -> None:
    log = write(tmp_path, "log", text(LOG))
    refused = pinwatch("report", "--init-query", "sql", log)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "RDS Proxy's log does not have their values." in refused.stderr
    assert "Neither RDS Proxy's log" in pinwatch("report", log).stdout


def test_a_file_with_a_fault_fails_the_command(tmp_path: Path) -> None:
    good = write(tmp_path, "postgresql.log", POSTGRES_LOG)
    bad = write(tmp_path, "bad", b"")
    printed = pinwatch("report", "--init-query", "sql", good, bad)
    assert printed.returncode == 2
    assert printed.stdout == "SET timezone TO 'UTC'\n"
    assert "The file is empty." in printed.stderr


def test_the_report_has_the_init_query(tmp_path: Path) -> None:
    log = write(tmp_path, "postgresql.log", POSTGRES_LOG)
    for format in ("text", "markdown"):
        shown = pinwatch("report", "--format", format, log).stdout
        assert "SET timezone TO 'UTC'\n" in shown
        assert f"Left out: {LEFT_OUT}" in shown
    page = pinwatch("report", "--format", "html", log).stdout
    assert "<pre>SET timezone TO &#x27;UTC&#x27;</pre>" in page
    assert reported(log)["init_query"] == {
        "sql": "SET timezone TO 'UTC'",
        "sessions": 2,
        "settings": [{"name": "timezone", "value": "'UTC'", "sessions": 2}],
        "left_out": [
            {
                "name": "search_path",
                "reason": "its values differ between sessions",
                "values": ["'ann'", "'bob'"],
            }
        ],
    }


def test_seconds_and_percent_with_and_without_a_rule(tmp_path: Path) -> None:
    log = write(tmp_path, "log", text(LOG))
    document = reported("--max-connections", "9", log)
    assert document["pinned_seconds"] == 90.0
    without = {"set": 60.0, "statement_size": 30.0}
    assert document["pinned_seconds_without"] == without
    rows = document["pins"]
    assert {row["rule"]: row["pinned_seconds_without"] for row in rows} == without
    assert document["max_connections_percent"] == {
        "max_connections": 9,
        "pinned": 23,
        "without": {"set": 12, "statement_size": 12},
        "clients": 23,
    }
    assert reported(log)["max_connections_percent"] is None


def test_clients_that_the_log_lacks_have_no_percent(tmp_path: Path) -> None:
    log = write(tmp_path, "log", text([line for line in LOG if " pinned" in line]))
    percent = reported("--max-connections", "200", log)["max_connections_percent"]
    assert (percent["pinned"], percent["clients"]) == (1, None)


def test_a_log_of_clients_has_their_percent(tmp_path: Path) -> None:
    log = write(tmp_path, "log", text(LOG[:1]))
    shown = pinwatch("report", "--max-connections", "20", log).stdout
    assert "A connection for each connected client needs 5." in shown
    assert "pinned sessions alone" not in shown


def test_statistics_have_no_sessions_for_a_percent(tmp_path: Path) -> None:
    file = write(tmp_path, "s.csv", b"calls,query\n7,LISTEN jobs\n")
    shown = pinwatch("report", "--max-connections", "100", file).stdout
    assert "because no session with a time and a clientConnection was read" in shown
    document = reported("--max-connections", "100", file)
    assert document["max_connections_percent"] is None


def test_the_text_names_the_percent_and_what_logs_do_not_say(tmp_path: Path) -> None:
    log = write(tmp_path, "log", text(LOG))
    shown = pinwatch("report", "--max-connections", "1", log).stdout
    assert (
        "With max_connections = 1, the pinned sessions alone need "
        "MaxConnectionsPercent > 100 (100 without set, 100 without statement_size)."
    ) in shown
    assert "Logs do not say how many other sessions had borrowed" in shown

"""The init query and the alarm as infrastructure code, read by the tools for it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import parse_qs

import pytest
import yaml

from pinwatch.infrastructure.read import read
from pinwatch.production.init_query import InitQuery
from pinwatch.production.ranking import Ranking
from pinwatch.production.records import Executed
from pinwatch.production.snippets import ALARMS, INIT_QUERY
from tests.harness import Postgres

NAMES: Final = ("", "orders")
"""A proxy whose name is a parameter, and one with a name."""
BIN: Final = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def query_of(sql: str, role: str = "app") -> InitQuery:
    ranking = Ranking()
    ranking.add(Executed(sql, session="1", role=role))
    return ranking.settings.init_query()


QUERIES: Final = [
    query_of("SET timezone = 'UTC'"),
    query_of("SET search_path TO \"$user\", 'it''s'; SET statement_timeout = '30s'"),
    query_of(r"SET a.b = E'a\\b\n\t\x01 ${c} %{d} $$ \"q\" {{e}} é ☃: # ''f'''"),
]


@pytest.fixture(params=QUERIES, ids=["one", "two", "odd"])
def query(request: pytest.FixtureRequest) -> InitQuery:
    assert isinstance(request.param, InitQuery)
    return request.param


@pytest.fixture(params=NAMES, ids=["parameter", "name"])
def proxy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tool(name: str) -> str:
    """Return the path of a program; skip the test if it is not installed."""
    found = shutil.which(name, path=BIN)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def ran(*command: str, given: str = "") -> str:
    """Return what a command prints that reads a text from standard input."""
    ended = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


# CloudFormation.


def test_the_templates_have_no_fault(tmp_path: Path) -> None:
    for name in NAMES:
        query = INIT_QUERY["cloudformation"](QUERIES[1], name)
        (tmp_path / f"query{name}.yaml").write_text(query)
        (tmp_path / f"alarm{name}.yaml").write_text(ALARMS["cloudformation"](name))
    ran(tool("cfn-lint"), *map(str, tmp_path.iterdir()), "--regions", "us-east-1")


def test_pinwatch_reads_the_init_query_of_the_template(
    query: InitQuery, proxy: str
) -> None:
    template = yaml.safe_load(INIT_QUERY["cloudformation"](query, proxy))
    if not proxy:
        template["Parameters"]["ProxyName"]["Default"] = "orders"
    template["Resources"]["Proxy"] = {
        "Type": "AWS::RDS::DBProxy",
        "Properties": {"DBProxyName": "orders", "EngineFamily": "POSTGRESQL"},
    }
    found = read(yaml.safe_dump(template), "template.yaml")
    assert found.settings["connection_pool"] == {"init_query": query.sql}


# Terraform.


def test_terraform_would_format_the_configurations_so(
    query: InitQuery, proxy: str
) -> None:
    for text in (INIT_QUERY["terraform"](query, proxy), ALARMS["terraform"](proxy)):
        assert ran(tool("terraform"), "fmt", "-", given=f"{text}\n") == f"{text}\n"


def test_terraform_reads_the_init_query(query: InitQuery, tmp_path: Path) -> None:
    text = INIT_QUERY["terraform"](query, "orders")
    (written,) = (
        line.partition(" = ")[2] for line in text.splitlines() if "init_query" in line
    )
    console = tool("terraform"), f"-chdir={tmp_path}", "console"
    shown = ran(*console, given=f"jsonencode({written})\n")
    assert json.loads(json.loads(shown)) == query.sql


# The AWS CLI.


@pytest.fixture
def requests() -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """A server's URL, and the parameters of the requests that it gets."""
    received: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(parse_qs(body.decode()))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(
                b"<ModifyDBProxyTargetGroupResponse>"
                b"<ModifyDBProxyTargetGroupResult/>"
                b"</ModifyDBProxyTargetGroupResponse>"
            )

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()
    assert not thread.is_alive()


def test_the_command_sends_the_init_query(
    query: InitQuery,
    proxy: str,
    requests: tuple[str, list[dict[str, list[str]]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, received = requests
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": url,
        "PATH": os.pathsep.join([str(Path(tool("aws")).parent), BIN]),
        "PROXY_NAME": "orders",
    }.items():
        monkeypatch.setenv(name, value)
    ran("sh", "-c", INIT_QUERY["cli"](query, proxy))
    (sent,) = received
    assert sent["Action"] == ["ModifyDBProxyTargetGroup"]
    assert sent["DBProxyName"] == ["orders"]
    assert sent["TargetGroupName"] == ["default"]
    assert sent["ConnectionPoolConfig.InitQuery"] == [query.sql]


def test_the_command_wants_a_name() -> None:
    command = INIT_QUERY["cli"](QUERIES[0], "")
    ended = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env={"PATH": BIN}
    )
    assert ended.returncode != 0
    assert "PROXY_NAME" in ended.stderr


# Roles.


def test_the_roles_have_the_settings(postgres: Postgres) -> None:
    role = 'odd "role"'
    query = query_of("SET search_path TO a, \"$user\"; SET a.b = 'it''s'", role)
    with closing(postgres.connect()) as admin:
        admin.execute(b'CREATE ROLE "odd ""role"""')
        try:
            admin.execute(INIT_QUERY["alter-role"](query, "").encode())
            stored = "SELECT rolconfig FROM pg_roles WHERE rolname = %s"
            found = admin.execute(stored, [role]).fetchone()
            assert found == (['search_path=a, "$user"', "a.b=it's"],)
        finally:
            admin.execute(b'DROP ROLE "odd ""role"""')


def test_an_unknown_role_is_a_variable_of_psql() -> None:
    query = query_of("SET timezone = 'UTC'", role="")
    text = INIT_QUERY["alter-role"](query, "")
    assert text == """ALTER ROLE :"role" SET timezone TO 'UTC';"""

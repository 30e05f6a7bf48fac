"""pinwatch report --url and --database: a running pinwatch, and pg_stat_statements."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from subprocess import run
from threading import Thread
from typing import Any, Final
from urllib.parse import quote

import psycopg
import pytest

from pinwatch.cli.http_side import HttpSide
from pinwatch.tls import certificates
from tests.auth.servers import postgresql, with_tls
from tests.cli.command import PATIENCE, Up, pinwatch, pinwatch_up
from tests.harness import eventually

TOKEN: Final = "secret"
PASSWORD: Final = "p@ss: word/"
LOAD: Final = {
    "set": "SET work_mem = '1MB'",
    "listen": "LISTEN jobs",
    "temp_object": "CREATE TEMP TABLE t (id int)",
}
"""SQL that pins, by rule."""
PRELOAD: Final = "shared_preload_libraries = 'pg_stat_statements'"
STATEMENTS: Final = """
CREATE FUNCTION nested() RETURNS void LANGUAGE sql AS $$
    SELECT set_config('a.nested', '1', false)
$$;
SET a.b = '1';
LISTEN jobs;
SELECT set_config('a.sent', '1', false);
SELECT nested();
"""


def reported(*arguments: str, **variables: str) -> dict[str, Any]:
    """Return the document that pinwatch report prints."""
    ended = pinwatch("report", "--format", "json", *arguments, **variables)
    document = json.loads(ended.stdout)
    assert isinstance(document, dict)
    return document


# A running pinwatch.


@pytest.fixture
def up(target: str, tmp_path: Path) -> Iterator[Up]:
    with pinwatch_up(
        tmp_path / "log", "--target", target, PINWATCH_HTTP_TOKEN=TOKEN
    ) as up:
        yield up
        assert up.stop() == 0


def rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows without the figures that the log does not have so exactly."""
    rounded = {"pinned_seconds", "pinned_seconds_without", "hosts"}
    rows = [
        {name: value for name, value in row.items() if name not in rounded}
        for row in document["pins"]
    ]
    return sorted(rows, key=lambda row: str(row["rule"]))


def test_a_running_pinwatch_has_the_pins_of_its_log(up: Up, tmp_path: Path) -> None:
    from_api = ("--url", up.greeting["HTTP"])
    log = str(tmp_path / "log")
    with ExitStack() as stack:
        for sql in (*LOAD.values(), LOAD["set"]):
            client = psycopg.connect(up.url, autocommit=True)
            stack.enter_context(closing(client)).execute(sql.encode())
        with closing(psycopg.connect(up.url, autocommit=True)) as client:
            client.execute("LISTEN jobs")
            client.execute("LISTEN other")
        eventually(lambda: "client connection closed" in Path(log).read_text())
        side = HttpSide(up.greeting["HTTP"], TOKEN)
        eventually(lambda: len(side.get_list("/api/sessions")) == 4)
        found = reported(*from_api, PINWATCH_HTTP_TOKEN=TOKEN)
        in_log = reported(log)
        both = reported(log, *from_api, "--token", TOKEN)
    assert found["peak"] == 5
    assert rows(found) == rows(in_log) == rows(both)
    assert {row["rule"] for row in found["pins"]} == LOAD.keys()
    assert found["peak_without"] == in_log["peak_without"]
    assert (found["repeated"], both["repeated"]) == (0, 5)
    assert [row["hosts"] for row in found["pins"] if row["rule"] == "set"] == [
        {"127.0.0.1": 2}
    ]
    assert all(row["pinned_seconds"] > 0 for row in found["pins"])


def test_a_pinwatch_that_cannot_be_read(up: Up, tmp_path: Path) -> None:
    url = up.greeting["HTTP"]
    ended = pinwatch("report", "--url", url)
    assert ended.returncode == 2
    assert ended.stdout == "No pins were found, but not all files could be read.\n"
    assert ended.stderr == (
        f"pinwatch: --url is {url}, which requires its http_token: give it by "
        "--token or PINWATCH_HTTP_TOKEN.\n"
    )


# A database.


@pytest.fixture(scope="module")
def binaries() -> Path:
    """The binaries of a PostgreSQL with TLS and pg_stat_statements."""
    found = with_tls()
    if found is None:
        pytest.skip("no PostgreSQL on the PATH, and the embedded one has no TLS")
    shared = run(
        [found / "pg_config", "--sharedir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not (Path(shared) / "extension" / "pg_stat_statements.control").exists():
        pytest.skip("the PostgreSQL on the PATH has no pg_stat_statements")
    return found


@pytest.fixture(scope="module")
def server(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL, but for the user, of a server that requires TLS and a password."""
    pem = certificates.generated(tmp_path_factory.mktemp("certificates"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with postgresql(
        binaries,
        "local all postgres trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
        f"port = {port}",
        "listen_addresses = '127.0.0.1'",
        "ssl = on",
        "ssl_key_file = 'server.crt'",
        PRELOAD,
        "pg_stat_statements.track = 'all'",
        files={"server.crt": pem},
    ) as folder:
        with psycopg.connect(
            host=str(folder), port=port, user="postgres", autocommit=True
        ) as connection:
            connection.execute('CREATE SCHEMA "Statistics"')
            connection.execute('GRANT USAGE ON SCHEMA "Statistics" TO PUBLIC')
            connection.execute(
                'CREATE EXTENSION pg_stat_statements SCHEMA "Statistics"'
            )
            connection.execute(f"CREATE ROLE \"App\" LOGIN PASSWORD '{PASSWORD}'")
            connection.execute(
                f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}' IN ROLE "
                "pg_read_all_stats"
            )
            for statement in STATEMENTS.split(";\n"):
                connection.execute(statement.encode())
        yield f"{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"


def test_statements_of_a_database(server: str) -> None:
    url = f"postgresql://reader:{server}"
    document = reported("--database", f"{url}?sslmode=require")
    assert document["problems"] == []
    calls = {row["digest"]: row["calls"] for row in document["pins"]}
    assert calls == {
        "set a.b = $1": 1,
        "listen jobs": 1,
        "select set_config($1, $2, $3)": 1,
    }


def test_hidden_statements_are_a_problem(server: str) -> None:
    ended = pinwatch("report", "--database", f"postgresql://App:{server}")
    assert ended.returncode == 2
    problem = re.sub(r"\d+ statements", "N statements", ended.stderr)
    assert problem.partition(": App ")[2] == (
        'may not read the text of N statements: run GRANT pg_read_all_stats TO "App".\n'
    )


def test_a_server_that_has_not_loaded_it(binaries: Path) -> None:
    with postgresql(
        binaries, "local all all trust\n", "listen_addresses = ''"
    ) as folder:
        with psycopg.connect(host=str(folder), user="postgres") as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        url = f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}"
        assert reported("--database", url)["problems"] == [
            f"{folder}/.s.PGSQL.5432: pg_stat_statements is not loaded: add it to "
            "shared_preload_libraries and restart the server."
        ]


def test_a_database_without_it(database: str, target: str) -> None:
    (problem,) = reported("--database", target)["problems"]
    assert problem.partition(": ")[2] == (
        f"The database {database} has no pg_stat_statements: run "
        "CREATE EXTENSION pg_stat_statements in it, or name another database."
    )


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (
            "postgresql://127.0.0.1:1/shop",
            "127.0.0.1:1: Connection refused.",
        ),
        (
            "mysql://127.0.0.1/shop",
            "--database must be a URL of the form "
            "postgresql://user:password@host:port/database.",
        ),
    ],
)
def test_a_database_that_cannot_be_read(url: str, problem: str) -> None:
    ended = pinwatch("report", "--database", url)
    assert (ended.returncode, ended.stderr) == (2, f"pinwatch: {problem}\n")


def test_a_server_that_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE)
        port = listening.getsockname()[1]
        accepting = Thread(target=lambda: listening.accept()[0].close())
        accepting.start()
        url = f"postgresql://127.0.0.1:{port}/shop"
        (problem,) = reported("--database", url)["problems"]
        accepting.join()
    assert problem == f"127.0.0.1:{port}: the server closed the connection."

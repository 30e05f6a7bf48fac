"""psql: the one of the embedded PostgreSQL, and the system's if there is one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from threading import Timer
from typing import IO, Final

import pytest

from tests.auth.servers import embedded
from tests.drivers.route import UNICODE, Route
from tests.harness import PATIENCE

EMBEDDED: Final = str(embedded(18) / "psql")
OPTIONS: Final = ("--no-psqlrc", "--quiet", "--no-align", "--tuples-only")
MARK: Final = "-- end of the answer --"


def programs() -> list[str]:
    return [program for program in (EMBEDDED, shutil.which("psql")) if program]


class Session:
    """A psql that runs one input after another."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin: IO[str] = process.stdin
        self.stdout: IO[str] = process.stdout

    def ask(self, *lines: str) -> list[str]:
        """Return the output of psql for these lines, including errors."""
        self.stdin.write("\n".join(lines) + f"\n\\echo {MARK}\n")
        self.stdin.flush()
        printed: list[str] = []
        for line in self.stdout:
            if line == f"{MARK}\n":
                return printed
            printed.append(line.removesuffix("\n"))
        raise EOFError(f"psql ended after {printed}")


@contextmanager
def psql(
    route: Route, program: str = EMBEDDED, **environment: str
) -> Iterator[Session]:
    process = subprocess.Popen(
        [program, *OPTIONS],
        env=os.environ | route.endpoint.environment() | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    deadline = Timer(PATIENCE, process.kill)
    deadline.start()
    with process:
        try:
            yield Session(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)
            deadline.cancel()


def run(route: Route, script: str) -> bytes:
    """Return the output of psql for a script; its first error ends it."""
    done = subprocess.run(
        [EMBEDDED, *OPTIONS, "--set=ON_ERROR_STOP=1"],
        env=os.environ | route.endpoint.environment(),
        input=script.encode(),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.mark.parametrize("program", programs())
def test_transactions(route: Route, program: str) -> None:
    move = "UPDATE account SET balance = balance + (2 * id - 3) * :amount;"
    server = "SELECT pg_backend_pid();"
    pids = []
    with psql(route, program) as session:
        for amount in (10, 20):
            (pid,) = session.ask(
                f"\\set amount {amount}", "BEGIN;", move, server, "COMMIT;"
            )
            pids.append(pid)
            route.swap()
        session.ask("BEGIN;", move)
        assert route.balances() == [70, 130]
        session.ask("ROLLBACK;")
        route.swap()
        assert session.ask("BEGIN;", move, "SELECT 1 / 0;", "SELECT 1;", "COMMIT;") == [
            "ERROR:  division by zero",
            "ERROR:  current transaction is aborted, commands ignored until end of"
            " transaction block",
        ]
        route.swap()
        session.ask("\\set amount 1", "BEGIN;", move, "COMMIT;")
    assert route.balances() == [69, 131]
    route.check_servers(pids)


def test_prepared_statements(route: Route) -> None:
    """The statements are those of the protocol, named and unnamed."""
    pids = []
    with psql(route) as session:
        session.ask("SELECT $1::int * 2, pg_backend_pid() \\parse double")
        for number in range(6):
            route.swap()
            (line,) = session.ask(f"\\bind_named double {number} \\g")
            doubled, _, pid = line.partition("|")
            assert doubled == str(number * 2)
            pids.append(pid)
            assert session.ask("SELECT $1 || $2 \\bind 'a b' c \\g") == ["a bc"]
        assert session.ask("SELECT 1 \\parse double") == [
            'ERROR:  prepared statement "double" already exists'
        ]
        route.swap()
        session.ask("\\close_prepared double")
        route.swap()
        assert session.ask("\\bind_named double 1 \\g") == [
            'ERROR:  prepared statement "double" does not exist'
        ]
    route.check_servers(pids)


def test_sql_prepare(route: Route) -> None:
    """PREPARE and EXECUTE, in one transaction."""
    with psql(route) as session:
        assert session.ask(
            "BEGIN;",
            "PREPARE double AS SELECT $1::int * 2;",
            "EXECUTE double (4);",
            "DEALLOCATE double;",
            "COMMIT;",
        ) == ["8"]


def test_pipeline(route: Route) -> None:
    with psql(route) as session:
        for _ in range(3):
            assert session.ask(
                "\\startpipeline",
                "SELECT $1 \\bind one \\sendpipeline",
                "SELECT $1::int / 0 \\bind 1 \\sendpipeline",
                "SELECT $1 \\bind skipped \\sendpipeline",
                "\\syncpipeline",
                "SELECT $1 \\bind two \\sendpipeline",
                "\\endpipeline",
            ) == [
                "one",
                "ERROR:  division by zero",
                "two",
            ]
            route.swap()


def test_copy(route: Route, tmp_path: Path) -> None:
    lines = "".join(f"{n}\tZoë {n} 🐘\t{n}\n" for n in range(3, 5003))
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text(lines, "utf-8")
    with psql(route) as session:
        session.ask(f"\\copy account FROM '{source}'")
        route.swap()
        answer = session.ask("COPY account FROM STDIN;", "1\tx\t1", "\\.")
        assert "violates unique constraint" in answer[0]
        route.swap()
        session.ask(
            f"\\copy (SELECT * FROM account WHERE id > 2 ORDER BY id) TO '{out}'"
        )
    assert out.read_text("utf-8") == lines


def test_big_value(route: Route) -> None:
    """50 MB as a literal, as a field of COPY, and back."""
    value = "0123456789abcdef" * 3_125_000
    digest = md5(value.encode()).hexdigest()
    run(route, f"CREATE TABLE big (value text);\nINSERT INTO big VALUES ('{value}');")
    route.swap()
    run(route, f"COPY big FROM STDIN;\n{value}\n\\.\n")
    route.swap()
    printed = run(route, "SELECT md5(value) FROM big;\nSELECT value FROM big LIMIT 1;")
    assert printed[:66].decode() == f"{digest}\n" * 2
    assert md5(printed[66:-1]).hexdigest() == digest


def test_unicode(route: Route) -> None:
    with psql(route, PGCLIENTENCODING="UTF8") as session:
        session.ask('CREATE TABLE "zażółć 🐘" ("名前" text);')
        session.ask("INSERT INTO \"zażółć 🐘\" VALUES ('e\u0301 \u200d 漢字');")
        route.swap()
        assert session.ask('SELECT "名前" FROM "zażółć 🐘";') == ["e\u0301 \u200d 漢字"]
        value = UNICODE.split("'")[0]
        assert session.ask(f"SELECT $1 \\bind '{value}' \\g") == [value]


def test_several_statements(route: Route) -> None:
    r"""\; puts several statements into one Query."""
    with psql(route) as session:
        assert session.ask(
            "UPDATE account SET balance = 1\\; SELECT 2\\; SELECT 3, 4;"
        ) == ["2", "3|4"]
        route.swap()
        assert session.ask(
            "UPDATE account SET balance = 2\\; SELECT 1 / 0\\; SELECT 1;"
        ) == ["ERROR:  division by zero"]
    assert route.balances() == [1, 1]


def test_notices(route: Route) -> None:
    with psql(route) as session:
        for number in range(3):
            text = f"DO $$ BEGIN RAISE NOTICE 'number {number}'; END $$;"
            assert session.ask(text) == [f"NOTICE:  number {number}"]
            route.swap()


def test_fetch_count(route: Route) -> None:
    with psql(route) as session:
        session.ask("\\set FETCH_COUNT 100")
        printed = session.ask("SELECT * FROM generate_series(1, 1050);")
    assert printed == [str(number) for number in range(1, 1051)]


def test_catalogue(route: Route) -> None:
    with psql(route) as session:
        assert session.ask("\\di") == ["public|account_pkey|index|postgres|account"]
        route.swap()
        assert route.endpoint.database in "\n".join(session.ask("\\l", "\\conninfo"))


def test_startup_parameters(route: Route) -> None:
    pids = []
    with psql(route, PGTZ="Asia/Tokyo", PGDATESTYLE="SQL, DMY") as session:
        for _ in range(4):
            pid, when = session.ask(
                "SELECT pg_backend_pid();", "SELECT timestamptz '2026-02-03 00:00+00';"
            )
            assert when == "03/02/2026 09:00:00 JST"
            assert session.ask("SHOW application_name;") == ["psql"]
            pids.append(pid)
            route.swap()
    route.check_servers(pids)

"""The cost of the pytest plugin: a suite of small tests, with and without it.

Run it with `python -m bench.fixture`. Each turn runs the same generated suite directly
and with --pinwatch, one after the other, in processes of their own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from bench.server import DATABASE, running

CONFTEST: Final = """
import os, psycopg, pytest

@pytest.fixture(scope="session")
def dsn(request):
    direct = os.environ.get("DIRECT")
    return direct or request.getfixturevalue("pinwatch_proxy").dsn

@pytest.fixture
def connection(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
"""
TEST: Final = """
def test_{n}(connection):
    connection.execute("CREATE TABLE t{n} (id int PRIMARY KEY, name text)")
    with connection.transaction():
        for number in range(5):
            connection.execute("INSERT INTO t{n} VALUES (%s, 'x')", [number])
    assert connection.execute("SELECT count(*) FROM t{n}").fetchone() == (5,)
    connection.execute("DROP TABLE t{n}")
"""
SECONDS: Final = re.compile(r"(\d+) passed in ([\d.]+)s")


def main(
    tests: Annotated[int, typer.Option(help="Number of tests in the suite.")] = 200,
    rounds: Annotated[int, typer.Option(help="Number of turns.")] = 5,
) -> None:
    """Print both durations that pytest reports, and the slowdown."""
    with TemporaryDirectory(prefix="pinwatch-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        suite = folder / "suite"
        suite.mkdir()
        (suite / "conftest.py").write_text(CONFTEST)
        cases = (TEST.format(n=number) for number in range(tests))
        (suite / "test_small.py").write_text("".join(cases))
        with running(folder) as server:
            url = f"postgresql://postgres@127.0.0.1:{server.port}/{DATABASE}"
            turns = [
                (_seconds(suite, {"DIRECT": url}), _seconds(suite, {}, url))
                for _ in range(rounds)
            ]
    direct, watched = (median(times) for times in zip(*turns, strict=True))
    slowdown = 100 * (watched / direct - 1)
    print(f"{tests} tests, {rounds} rounds, medians by pytest's own clock:")
    print(f"direct {direct:.2f} s, with --pinwatch {watched:.2f} s: {slowdown:+.1f} %")


def _seconds(
    suite: Path, variables: dict[str, str], target: str | None = None
) -> float:
    watched = [] if target is None else ["--pinwatch", f"--pinwatch-target={target}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *watched],
        cwd=suite,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    found = SECONDS.search(done.stdout)
    if found is None or done.returncode:
        sys.exit(done.stdout + done.stderr)
    return float(found[2])


if __name__ == "__main__":
    typer.run(main)

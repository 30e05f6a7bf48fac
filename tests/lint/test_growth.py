"""The cost of linting grows with the input and no faster.

It is counted in calls, and in the characters that methods of strings read: one call in
C may read a whole file.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from pinwatch.cli.formats import Contested
from pinwatch.cli.lint_findings import Linted
from pinwatch.cli.lint_verdict import verdicts
from pinwatch.lint.sources import read
from pinwatch.reports.known import KnownFindings
from pinwatch.reports.result import Place
from tests.reports.results import RESULT
from tests.test_cost import calls

SMALL: Final = 100
READ_ALL: Final = {"count", "encode", "replace", "split", "splitlines", "translate"}
"""Methods of a string that read all of it; others stop, or have a range."""
SOURCES: Final[dict[str, tuple[str, Callable[[int], str]]]] = {
    "statements": ("a.sql", lambda n: "-- pinwatch: allow set\nSET a = 1;\n" * n),
    "bodies": (
        "a.sql",
        lambda n: "DO $$ BEGIN\nSET a.b = 1;\nLISTEN x;\nEND $$;\n" * n,
    ),
    "one body in SQL": (
        "a.sql",
        lambda n: (
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$\n"
            + "".join(f"LISTEN x{i};\n" for i in range(n))
            + "$$;\n"
        ),
    ),
    "one body in PL/pgSQL": (
        "a.sql",
        lambda n: (
            "DO $$ BEGIN\n" + "".join(f"LISTEN x{i};\n" for i in range(n)) + "END $$;\n"
        ),
    ),
    "one atomic body": (
        "a.sql",
        lambda n: (
            "CREATE PROCEDURE p() BEGIN ATOMIC\n"
            + "".join(f"SELECT set_config('a.b{i}', 'c', false);\n" for i in range(n))
            + "END;\n"
        ),
    ),
    "rows": ("a.sql", lambda n: "COPY a FROM stdin;\n" + "SET a = 1;\n" * n + "\\.\n"),
    "placeholders": ("a.sql", lambda n: "SELECT " + "${a}, {{ b }}, " * n + "1;\n"),
    "strings": ("a.py", lambda n: "c.execute('SET a = 1')\n" * n),
    "one string": (
        "a.py",
        lambda n: "c.execute('''" + "SET a = '\\x31';\n" * n + "''')\n",
    ),
    "one string with comments": (
        "a.py",
        lambda n: (
            "# pinwatch: allow listen\n" * n
            + f"c.execute('''{'SET a = 1;' * n}{chr(10) * n}''')\n"
        ),
    ),
    "names": (
        "a.py",
        lambda n: "".join(f"Q{i} = 'SET a = {i}'\nc.execute(Q{i})\n" for i in range(n)),
    ),
    "one name": ("a.py", lambda n: "q = 'SET a = 1'\nc.execute(q)\n" * n),
    "choices": (
        "a.py",
        lambda n: (
            "q0 = 'SET a = 1'\n"
            + "".join(f"q{i + 1} = q{i} if x else q{i}\n" for i in range(n))
            + f"c.execute(q{n})\n"
        ),
    ),
    "functions": (
        "a.py",
        lambda n: "".join(
            f"def f{i}(c):\n    q = 'SET a = {i}'\n    c.execute(q)\n" for i in range(n)
        ),
    ),
}


def assert_linear(cost: Callable[[int], int]) -> None:
    assert cost(4 * SMALL) < 5 * cost(SMALL)  # numbers in the input get longer


def characters(action: Callable[[], None]) -> int:
    """Return the number of characters that action's calls of READ_ALL read.

    A first run is not counted.
    """
    count = 0

    def note(_frame: Any, event: str, method: Any) -> None:
        nonlocal count
        if event == "c_call" and method.__name__ in READ_ALL:
            text = method.__self__
            count += len(text) if isinstance(text, str) else 0

    action()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("counted", [calls, characters])
@pytest.mark.parametrize(("name", "text"), SOURCES.values(), ids=SOURCES)
def test_a_file(
    name: str,
    text: Callable[[int], str],
    counted: Callable[[Callable[[], None]], int],
) -> None:
    def cost(n: int) -> int:
        data = text(n).encode()
        return counted(lambda: Linted(Contested.REPORT).add(read(name, data)))

    assert_linear(cost)


def test_a_folder(tmp_path: Path) -> None:
    """The verdicts on migrations and the baseline are included."""

    def lint(n: int) -> None:
        linted = Linted(Contested.REPORT)
        for number in range(n):
            linted.add(read(f"migrations/V{number}__x.sql", b"SET a = 1;"))
        known = KnownFindings(tmp_path).updated(linted.results, linted.files)
        results = known.marked(linted.results)
        known.gone(results, linted.files)
        list(verdicts(linted.migrations, results))

    assert_linear(lambda n: calls(lambda: lint(n)))


def test_a_file_that_has_one_statement_often(tmp_path: Path) -> None:
    def cost(n: int) -> int:
        results = [replace(RESULT, places=(Place("a.sql", line),)) for line in range(n)]
        known = KnownFindings(tmp_path).updated(results, ["a.sql"])

        def compare() -> None:
            known.marked(results)
            known.gone(results, ["a.sql"])

        return calls(compare)

    assert_linear(cost)

"""The applications in examples/: the pinned test of each fails, at its line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testing.conftest import Run

EXAMPLES = Path(__file__).parents[2] / "examples"
SQLALCHEMY = "set: shop/orders.py:* in revenue_with_more_memory"
DJANGO = "advisory_lock: shop/orders.py:* in place_in_turn"


@pytest.fixture
def example(pytester: pytest.Pytester) -> Callable[[str], None]:
    def copy(name: str) -> None:
        shutil.copytree(EXAMPLES / name, pytester.path, dirs_exist_ok=True)

    return copy


@pytest.mark.parametrize(
    ("name", "line", "statement"),
    [
        ("sqlalchemy", SQLALCHEMY, "session.execute(text("),
        ("django", DJANGO, 'cursor.execute("SELECT pg_advisory_lock(%s)", [42])'),
    ],
)
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["", "xdist"])
def test_one_of_its_tests_is_clean_and_one_pins(
    example: Callable[[str], None],
    run: Run,
    name: str,
    line: str,
    statement: str,
    workers: tuple[str, ...],
) -> None:
    example(name)
    result = run("--pinwatch", "-W", "error", *workers, every=True)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([line])
    assert f"orders.py:{_line(name, statement)} in" in result.stdout.str()


@pytest.mark.parametrize("name", ["sqlalchemy", "django"])
def test_without_the_option_both_pass(
    example: Callable[[str], None], run: Run, name: str
) -> None:
    example(name)
    run("-W", "error", every=True).assert_outcomes(passed=2)


def _line(name: str, statement: str) -> int:
    lines = (EXAMPLES / name / "shop" / "orders.py").read_text().splitlines()
    (number,) = [n for n, text in enumerate(lines, 1) if statement in text]
    return number

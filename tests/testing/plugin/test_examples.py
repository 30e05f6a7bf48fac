"""The applications in examples/: one test of each pins and fails, at its line.

That of tenants pins nothing: its tests are of isolation.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testing.conftest import Run

EXAMPLES = Path(__file__).parents[3] / "examples"
SQLALCHEMY = "set: shop/orders.py:* in revenue_with_more_memory"
DJANGO = "advisory_lock: shop/orders.py:* in place_in_turn"
FASTAPI = "temp_object: shop/orders.py:* in import_all"
LAMBDA = "set: shop/functions.py:* in revenue_in_time"
CLEAN = {"sqlalchemy": 1, "django": 2, "fastapi": 2, "lambda": 2}
"""Numbers of tests that do not pin."""


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
        ("fastapi", FASTAPI, '"CREATE TEMP TABLE imported'),
        ("lambda", LAMBDA, "SET statement_timeout"),
    ],
    ids=lambda value: value if value in CLEAN else "",
)
def test_one_of_its_tests_pins(
    example: Callable[[str], None],
    run: Run,
    name: str,
    line: str,
    statement: str,
) -> None:
    example(name)
    result = run("--pinwatch", "-W", "error", every=True)
    result.assert_outcomes(passed=CLEAN[name], failed=1)
    result.stdout.fnmatch_lines([line])
    file = line.split()[1].partition(":")[0]
    number = _line(EXAMPLES / name / file, statement)
    assert f"{file}:{number} in" in result.stdout.str()


def test_with_xdist(example: Callable[[str], None], run: Run) -> None:
    example("django")
    result = run("--pinwatch", "-W", "error", "-n", "1", every=True)
    result.assert_outcomes(passed=CLEAN["django"], failed=1)
    result.stdout.fnmatch_lines([DJANGO])


@pytest.mark.parametrize("name", CLEAN)
def test_without_the_option_all_pass(
    example: Callable[[str], None], run: Run, name: str
) -> None:
    example(name)
    run("-W", "error", every=True).assert_outcomes(passed=CLEAN[name] + 1)


def test_asyncpg_s_own_reset_pins_every_test_of_the_fastapi_example(
    example: Callable[[str], None], run: Run, pytester: pytest.Pytester
) -> None:
    example("fastapi")
    app = pytester.path / "shop" / "app.py"
    app.write_text(app.read_text().replace(" reset=keep,", ""))
    result = run("--pinwatch", every=True)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["reset: shop/app.py:* in connected*"])


def test_tenants_are_isolated_on_one_connection(
    example: Callable[[str], None], run: Run
) -> None:
    example("tenants")
    result = run("--pinwatch", "--pinwatch-swap", "-W", "error", every=True)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["no pins"])


def test_with_false_in_its_function_a_tenant_leaks(
    example: Callable[[str], None], run: Run, pytester: pytest.Pytester
) -> None:
    """Tests of isolation fail, and one that only serves tenants, by the leak itself."""
    example("tenants")
    schema = pytester.path / "shop" / "schema.sql"
    schema.write_text(schema.read_text().replace("tenant, true)", "tenant, false)"))
    result = run("--pinwatch", "--pinwatch-swap", every=True)
    result.assert_outcomes(passed=2, failed=3)
    number = _line(EXAMPLES / "tenants" / "shop" / "database.py", "connection.execute(")
    result.stdout.fnmatch_lines([f"hidden_state: shop/database.py:{number} in *"])
    failed = "FAILED tests/test_isolation.py::test_"
    for name in (
        "each_tenant_sees_its_own_orders - Failed*",
        "the_next_client_has_no_tenant - assert*",
        "a_tenant_is_lost_outside_a_transaction*",
    ):
        result.stdout.fnmatch_lines([f"{failed}{name}"])


def _line(file: Path, statement: str) -> int:
    lines = file.read_text().splitlines()
    (number,) = [n for n, text in enumerate(lines, 1) if statement in text]
    return number

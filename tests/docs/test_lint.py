"""docs/lint.md is right about settings, tools and verdicts."""

import re
from pathlib import Path

from pinwatch.cli.formats import Leaks
from pinwatch.cli.lint_verdict import PAST, THROUGH
from pinwatch.config.load import load_lint
from pinwatch.config.model import LintSettings
from pinwatch.hidden.bodies import read_body
from pinwatch.hidden.wording import reason
from pinwatch.lint.migrations import TOOLS

PAGE = (Path(__file__).parents[2] / "docs" / "lint.md").read_text()
WORDS = " ".join(PAGE.split())


def test_the_example_of_settings_has_each_of_them(tmp_path: Path) -> None:
    file = tmp_path / "pinwatch.toml"
    file.write_text(PAGE.partition("```toml\n")[2].partition("```")[0])
    assert load_lint(file).model_fields_set == set(LintSettings.model_fields)


def test_what_tools_send_is_named() -> None:
    for tool in TOOLS:
        assert tool.name in WORDS
        assert f"`{tool.pins_by}`" in WORDS or not tool.pins_by


def test_the_verdicts_are_worded_so() -> None:
    past = re.escape(PAST).replace(r"\{\}", ".+")
    assert re.search(rf"^db/migration/V7__orders.sql: {past}$", PAGE, re.MULTILINE)
    assert f": {THROUGH.format('')}\n" in PAGE


def test_the_example_of_hidden_state_is_worded_so() -> None:
    (left,) = read_body(
        "CREATE FUNCTION app.set_tenant(t text) RETURNS void LANGUAGE sql "
        "AS $$ SELECT set_config('app.tenant', t, false) $$"
    ).left
    assert f"  {left.sql}\n  {reason(left, left.code)}\n" in PAGE
    assert f"`--leaks {Leaks.FAIL}`" in WORDS

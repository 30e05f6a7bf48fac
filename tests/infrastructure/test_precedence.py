from pathlib import Path
from typing import Any

import pytest

from pinwatch.infrastructure.precedence import beneath

FOUND: dict[str, Any] = {
    "require_tls": True,
    "auth": [{"secret_arn": "app"}],
    "connection_pool": {
        "max_connections_percent": 90,
        "connection_borrow_timeout": 30,
    },
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pinwatch.toml"


def test_where_nothing_else_is_given_all_is_left() -> None:
    assert beneath(FOUND, {"listen": "[::1]:0"}, None) == (FOUND, {})


def test_an_option_wins() -> None:
    left, winners = beneath(FOUND, {"require_tls": False}, None)
    assert "require_tls" not in left
    assert winners == {"require_tls": "--require-tls"}


@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_a_variable_wins(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = case("PINWATCH_CONNECTION_POOL__MAX_CONNECTIONS_PERCENT")
    monkeypatch.setenv(variable, "5")
    left, winners = beneath(FOUND, {}, None)
    assert left["connection_pool"] == {"connection_borrow_timeout": 30}
    assert winners == {"connection_pool.max_connections_percent": variable}


def test_an_empty_variable_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINWATCH_REQUIRE_TLS", "")
    assert beneath(FOUND, {}, None).settings == FOUND


def test_the_file_wins_setting_by_setting(file: Path) -> None:
    file.write_text(
        "require_tls = false\n"
        "connection_pool.connection_borrow_timeout = 1\n"
        'auth = [{secret_arn = "mine"}]'
    )
    left, winners = beneath(FOUND, {}, file)
    assert left == {"connection_pool": {"max_connections_percent": 90}}
    assert winners == {
        "require_tls": str(file),
        "auth": str(file),
        "connection_pool.connection_borrow_timeout": str(file),
    }


@pytest.mark.parametrize("text", [None, "require_tls = ", "connection_pool = 1"])
def test_a_wrong_file_is_ignored_here(text: str | None, file: Path) -> None:
    if text is not None:
        file.write_text(text)
    assert beneath(FOUND, {}, file).settings == FOUND

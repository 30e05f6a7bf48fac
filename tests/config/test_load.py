import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pinwatch.config.load import load, load_lint
from pinwatch.config.model import Address, Settings
from pinwatch.errors import SettingError

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("PINWATCH_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(toml: str) -> Path:
        file = tmp_path / "pinwatch.toml"
        file.write_text(toml)
        return file

    return write


def refusal(given: dict[str, Any], file: Path | None = None) -> str:
    with pytest.raises(SettingError) as raised:
        load(given, file)
    return str(raised.value)


def test_without_any_source_they_are_the_defaults() -> None:
    assert load({}) == Settings()


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    file = write('listen = "[::1]:1"\nhttp = "[::1]:2"\nshutdown_grace = 3')
    monkeypatch.setenv("PINWATCH_LISTEN", "[::1]:4")
    monkeypatch.setenv("PINWATCH_HTTP", "[::1]:5")

    settings = load({"listen": "[::1]:6"}, file)

    assert settings.listen == Address("::1", 6)
    assert settings.http == Address("::1", 5)
    assert settings.shutdown_grace == 3


def test_a_table_is_put_together_from_all_sources(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    monkeypatch.setenv("PINWATCH_CONNECTION_POOL__MAX_CONNECTIONS_PERCENT", "40")
    file = write("[connection_pool]\nconnection_borrow_timeout = 1.5")

    pool = load({}, file).connection_pool

    assert pool.max_connections_percent == 40
    assert pool.connection_borrow_timeout == 1.5


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINWATCH_TARGET", "")
    assert load({}).target is None


def test_http_can_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINWATCH_HTTP", "off")
    assert load({}).http is None


ADDRESS = "HOST:PORT, such as 127.0.0.1:6432 or [::1]:6432, with a port from 0 to 65535"


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        (
            "connection_pool.max_connections_percent = 0",
            "connection_pool.max_connections_percent is 0, but must be a whole number "
            "from 1 to 100.",
        ),
        (
            'connection_pool.max_connections_percent = "most"',
            "connection_pool.max_connections_percent is most, but must be a whole "
            "number from 1 to 100.",
        ),
        (
            "connection_pool.connection_borrow_timeout = 300.5",
            "connection_pool.connection_borrow_timeout is 300.5, but must be a number "
            "from 0 to 300.",
        ),
        ("connection_pool = true", "connection_pool is true, but must be a table."),
        (
            "max_connections = 0",
            "max_connections is 0, but must be a whole number of at least 1.",
        ),
        (
            "authentication_timeout = 0",
            "authentication_timeout is 0, but must be a number greater than 0.",
        ),
        (
            "shutdown_grace = inf",
            "shutdown_grace is Infinity, but must be a number of at least 0.",
        ),
        ('cancel = "on"', "cancel is on, but must be ignore or forward."),
        ('debug_logging = "?"', "debug_logging is ?, but must be true or false."),
        (
            'log_level = ""',
            'log_level is "", but must be debug, info, warning or error.',
        ),
        ("target = 5", "target is 5, but must be text."),
        (
            "state_folder = 2001-01-01",
            'state_folder is "2001-01-01", but must be a path.',
        ),
        ('listen = "6432"', f"listen is 6432, but must be {ADDRESS}."),
        ("listen = [1]", f"listen must be {ADDRESS}."),
        ('http = "no"', f"http is no, but must be off or {ADDRESS}."),
        (
            'listen = "0.0.0.0:1"',
            "listen is 0.0.0.0:1, but must be a loopback address unless there "
            "is an [[auth]] entry or insecure_trust is on, because clients need no "
            "password.",
        ),
        (
            'auth = [{username = "ann"}]',
            "auth[0]: username and password go together.",
        ),
        (
            'auth = [{username = "", password = "s"}]',
            'auth[0].username is "", but must be text of 1 to 128 characters.',
        ),
        (
            'auth = [{username = "ann", password = 1234}]',
            "auth[0].password must be text.",
        ),
        (
            'auth = [{secret_arn = "arn:x"}]',
            "auth[0].secret_arn is arn:x, but must be a secret's ARN or name.",
        ),
        (
            'iam.access_keys = [{secret_access_key = "s"}]',
            "iam.access_keys[0].access_key_id must be text.",
        ),
        ('auth = "ann:s3cret"', "auth must be a list."),
        ('tls.names = "db"', "tls.names is db, but must be a list."),
        ("pool = 1", "pool is not a setting."),
        ("listne = 1", "listne is not a setting: did you mean listen?"),
        (
            "max_connections_percent = 1",
            "max_connections_percent is not a setting: did you mean "
            "connection_pool.max_connections_percent?",
        ),
        (
            "connection_pool.ConnectionBorrowTimeout = 1",
            "connection_pool.ConnectionBorrowTimeout is not a setting: did you mean "
            "connection_pool.connection_borrow_timeout?",
        ),
    ],
)
def test_a_wrong_setting_is_told_in_one_sentence(
    toml: str, sentence: str, write: Write
) -> None:
    assert refusal({}, write(toml)) == sentence


def test_the_command_line_is_checked_alike() -> None:
    assert refusal({"max_connections": "x"}) == (
        "max_connections is x, but must be a whole number of at least 1."
    )


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINWATCH_CONNECTION_POOL__BORROW_TIMEOUT", "5")
    assert refusal({}) == (
        "PINWATCH_CONNECTION_POOL__BORROW_TIMEOUT is not a setting: did you mean "
        "PINWATCH_CONNECTION_POOL__CONNECTION_BORROW_TIMEOUT?"
    )


LISTS = {
    "PINWATCH_AUTH": '[{"username": "ann", "password": "s3cret"}]',
    "PINWATCH_TARGETS": '[{"name": "a", "url": "postgresql://ann:s3cret@db/app"}]',
    "PINWATCH_TLS__NAMES": '["db", "10.0.0.1"]',
}


def test_lists_are_json_in_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in LISTS.items():
        monkeypatch.setenv(variable, value)
    read = load({})
    assert [(one.username, one.iam_auth) for one in read.auth] == [("ann", "DISABLED")]
    assert [one.name for one in read.targets] == ["a"]
    assert read.tls.names == ("db", "10.0.0.1")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("AUTH", "ann:s3cret", "PINWATCH_AUTH must be a list, as JSON."),
        ("AUTH", '"ann:s3cret"', "PINWATCH_AUTH must be a list, as JSON."),
        ("AUTH", '[{"password": "s3cret"', "PINWATCH_AUTH must be a list, as JSON."),
        ("AUTH", "[" * 100_000, "PINWATCH_AUTH must be a list, as JSON."),
        ("AUTH", '{"password": "s3cret"}', "PINWATCH_AUTH must be a list, as JSON."),
        ("AUTH", '["s3cret"]', "auth[0] must be a table."),
        ("TLS__NAMES", "db", "PINWATCH_TLS__NAMES must be a list, as JSON."),
        ("TLS__NAMES", "[1]", "tls.names[0] is 1, but must be text."),
        ("IAM", "s3cret", "iam must be a table."),
    ],
)
def test_a_variable_that_is_no_list_is_told_without_its_value(
    variable: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PINWATCH_{variable}", value)
    assert refusal({}) == sentence


def test_the_variables_of_kubernetes_are_not_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PINWATCH_PORT", "tcp://10.0.0.11:6432")
    monkeypatch.setenv("PINWATCH_SERVICE_HOST", "10.0.0.11")
    assert load({}) == Settings()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "none.toml"
    assert refusal({}, file) == f"Cannot read {file}: No such file or directory."


def test_a_file_that_is_not_toml_is_told(write: Write) -> None:
    file = write("listen = ")
    assert refusal({}, file) == (
        f"{file} is not valid TOML: Invalid value (at end of document)."
    )


def test_pinwatch_up_reads_a_file_with_the_table_lint(write: Write) -> None:
    file = write('listen = "[::1]:1"\n[lint.allow]\n"db/" = ["set"]')
    assert load({}, file).listen == Address("::1", 1)
    assert load({}, file).lint == load_lint(file)


def test_the_settings_of_the_proxy_are_not_those_of_lint(write: Write) -> None:
    file = write('listen = "0.0.0.0:1"\n[lint]\npaths = ["db"]')
    assert load_lint(file).paths == ("db",)

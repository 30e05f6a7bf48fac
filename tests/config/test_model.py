from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from pinwatch.config.model import Address, ConnectionPool, Settings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:6432", Address("127.0.0.1", 6432)),
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:65535", Address("::1", 65535)),
    ],
)
def test_an_address_is_what_its_text_says(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        ":6432",
        "host:",
        "host:x",
        "host:-1",
        "host:65536",
        "host:٣",
        "::1:6432",
        "[host]:1",
        "[]:1",
        "[::1:1",
        "::1]:1",
    ],
)
def test_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT, such as"):
        Address.parse(text)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_any_address_is_read_as_it_is_written(ip: object, port: int) -> None:
    address = Address(str(ip), port)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("db.example.com", False),
    ],
)
def test_only_the_own_machine_is_loopback(host: str, loopback: bool) -> None:
    assert Address(host, 1).is_loopback is loopback


def test_the_defaults_are_those_of_the_api_and_of_the_manual() -> None:
    settings = Settings()
    assert settings.target is None
    assert str(settings.listen) == "127.0.0.1:6432"
    assert str(settings.http) == "127.0.0.1:9632"
    assert settings.max_connections is None
    assert settings.connection_pool.max_connections_percent == 100
    assert settings.connection_pool.connection_borrow_timeout == 120
    assert settings.cancel == "ignore"
    assert not settings.debug_logging


def test_addresses_are_written_as_they_are_read() -> None:
    settings = Settings(listen=Address("::1", 0), http=None)
    dumped = settings.model_dump()
    assert (dumped["listen"], dumped["http"]) == ("[::1]:0", "off")
    assert Settings.model_validate(dumped) == settings


def test_a_target_with_its_password_is_not_shown() -> None:
    assert "s3cret" not in repr(Settings(target="postgresql://me:s3cret@db"))


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().cancel = "forward"


@pytest.mark.parametrize("percent", [1, 100])
def test_the_percentage_has_the_range_of_the_api(percent: int) -> None:
    pool = ConnectionPool(max_connections_percent=percent)
    assert pool.max_connections_percent == percent


@pytest.mark.parametrize("seconds", [0, 300])
def test_the_borrow_timeout_has_the_range_of_the_api(seconds: int) -> None:
    pool = ConnectionPool(connection_borrow_timeout=seconds)
    assert pool.connection_borrow_timeout == seconds


def test_other_machines_are_let_in_only_where_that_is_said() -> None:
    everywhere = Address("0.0.0.0", 6432)
    with pytest.raises(ValidationError, match="must be a loopback address"):
        Settings(listen=everywhere)
    assert Settings(listen=everywhere, insecure_trust=True).listen == everywhere


class TestHttpSide:
    def test_other_machines_need_the_token(self) -> None:
        everywhere = Address("0.0.0.0", 9632)
        with pytest.raises(ValidationError, match="unless http_token is set"):
            Settings(http=everywhere, insecure_trust=True)
        assert Settings(http=everywhere, http_token=SecretStr("x")).http == everywhere

    def test_a_loopback_address_and_none_do_not(self) -> None:
        assert Settings(http=Address("::1", 9632)).http_token is None
        assert Settings(http=None).http_token is None

    def test_the_token_is_not_shown(self) -> None:
        settings = Settings(http_token=SecretStr("s3cret"))
        assert "s3cret" not in repr(settings)
        assert "s3cret" not in settings.model_dump_json()


class TestStateFolder:
    def test_is_where_xdg_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
        assert Settings().state_folder == Path("/somewhere/pinwatch")

    def test_is_in_the_home_of_a_user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        monkeypatch.setenv("HOME", "/home/ann")
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        assert Settings().state_folder == Path("/home/ann/.local/state/pinwatch")

    def test_is_not_in_the_home_of_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        monkeypatch.setattr("os.geteuid", lambda: 0)
        assert Settings().state_folder == Path("/var/lib/pinwatch")

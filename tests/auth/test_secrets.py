"""Files, and Secrets Manager over HTTP as moto serves it."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from errno import EACCES
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pinwatch.auth.secrets import (
    RETRY_INTERVAL,
    Files,
    Given,
    ManagedSecret,
    Secret,
    SecretsManager,
    Unreadable,
)
from pinwatch.extras import AWS, install_command

SECRET = Secret("ann", "s3cret")
TEXT = json.dumps({"username": "ann", "password": "s3cret"})
NOT_A_SECRET = "it is not JSON with username and password"


def test_given() -> None:
    source = Given(SECRET)
    assert source.stale()
    assert source.read() == [SECRET]
    assert not source.stale()


class TestFiles:
    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"s3cret",
            b"\xff",
            b"[]",
            b"{}",
            b'{"username": "ann"}',
            b'{"username": "ann", "password": ""}',
            b'{"username": "", "password": "s3cret"}',
            b'{"username": "ann", "password": 1}',
            b'{"username": "ann", "password": "\\ud83d"}',
            b'{"Username": "ann", "Password": "s3cret"}',
        ],
    )
    def test_what_is_no_secret(self, tmp_path: Path, text: bytes) -> None:
        path = tmp_path / "secret"
        path.write_bytes(text)
        assert Files(path).read() == [Unreadable(str(path), NOT_A_SECRET)]

    def test_keys_that_are_ignored(self, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        path.write_text(
            '{"engine": "postgres", "host": "db", "port": 5432, "dbname": "app", '
            '"username": "ann", "password": "s3cret"}'
        )
        assert Files(path).read() == [SECRET]

    def test_one_that_is_broken_spoils_no_other(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text("{")
        (tmp_path / "b.json").write_text(TEXT)
        (tmp_path / ".hidden").write_text("{")
        (tmp_path / "folder").mkdir()
        assert Files(tmp_path).read() == [
            Unreadable(str(tmp_path / "a.json"), NOT_A_SECRET),
            SECRET,
            Unreadable(str(tmp_path / "folder"), "Is a directory"),
        ]

    def test_a_folder_that_is_shut(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def shut(path: Path) -> Iterator[Path]:
            raise PermissionError(EACCES, "Permission denied", str(path))

        monkeypatch.setattr(Path, "iterdir", shut)
        source = Files(tmp_path)
        assert source.stale()
        assert source.read() == [Unreadable(str(tmp_path), "Permission denied")]
        assert not source.stale()

    def test_stale_after_each_change_and_no_other_time(self, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        source = Files(path)
        changes: list[Callable[[], object]] = [
            lambda: None,
            lambda: path.write_text("{}"),
            lambda: path.write_text(TEXT),
            path.unlink,
        ]
        for change in changes:
            change()
            assert source.stale()
            source.read()
            assert not source.stale()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.usefixtures("aws")
class TestSecretsManager:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def manager(self, endpoint: str, clock: Clock) -> SecretsManager:
        return SecretsManager(endpoint, "eu-west-1", 60, clock)

    @pytest.fixture
    def arn(self, endpoint: str) -> Iterator[str]:
        """A secret in a region that is not the manager's."""
        aws = boto3.client("secretsmanager", "us-east-2", endpoint_url=endpoint)
        arn: str = aws.create_secret(Name="ann", SecretString=TEXT)["ARN"]
        yield arn
        aws.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        aws.close()

    def test_by_arn(self, manager: SecretsManager, arn: str) -> None:
        assert manager.get(arn) == SECRET

    def test_by_name(self, endpoint: str, arn: str) -> None:
        assert SecretsManager(endpoint, "us-east-2").get("ann") == SECRET

    def test_one_that_is_not_there(self, manager: SecretsManager) -> None:
        found = manager.get("nobody")
        assert isinstance(found, Unreadable)
        assert "ResourceNotFoundException" in found.reason
        assert not found.reason.endswith(".")

    def test_one_that_is_no_string(
        self, manager: SecretsManager, endpoint: str
    ) -> None:
        aws = boto3.client("secretsmanager", "eu-west-1", endpoint_url=endpoint)
        aws.create_secret(Name="binary", SecretBinary=b"{}")
        aws.close()
        assert manager.get("binary") == Unreadable("binary", NOT_A_SECRET)

    def test_an_endpoint_that_does_not_answer(self) -> None:
        found = SecretsManager("http://127.0.0.1:1", "eu-west-1").get("ann")
        assert isinstance(found, Unreadable)
        assert "Could not connect" in found.reason

    def test_an_endpoint_that_is_none(self) -> None:
        found = SecretsManager("nonsense", "eu-west-1").get("ann")
        assert found == Unreadable("ann", "Invalid endpoint: nonsense")

    def test_no_region(self) -> None:
        found = SecretsManager().get("ann")
        assert found == Unreadable("ann", "You must specify a region")

    def test_no_boto3(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3", None)
        found = SecretsManager().get("ann")
        hint = f"install it by {install_command(AWS)}"
        assert found == Unreadable("ann", f"boto3 is missing: {hint}")

    def test_nothing_secret_is_logged(
        self, manager: SecretsManager, arn: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            assert manager.get(arn) == SECRET
        assert "GetSecretValue" in caplog.text
        assert "s3cret" not in caplog.text

    def test_it_is_read_again_after_the_interval(
        self, manager: SecretsManager, clock: Clock, arn: str, endpoint: str
    ) -> None:
        source = ManagedSecret(manager, arn)
        assert source.stale()
        assert source.read() == [SECRET]
        aws = boto3.client("secretsmanager", "us-east-2", endpoint_url=endpoint)
        aws.put_secret_value(SecretId=arn, SecretString=TEXT.replace("s3cret", "new"))
        aws.close()
        clock.now += 59
        assert not source.stale()
        clock.now += 1
        assert source.stale()
        assert source.read() == [Secret("ann", "new")]
        assert not source.stale()

    def test_after_a_failure_it_is_tried_again_soon(
        self, manager: SecretsManager, clock: Clock
    ) -> None:
        source = ManagedSecret(manager, "nobody")
        assert isinstance(source.read()[0], Unreadable)
        assert not source.stale()
        clock.now += RETRY_INTERVAL
        assert source.stale()

    def test_one_login_waits_not_all_that_come_meanwhile(
        self, manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = ManagedSecret(manager, "ann")
        meanwhile = []

        def get(secret_id: str) -> Secret:
            meanwhile.append(source.stale())
            return SECRET

        monkeypatch.setattr(manager, "get", get)
        assert source.stale()
        assert source.read() == [SECRET]
        assert meanwhile == [False]

"""Secrets in Secrets Manager, as moto serves it over HTTP, read again on SIGHUP."""

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from tests.cli.command import Up, pinwatch_up
from tests.harness import Postgres, eventually


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def manager(endpoint: str) -> Any:
    return boto3.client(
        "secretsmanager",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def secret(password: str) -> str:
    return json.dumps({"username": "postgres", "password": password})


@pytest.fixture
def up(postgres: Postgres, endpoint: str, manager: Any, tmp_path: Path) -> Iterator[Up]:
    manager.create_secret(Name="app", SecretString=secret("old"))
    config = tmp_path / "pinwatch.toml"
    config.write_text(f"""
target = "{postgres.endpoint("postgres").url()}"
[[auth]]
secret_arn = "app"
[secrets_manager]
endpoint_url = "{endpoint}"
region = "eu-central-1"
refresh_interval = 86400
""")
    log = tmp_path / "log"
    with pinwatch_up(
        log,
        "--config",
        str(config),
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
    ) as started:
        yield started
        assert started.stop() == 0
    assert "old" not in log.read_text()


def gets_in(up: Up, password: str) -> bool:
    try:
        with closing(psycopg.connect(up.url, password=password)):
            return True
    except psycopg.OperationalError:
        return False


def test_a_secret_is_read_again_when_told(up: Up, manager: Any) -> None:
    assert gets_in(up, "old")
    manager.put_secret_value(SecretId="app", SecretString=secret("new"))
    assert not gets_in(up, "new")
    up.process.send_signal(signal.SIGHUP)
    eventually(lambda: gets_in(up, "new"))
    assert not gets_in(up, "old")

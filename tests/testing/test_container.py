"""The container's command, and, if there is Docker, its service."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core import container
from testcontainers.core.image import DockerImage
from testcontainers.core.network import Network

from pinwatch.testcontainers import PinwatchContainer
from tests.containers import NO_ENGINE, engine_answers

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"


@pytest.fixture
def without_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "DockerClient", lambda **_: None)


@pytest.fixture
def engine() -> None:
    if not engine_answers():
        pytest.skip(NO_ENGINE)
    if not DOCKERFILE.exists():
        pytest.skip("there is no docker/Dockerfile to build the image from")


@pytest.mark.usefixtures("without_docker")
def test_it_is_told_where_the_postgres_container_is() -> None:
    postgres = SimpleNamespace(
        username="me", password="s/cret", dbname="my shop", port=5432
    )
    one = PinwatchContainer(postgres, "db", settings={"connection_pool.max": 5})
    assert one.env == {
        "PINWATCH_TARGET": "postgresql://me:s%2Fcret@db:5432/my%20shop",
        "PINWATCH_LISTEN": "0.0.0.0:6432",
        "PINWATCH_HTTP": "0.0.0.0:9632",
        "PINWATCH_INSECURE_TRUST": "true",
        "PINWATCH_HTTP_TOKEN": one.http_token,
        "PINWATCH_CONNECTION_POOL__MAX": "5",
    }
    own = PinwatchContainer(postgres, "db", settings={"http_token": "mine"})
    assert (own.http_token, own.env["PINWATCH_HTTP_TOKEN"]) == ("mine", "mine")
    assert one.http_token != PinwatchContainer(postgres, "db").http_token
    assert {str(port) for port in one.ports} == {"6432", "9632"}
    with pytest.raises(ValueError, match="give the PostgresContainer"):
        PinwatchContainer(postgres)


@pytest.mark.usefixtures("without_docker")
def test_its_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    one = PinwatchContainer("postgresql://me:secret@db/my%20shop", driver="psycopg")
    monkeypatch.setattr(one, "get_container_host_ip", lambda: "10.0.0.1")
    monkeypatch.setattr(one, "get_exposed_port", lambda port: port + 10_000)
    assert one.get_connection_url() == (
        "postgresql+psycopg://me@10.0.0.1:16432/my%20shop"
    )
    assert one.get_connection_url("asyncpg", host="h") == (
        "postgresql+asyncpg://me@h:16432/my%20shop"
    )
    assert one.get_http_url() == "http://10.0.0.1:19632"


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
def test_it_serves() -> None:
    image: Any
    with (
        DockerImage(ROOT, dockerfile_path=str(DOCKERFILE)) as image,
        Network() as network,
        PostgresContainer("postgres:17")
        .with_network(network)
        .with_network_aliases("postgres") as postgres,
        PinwatchContainer(postgres, "postgres", image=str(image)).with_network(
            network
        ) as one,
        psycopg.connect(one.get_connection_url()) as connection,
    ):
        connection.execute("LISTEN jobs")
        assert [pin["rule"] for pin in one.get_pins()] == ["listen"]
        assert one.get_leaks() == []

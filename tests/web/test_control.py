"""/api/config: what is in force, and nothing that is secret."""

from dataclasses import replace
from typing import Any

import pytest

from pinwatch.config.target import Target
from tests.harness import Postgres
from tests.web.conftest import Watch


def test_what_is_in_force(watch: Watch) -> None:
    config = watch(3, cancel="forward").get("/api/config")
    assert (config["max_connections"], config["cancel"]) == (3, "forward")
    assert config["connection_pool"]["connection_borrow_timeout"] == 120
    assert (config["listen"], config["http"]) == ("127.0.0.1:0", "off")


def test_no_secret(watch: Watch) -> None:
    secrets: dict[str, Any] = {
        "auth": [{"username": "ann", "password": "first-secret"}],
        "iam": {
            "access_keys": [
                {
                    "access_key_id": "AKIA",
                    "secret_access_key": "second-secret",
                    "session_token": "third-secret",
                }
            ]
        },
    }
    config = watch(**secrets).get("/api/config")
    assert config["auth"][0]["username"] == "ann"
    assert set(config["auth"][0]["password"]) == {"*"}
    assert "secret'" not in str(config)


def test_no_target_shows_its_password(watch: Watch, postgres: Postgres) -> None:
    server = replace(postgres.server, password="fourth-secret")
    targets = [{"name": name, "url": server.url()} for name in ("a", "b")]
    config = watch(targets=targets).get("/api/config")
    assert [one["name"] for one in config["targets"]] == ["a", "b"]
    assert "fourth-secret" not in str(config)
    for shown in config["targets"]:
        target = Target.parse(shown["url"])
        assert (target.user, target.password) == (server.user, None)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:secret@db:6000/shop?sslmode=require",
        "postgresql://a%40n%2Fn@[::1]/sh%20op?password=secret&sslrootcert=/a%26b",
        "postgresql:///?host=/var/run/postgresql",
    ],
)
def test_the_target_is_told_without_its_password(url: str) -> None:
    target = Target.parse(url)
    again = Target.parse(target.url)
    assert "secret" not in target.url
    assert again.password is None
    assert (again.address, again.user, again.database) == (
        target.address,
        target.user,
        target.database,
    )
    assert (again.sslmode, again.sslrootcert) == (target.sslmode, target.sslrootcert)

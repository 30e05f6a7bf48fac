"""The settings that are the RDS API's, beside botocore's own model of it."""

import re
from typing import Any, Final

import botocore.session
import pytest
from pydantic import BaseModel

from pinwatch.config.auth import AuthEntry
from pinwatch.config.model import ConnectionPool, Settings
from pinwatch.infrastructure.cloudformation import snake_case

RDS: Final = botocore.session.get_session().get_service_model("rds")
SHAPES: Final[dict[str, type[BaseModel]]] = {
    "CreateDBProxyRequest": Settings,
    "ConnectionPoolConfiguration": ConnectionPool,
    "UserAuthConfig": AuthEntry,
}
OWN: Final = {
    "ConnectionPoolConfiguration": set[str](),
    "UserAuthConfig": {"secret_file", "username", "password"},
}
"""Settings that the API does not have; of the top, only the API's are looked at."""

ONLY_AWS: Final = {
    "db_proxy_name",
    "role_arn",
    "vpc_subnet_ids",
    "vpc_security_group_ids",
    "tags",
    "endpoint_network_type",
    "target_connection_network_type",
    "auth_scheme",
    "description",
    "user_name",
}
UNSAID_DEFAULTS: Final = {
    "auth": (),
    "client_password_auth_type": "POSTGRES_SCRAM_SHA_256",
    "debug_logging": False,
    "default_auth_scheme": "NONE",
    "iam_auth": "DISABLED",
    "idle_client_timeout": 1800,
    "require_tls": False,
}
UNSAID_RANGES: Final = {"idle_client_timeout": (1, 28800)}
"""Ranges that the user guide has and botocore lacks."""

DEFAULT: Final = re.compile(r"Default: (?:\d+ for [^,]*, and )?(\d+)")
TYPES: Final = {
    "boolean": {"boolean"},
    "integer": {"integer", "number"},  # of seconds, parts as well
    "list": {"array"},
    "string": {"string"},
}


def members(shape: str) -> dict[str, Any]:
    """Return the members of a shape by their names in snake case."""
    found = RDS.shape_for(shape).members
    return {snake_case(name): member for name, member in found.items()}


def common() -> list[tuple[str, str]]:
    """The API's members that are settings, each with its shape."""
    return [
        (shape, name)
        for shape, model in SHAPES.items()
        for name in members(shape)
        if name in model.model_fields
    ]


def schema(shape: str, name: str) -> dict[str, Any]:
    """The setting's own, without the "or nothing" of an optional one."""
    setting: dict[str, Any] = SHAPES[shape].model_json_schema()["properties"][name]
    choices: list[dict[str, Any]] = setting.get("anyOf", [setting])
    [choice] = [choice for choice in choices if choice.get("type") != "null"]
    return choice


def documented(member: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", member.documentation).split())


@pytest.mark.parametrize("shape", SHAPES)
def test_each_member_is_a_setting_or_accounted_for(shape: str) -> None:
    missing = members(shape).keys() - SHAPES[shape].model_fields.keys()
    assert missing <= ONLY_AWS


@pytest.mark.parametrize("shape", OWN)
def test_each_setting_is_a_member_or_our_own(shape: str) -> None:
    assert SHAPES[shape].model_fields.keys() - members(shape).keys() == OWN[shape]


@pytest.mark.parametrize(("shape", "name"), common())
def test_types_are_the_apis(shape: str, name: str) -> None:
    assert schema(shape, name)["type"] in TYPES[members(shape)[name].type_name]


@pytest.mark.parametrize(("shape", "name"), common())
def test_values_are_among_the_apis(shape: str, name: str) -> None:
    """Fewer where the others are for other engines."""
    allowed = schema(shape, name).get("enum", [schema(shape, name).get("const")])
    enum = getattr(members(shape)[name], "enum", None)
    if enum:
        assert set(allowed) <= set(enum)
    else:
        assert allowed == [None]


@pytest.mark.parametrize(("shape", "name"), common())
def test_ranges_are_the_apis(shape: str, name: str) -> None:
    member = members(shape)[name]
    ours = schema(shape, name)
    if name in UNSAID_RANGES:
        assert (ours["minimum"], ours["maximum"]) == UNSAID_RANGES[name]
    elif said := re.search(r"between (\d+) and (\d+)", documented(member)):
        assert [ours["minimum"], ours["maximum"]] == [int(n) for n in said.groups()]
    if member.type_name == "string" and "max" in member.metadata:
        assert ours["maxLength"] == member.metadata["max"]


@pytest.mark.parametrize(("shape", "name"), common())
def test_defaults_are_the_apis(shape: str, name: str) -> None:
    default = SHAPES[shape].model_fields[name].default
    if name in UNSAID_DEFAULTS:
        assert default == UNSAID_DEFAULTS[name]
    elif said := DEFAULT.search(documented(members(shape)[name])):
        assert default == int(said[1])


def test_what_botocore_says_was_read() -> None:
    pool = members("ConnectionPoolConfiguration")
    said = {name: DEFAULT.search(documented(member)) for name, member in pool.items()}
    assert {name: found[1] for name, found in said.items() if found} == {
        "max_connections_percent": "100",
        "connection_borrow_timeout": "120",
    }
    assert "between 1 and 100" in documented(pool["max_connections_percent"])

"""Whatever a file has in it ends in rows, or in one sentence."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pinwatch.errors import SettingError
from pinwatch.infrastructure.document import decode
from pinwatch.infrastructure.read import read
from pinwatch.infrastructure.table import table
from tests.infrastructure.printed import resource

TEMPLATE: dict[str, Any] = {
    "Parameters": {"P": {"Type": "String", "Default": "a"}, "Q": {"Type": "String"}},
    "Mappings": {"M": {"a": {"b": "c"}}},
    "Conditions": {
        "C": {"Fn::Equals": [{"Ref": "Q"}, "b"]},
        "D": {"Fn::Not": [{"Condition": "C"}]},
    },
    "Resources": {
        "A": {
            "Type": "AWS::RDS::DBProxy",
            "Condition": "C",
            "Properties": {
                "DBProxyName": {"Fn::Sub": ["${P}-${x}", {"x": {"Ref": "P"}}]},
                "EngineFamily": "POSTGRESQL",
                "Auth": [{"SecretArn": {"Ref": "S"}, "IAMAuth": "REQUIRED"}],
                "RequireTLS": {"Fn::If": ["D", True, False]},
            },
        },
        "T": {
            "Type": "AWS::RDS::DBProxyTargetGroup",
            "DependsOn": ["A"],
            "Properties": {
                "DBProxyName": {"Fn::Join": ["", [{"Ref": "A"}]]},
                "ConnectionPoolConfigurationInfo": {
                    "MaxConnectionsPercent": {"Fn::FindInMap": ["M", "a", "b"]}
                },
            },
        },
        "E": {
            "Type": "AWS::RDS::DBProxyEndpoint",
            "Properties": {
                "DBProxyName": {"Fn::Select": [0, {"Fn::Split": ["-", "a-b"]}]},
                "DBProxyEndpointName": "e",
            },
        },
        "S": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "s"}},
    },
}


PROXY = 'module.m["a"].aws_db_proxy.p[0]'
POOL = 'module.m["a"].aws_db_proxy_default_target_group.g[0]'
MORE: dict[str, Any] = {
    "sensitive_values": {"auth": [{"secret_arn": True}]},
    "depends_on": ["module.m.aws_db_proxy.p"],
}
PLAN: dict[str, Any] = {
    "format_version": "1.2",
    "variables": {"region": {"value": "eu-central-1"}},
    "planned_values": {
        "root_module": {
            "child_modules": [
                {
                    "resources": [
                        resource(
                            PROXY,
                            {
                                "name": "p",
                                "engine_family": "POSTGRESQL",
                                "auth": [{"iam_auth": "REQUIRED"}, {}],
                            },
                            **MORE,
                        ),
                        resource(
                            POOL,
                            {
                                "db_proxy_name": "p",
                                "connection_pool_config": [{"init_query": "SELECT 1"}],
                            },
                            **MORE,
                        ),
                        resource(
                            "module.m.awscc_rds_db_proxy.c",
                            {"db_proxy_name": "p", "auth": [{}, {}]},
                            **MORE,
                        ),
                    ]
                }
            ]
        }
    },
    "resource_changes": [
        {
            "address": PROXY,
            "change": {"after_unknown": {"auth": [{"secret_arn": True}, True]}},
        },
        {"address": POOL, "change": {"after_unknown": {"db_proxy_name": True}}},
        {"address": POOL, "deposed": "0", "change": {}},
    ],
    "configuration": {
        "provider_config": {
            "aws": {"expressions": {"region": {"references": ["var.region"]}}}
        },
        "root_module": {
            "module_calls": {
                "m": {
                    "expressions": {"n": {"references": ["module.m.o", "each.key"]}},
                    "for_each_expression": {"references": ["module.m"]},
                    "module": {
                        "outputs": {"o": {"expression": {"references": ["var.n"]}}},
                        "resources": [
                            {
                                "address": "aws_db_proxy.p",
                                "provider_config_key": "aws",
                                "expressions": {
                                    "auth": [
                                        {"secret_arn": {"references": ["var.n"]}},
                                        {"iam_auth": {"constant_value": "REQUIRED"}},
                                    ]
                                },
                            },
                            {
                                "address": "aws_db_proxy_default_target_group.g",
                                "expressions": {
                                    "db_proxy_name": {
                                        "references": ["var.n", "count.index"]
                                    }
                                },
                                "depends_on": ["aws_db_proxy.p"],
                            },
                        ],
                    },
                }
            }
        },
    },
}

WORDS = st.sampled_from(
    [
        "Ref",
        "Fn::If",
        "Fn::Sub",
        "Fn::GetAtt",
        "A",
        "T",
        "E",
        "S",
        "C",
        "D",
        "P",
        "AWS::NoValue",
        "${A}",
        "${S.Id}",
        "app",
        "a[",
        "AWS::RDS::DBProxy",
        "POSTGRESQL",
        "references",
        "each.key",
        "each.value",
        "var.n",
        "local.x",
        "[0]",
        "module.m.o",
        "aws_db_proxy.p",
        "aws_db_proxy.p[0].name",
        "{{resolve:x}}",
    ]
)
UNPRINTABLE = st.sampled_from(["", "\ud800", "\x1b[2J", "\u202ea\nb"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | WORDS
    | UNPRINTABLE
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each key of each dictionary, and each index of each list."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """The document with up to three of its parts replaced, renamed or repeated."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        every = list(places(document))
        parent, key = every[draw(st.integers(0, len(every) - 1))]
        match draw(st.sampled_from(["replace", "rename", "repeat"])), parent:
            case "rename", dict():
                parent[draw(WORDS | UNPRINTABLE)] = parent.pop(key)
            case "repeat", list():
                parent.append(deepcopy(parent[key]))
            case _:
                parent[key] = draw(JSON)
    return document


def ends_well(text: str) -> None:
    for proxy in (None, "A", PROXY, "p"):
        try:
            found = read(text, "file", proxy)
        except SettingError as error:
            sentence = str(error)
        else:
            sentence = ""
            for column in table(found, {}).columns:
                sentence += "".join(map(str, column.cells))
        assert all(c.isprintable() for c in sentence)
        sentence.encode()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
@example(b"")
@example(b"\0\0\0\0")
def test_any_bytes(data: bytes) -> None:
    try:
        text = decode(data, "file")
    except SettingError:
        return
    ends_well(text)


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("{}[]:,-&*!|>'\"%@<? \n\tab0.~#"), max_size=40))
@example("? {a: b}\n: c")
@example("!!set {a}")
def test_any_yaml(text: str) -> None:
    ends_well(text)
    ends_well(f"Resources: {{A: {{Type: AWS::RDS::DBProxy, Properties: {text}}}}}")


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_any_json(document: Any) -> None:
    ends_well(json.dumps(document))
    ends_well(json.dumps({"Resources": document}))
    ends_well(json.dumps({"format_version": "1.0", "values": document}))


@settings(max_examples=80, deadline=None)
@given(changed(TEMPLATE))
@example(TEMPLATE)
def test_any_template(document: Any) -> None:
    ends_well(json.dumps(document))


@settings(max_examples=30, deadline=None)
@given(changed(TEMPLATE))
def test_any_template_in_yaml(document: Any) -> None:
    ends_well(yaml.safe_dump(document))


@settings(max_examples=80, deadline=None)
@given(changed(PLAN))
@example(PLAN)
def test_any_plan(document: Any) -> None:
    ends_well(json.dumps(document))

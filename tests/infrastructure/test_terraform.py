import json
import re
from typing import Any

import pytest

from pinwatch.errors import SettingError
from pinwatch.infrastructure.found import Found
from pinwatch.infrastructure.read import read
from tests.infrastructure.rows import notes, values

FILE = "plan.json"
APPLY = "it is known only after apply"
LEFT_OUT = "the entry that it belongs to is left out"
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"

ADDRESS = re.compile(r"(?:module\.\w+(?:\[[^]]*\])?\.|data\.)*(\w+)\.(\w+)")

Json = dict[str, Any]


def resource(address: str, values: Json, **more: Any) -> Json:
    match = ADDRESS.match(address)
    assert match is not None
    kind, name = match.groups()
    return {
        "address": address,
        "mode": "managed",
        "type": kind,
        "name": name,
        "values": values,
        "sensitive_values": {},
    } | more


def proxy(address: str = "aws_db_proxy.this", **values: Any) -> Json:
    engine = {"engine_family": "POSTGRESQL"}
    return resource(address, {"name": "orders", "tags": None} | engine | values)


def group(name: str | None = "orders", **pool: Any) -> Json:
    values = {
        "connection_pool_config": [pool],
        "db_proxy_name": name,
        "name": "default",
    }
    return resource("aws_db_proxy_default_target_group.this", values)


def state(*resources: Json, **module: Any) -> str:
    root = {"resources": resources} | module
    return json.dumps({"format_version": "1.0", "values": {"root_module": root}})


def plan(
    *resources: Json, unknown: dict[str, Json], written: dict[str, Json], **more: Any
) -> str:
    """``unknown`` and ``written`` are by addresses."""
    configuration = [
        {"address": address, "expressions": expressions}
        for address, expressions in written.items()
    ]
    changes = [
        {"address": address, "change": {"after_unknown": marks}}
        for address, marks in unknown.items()
    ]
    printed = {
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": resources}},
        "resource_changes": changes,
        "configuration": {"root_module": {"resources": configuration}},
    }
    return json.dumps(printed | more)


def references(*names: str) -> Json:
    return {"references": list(names)}


def constant(value: Any) -> Json:
    return {"constant_value": value}


def found(text: str, proxy: str | None = None) -> Found:
    return read(text, FILE, proxy)


def refusal(text: str, proxy: str | None = None) -> str:
    with pytest.raises(SettingError) as raised:
        read(text, FILE, proxy)
    return str(raised.value)


class TestState:
    def test_a_proxy_and_its_target_group_become_settings(self) -> None:
        orders = found(
            state(
                proxy(
                    require_tls=True,
                    debug_logging=False,
                    auth=[
                        {
                            "auth_scheme": "SECRETS",
                            "client_password_auth_type": "POSTGRES_MD5",
                            "description": "",
                            "iam_auth": "REQUIRED",
                            "secret_arn": ARN,
                            "username": "",
                        }
                    ],
                    role_arn="arn:aws:iam::123456789012:role/proxy",
                    timeouts=None,
                ),
                group(
                    max_connections_percent=90,
                    connection_borrow_timeout=30,
                    init_query="",
                    session_pinning_filters=[],
                ),
            )
        )
        assert orders.proxy == "aws_db_proxy.this"
        settings = orders.settings
        assert settings["require_tls"] is True
        assert settings["debug_logging"] is False
        assert settings["auth"] == [
            {
                "secret_arn": ARN,
                "iam_auth": "REQUIRED",
                "client_password_auth_type": "POSTGRES_MD5",
            }
        ]
        assert settings["connection_pool"] == {
            "max_connections_percent": 90,
            "connection_borrow_timeout": 30,
        }
        assert orders.unresolved == []
        assert settings["db_proxy_name"] == "orders"
        rows = values(orders.meaningless)
        assert rows["aws_db_proxy_default_target_group.this.name"] == "default"
        assert rows["aws_db_proxy.this.auth[0].auth_scheme"] == "SECRETS"
        assert "aws_db_proxy.this.timeouts" not in rows

    def test_the_users_name_is_no_setting(self) -> None:
        """UserName of the API names no secret, unlike pinwatch's auth.username."""
        orders = found(state(proxy(auth=[{"secret_arn": ARN, "username": "ann"}])))
        assert orders.settings["auth"] == [{"secret_arn": ARN}]
        assert values(orders.meaningless)["aws_db_proxy.this.auth[0].username"] == "ann"

    def test_modules_are_looked_into(self) -> None:
        inner = proxy('module.a["x"].module.m.aws_db_proxy.this[0]', require_tls=True)
        modules = [{"child_modules": [{"resources": [inner]}]}]
        orders = found(state(child_modules=modules))
        assert orders.proxy == 'module.a["x"].module.m.aws_db_proxy.this[0]'
        assert orders.settings == {
            "db_proxy_name": "orders",
            "engine_family": "POSTGRESQL",
            "require_tls": True,
        }

    def test_a_data_source_is_no_proxy(self) -> None:
        looked_up = proxy("data.aws_db_proxy.this") | {"mode": "data"}
        assert refusal(state(looked_up)) == "plan.json has no aws_db_proxy."

    def test_what_is_sensitive_is_not_shown(self) -> None:
        secret = proxy(auth=[{"secret_arn": "app"}], role_arn="role")
        secret["sensitive_values"] = {"auth": [{"secret_arn": True}], "role_arn": True}
        orders = found(state(secret))
        assert orders.settings["auth"] == [{"secret_arn": "app"}]
        rows = values([*orders.used, *orders.meaningless])
        assert rows["aws_db_proxy.this.auth[0].secret_arn"] == "(hidden)"
        assert rows["aws_db_proxy.this.role_arn"] == "(hidden)"

    def test_so_is_what_is_so_as_a_whole(self) -> None:
        secret = proxy(auth=[{"secret_arn": "app"}]) | {"sensitive_values": True}
        rows = values(found(state(secret)).used)
        assert rows["aws_db_proxy.this.auth[0].secret_arn"] == "(hidden)"


class TestPlan:
    def test_what_is_left_to_aws_is_not_told(self) -> None:
        orders = found(
            plan(
                proxy(),
                unknown={
                    "aws_db_proxy.this": {
                        "arn": True,
                        "endpoint": True,
                        "default_auth_scheme": True,
                        "idle_client_timeout": True,
                    }
                },
                written={"aws_db_proxy.this": {}},
            )
        )
        assert orders.settings.keys() <= {"db_proxy_name", "engine_family"}
        assert orders.unresolved == []
        shown = values(orders.meaningless)
        assert shown.keys() <= {
            "aws_db_proxy.this.engine_family",
            "aws_db_proxy.this.name",
        }

    def test_what_is_known_only_later_is_told(self) -> None:
        orders = found(
            plan(
                proxy(),
                unknown={"aws_db_proxy.this": {"require_tls": True, "role_arn": True}},
                written={
                    "aws_db_proxy.this": {
                        "require_tls": references("random_id.a.dec", "random_id.a"),
                        "role_arn": references("aws_iam_role.a.arn", "aws_iam_role.a"),
                    }
                },
            )
        )
        assert "require_tls" not in orders.settings
        assert values(orders.unresolved) == {
            "aws_db_proxy.this.require_tls": "random_id.a.dec"
        }
        assert notes(orders.unresolved) == {"aws_db_proxy.this.require_tls": APPLY}
        rows = values(orders.meaningless)
        assert rows["aws_db_proxy.this.role_arn"] == "aws_iam_role.a.arn"

    def test_all_blocks_may_be_known_only_later(self) -> None:
        orders = found(
            plan(
                proxy(),
                unknown={
                    "aws_db_proxy.this": {"auth": True, "connection_pool_config": True}
                },
                written={"aws_db_proxy.this": {}},
            )
        )
        assert values(orders.unresolved) == {
            "aws_db_proxy.this.auth": "(known after apply)"
        }

    def test_the_pool_may_be_known_in_part(self) -> None:
        address = "aws_db_proxy_default_target_group.this"
        orders = found(
            plan(
                proxy(),
                group(connection_borrow_timeout=120),
                unknown={
                    address: {
                        "connection_pool_config": [{"max_connections_percent": True}]
                    }
                },
                written={
                    address: {
                        "connection_pool_config": [
                            {"max_connections_percent": references("local.share")}
                        ]
                    }
                },
            )
        )
        assert orders.settings["connection_pool"] == {"connection_borrow_timeout": 120}
        assert values(orders.unresolved) == {
            f"{address}.connection_pool_config.max_connections_percent": "local.share"
        }


SECRET = "aws_secretsmanager_secret"


def secrets(*blocks: Json, written: list[Json], module: str = "") -> Found:
    """Of a plan with the named secrets a and b["x"], and one without a name."""
    address = f"{module}aws_db_proxy.this"
    return found(
        plan(
            resource(f"{module}{SECRET}.a", {"name": "app/a"}),
            resource(f'{module}{SECRET}.b["x"]', {"name": "app/b"}),
            resource(f"{module}{SECRET}.c", {"name_prefix": "app"}),
            proxy(address, auth=list(blocks)),
            unknown={address: {"auth": [{"secret_arn": True} for _ in blocks]}},
            written={address: {"auth": written}},
        )
    )


class TestSecrets:
    """A secret that the plan itself makes has a name, but no ARN yet."""

    A = references(f"{SECRET}.a.arn", f"{SECRET}.a")
    B = references(f'{SECRET}.b["x"].id', f'{SECRET}.b["x"]', f"{SECRET}.b")

    def test_it_is_known_by_its_name(self) -> None:
        orders = secrets({}, written=[{"secret_arn": self.A}])
        assert orders.settings["auth"] == [{"secret_arn": "app/a"}]
        orders = secrets({}, written=[{"secret_arn": self.B}])
        assert orders.settings["auth"] == [{"secret_arn": "app/b"}]

    @pytest.mark.parametrize(
        "written",
        [
            references(f"{SECRET}.c.arn", f"{SECRET}.c"),
            references("var.secret"),
            references(f"{SECRET}.elsewhere.arn"),
        ],
    )
    def test_without_a_name_its_entry_is_left_out(self, written: Json) -> None:
        orders = secrets({"iam_auth": "REQUIRED"}, written=[{
            "secret_arn": written, "iam_auth": constant("REQUIRED"),
        }])  # fmt: skip
        assert "auth" not in orders.settings
        assert notes(orders.unresolved) == {
            "aws_db_proxy.this.auth[0].secret_arn": f"{APPLY}: {LEFT_OUT}",
            "aws_db_proxy.this.auth[0].iam_auth": LEFT_OUT,
        }

    def test_blocks_are_in_another_order_than_written(self) -> None:
        orders = secrets(
            {"iam_auth": "", "description": None},
            {"iam_auth": "REQUIRED"},
            written=[
                {"iam_auth": constant("REQUIRED"), "secret_arn": self.A},
                {"secret_arn": self.B},
            ],
        )
        assert orders.settings["auth"] == [
            {"secret_arn": "app/b"},
            {"iam_auth": "REQUIRED", "secret_arn": "app/a"},
        ]

    def test_blocks_may_be_alike(self) -> None:
        written = [{"secret_arn": self.A}, {"secret_arn": self.B}]
        orders = secrets({}, {}, written=written)
        assert orders.settings["auth"] == [
            {"secret_arn": "app/a"},
            {"secret_arn": "app/b"},
        ]

    def test_blocks_that_cannot_be_told_apart_are_left_out(self) -> None:
        by_variable = {"iam_auth": references("var.a"), "secret_arn": self.A}
        orders = secrets(
            {"iam_auth": "REQUIRED"},
            {"iam_auth": "DISABLED"},
            written=[by_variable, by_variable | {"secret_arn": self.B}],
        )
        assert "auth" not in orders.settings

    def test_dynamic_blocks_are_not_written_one_by_one(self) -> None:
        orders = secrets({"iam_auth": "REQUIRED"}, written=[])
        assert values(orders.unresolved) == {
            "aws_db_proxy.this.auth[0].secret_arn": "(known after apply)",
            "aws_db_proxy.this.auth[0].iam_auth": "REQUIRED",
        }

    def test_in_a_module_they_are_the_modules(self) -> None:
        address = "module.m.aws_db_proxy.this"
        inner = [
            {
                "address": "aws_db_proxy.this",
                "expressions": {"auth": [{"secret_arn": self.A}]},
            }
        ]
        calls = {"m": {"module": {"resources": inner}}}
        orders = found(
            plan(
                resource(f"{SECRET}.a", {"name": "another"}),
                resource(f"module.m.{SECRET}.a", {"name": "app/a"}),
                proxy(address, auth=[{}]),
                unknown={address: {"auth": [{"secret_arn": True}]}},
                written={},
                configuration={"root_module": {"module_calls": calls}},
            )
        )
        assert orders.settings["auth"] == [{"secret_arn": "app/a"}]


class TestSeveralProxies:
    BOTH = (
        proxy('aws_db_proxy.this["a"]', name="orders"),
        proxy('aws_db_proxy.this["b"]', name="bills"),
    )

    def test_one_has_to_be_chosen(self) -> None:
        assert refusal(state(*self.BOTH)) == (
            'plan.json has the proxies aws_db_proxy.this["a"] (orders) and '
            'aws_db_proxy.this["b"] (bills): choose one with --proxy.'
        )

    @pytest.mark.parametrize("name", ['aws_db_proxy.this["b"]', "bills"])
    def test_it_has_two_names(self, name: str) -> None:
        assert found(state(*self.BOTH), name).proxy == 'aws_db_proxy.this["b"]'

    def test_a_name_of_two_proxies_chooses_neither(self) -> None:
        twice = (self.BOTH[0], proxy("aws_db_proxy.other", name="orders"))
        assert refusal(state(*twice), "orders") == (
            'plan.json has 2 proxies with the name orders: choose aws_db_proxy.this["a"] '
            "or aws_db_proxy.other with --proxy."
        )

    def test_a_target_group_is_the_ones_that_it_names(self) -> None:
        pool = group("bills", max_connections_percent=10)
        assert (
            "connection_pool" not in found(state(*self.BOTH, pool), "orders").settings
        )
        bills = found(state(*self.BOTH, pool), "bills").settings
        assert bills["connection_pool"] == {"max_connections_percent": 10}

    @pytest.mark.parametrize(
        ("named", "mine"),
        [
            (references('aws_db_proxy.this["b"].name', 'aws_db_proxy.this["b"]'), True),
            (references("aws_db_proxy.this", "each.key"), None),
        ],
    )
    def test_a_name_known_only_later_is_followed(
        self, named: Json, mine: bool | None
    ) -> None:
        pool = group(None, max_connections_percent=10)
        address = pool["address"]
        text = plan(
            *self.BOTH,
            pool,
            unknown={address: {"db_proxy_name": True}},
            written={address: {"db_proxy_name": named}},
        )
        bills = found(text, "bills")
        assert ("connection_pool" in bills.settings) is bool(mine)
        if mine is None:
            assert notes(bills.unresolved) == {
                f"{address}.db_proxy_name": (
                    'it may belong to aws_db_proxy.this["a"] or aws_db_proxy.this["b"]'
                )
            }

    def test_endpoints_are_not_passed_over(self) -> None:
        inner = {
            "db_proxy_endpoint_name": "reports",
            "db_proxy_name": "bills",
            "target_role": "READ_ONLY",
        }
        endpoint = resource("aws_db_proxy_endpoint.reports", inner)
        bills = found(state(*self.BOTH, endpoint), "bills")
        rows = values([*bills.used, *bills.meaningless])
        assert rows["aws_db_proxy_endpoint.reports.target_role"] == "READ_ONLY"
        assert "aws_db_proxy_endpoint.reports.db_proxy_name" not in rows


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            state(proxy(engine_family="SQLSERVER")),
            "plan.json: aws_db_proxy.this.engine_family is SQLSERVER, but pinwatch is "
            "for POSTGRESQL.",
        ),
        (
            state(proxy(), group(connection_borrow_timeout=301)),
            "plan.json: aws_db_proxy_default_target_group.this.connection_pool_config"
            ".connection_borrow_timeout is 301, but must be a number from 0 to 300.",
        ),
        (
            state(proxy(auth=[{"secret_arn": ARN, "iam_auth": "ENABLED"}])),
            "plan.json: aws_db_proxy.this.auth[0].iam_auth is ENABLED, but must be "
            "DISABLED or REQUIRED.",
        ),
        ('{"format_version": "1.0"}', "plan.json has no aws_db_proxy."),
        (
            '{"format_version": "2.0"}',
            "plan.json has the format_version 2.0, but must have 0 or 1.",
        ),
        (
            '{"format_version": "1.0", "values": {"root_module": {"resources": [{}]}}}',
            "plan.json is not what terraform show -json prints.",
        ),
        (
            '{"version": 4, "terraform_version": "1.11.4", "resources": []}',
            "plan.json is a state as Terraform keeps it: give the output of terraform "
            "show -json.",
        ),
    ],
)
def test_what_cannot_be_used_is_told(text: str, sentence: str) -> None:
    assert refusal(text) == sentence

import json
from typing import Any, Final

import pytest

from pinwatch.errors import SettingError
from pinwatch.infrastructure.found import Found
from pinwatch.infrastructure.read import read
from tests.infrastructure.printed import Json, resource
from tests.infrastructure.rows import notes, values

FILE = "plan.json"
APPLY = "it is known only after apply"
LEFT_OUT = "the entry that it belongs to is left out"
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"


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

    def test_a_sensitive_value_is_not_shown(self) -> None:
        secret = proxy(auth=[{"secret_arn": "app"}], role_arn="role")
        secret["sensitive_values"] = {"auth": [{"secret_arn": True}], "role_arn": True}
        orders = found(state(secret))
        assert orders.settings["auth"] == [{"secret_arn": "app"}]
        rows = values([*orders.used, *orders.meaningless])
        assert rows["aws_db_proxy.this.auth[0].secret_arn"] == "(hidden)"
        assert rows["aws_db_proxy.this.role_arn"] == "(hidden)"

    def test_values_that_are_sensitive_as_a_whole_are_not_shown(self) -> None:
        secret = proxy(auth=[{"secret_arn": "app"}]) | {"sensitive_values": True}
        rows = values(found(state(secret)).used)
        assert rows["aws_db_proxy.this.auth[0].secret_arn"] == "(hidden)"


class TestPlan:
    def test_a_default_of_aws_is_not_reported(self) -> None:
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

    def test_a_value_known_only_after_apply_is_reported(self) -> None:
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
    """Resolve a plan with the named secrets a and b["x"], and one without a name."""
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

    def test_ambiguous_blocks_are_left_out(self) -> None:
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
            "plan.json has 2 proxies with the name orders: choose "
            'aws_db_proxy.this["a"] or aws_db_proxy.other with --proxy.'
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


def pool(address: str, name: str | None, percent: int, /, **more: Any) -> Json:
    """A target group that is known by its percentage."""
    blocks = [{"max_connections_percent": percent}]
    values = {"connection_pool_config": blocks, "db_proxy_name": name}
    return resource(address, values, **more)


def percent(text: str, proxy: str) -> int | None:
    settings = found(text, proxy).settings.get("connection_pool", {})
    value: int | None = settings.get("max_connections_percent")
    return value


def owners(text: str) -> dict[str, str]:
    """Return the notes on the proxies of target groups and endpoints."""
    printed = found(text)
    rows = [*printed.unresolved, *printed.meaningless]
    return {row.resource: row.note for row in rows if row.name == "db_proxy_name"}


GROUP = "aws_db_proxy_default_target_group"
EU, US = "module.eu.aws_db_proxy.this", "module.us.aws_db_proxy.this"


class TestOwnersInAState:
    """Two proxies with one name, in two modules."""

    BOTH = (proxy(EU, name="app"), proxy(US, name="app"))

    def test_the_nearest_module_decides(self) -> None:
        text = state(
            *self.BOTH,
            pool(f"module.eu.{GROUP}.this", "app", 11),
            pool(f"module.us.module.pool.{GROUP}.this", "app", 22),
        )
        assert (percent(text, EU), percent(text, US)) == (11, 22)
        assert notes(found(text, EU).meaningless) == {
            f"module.us.module.pool.{GROUP}.this.db_proxy_name": (
                "it belongs to another proxy"
            )
        }

    def test_dependencies_decide_before_the_module(self) -> None:
        text = state(
            *self.BOTH,
            pool(f"module.eu.{GROUP}.this", "app", 11, depends_on=[US]),
            pool(f"{GROUP}.root", "app", 22, depends_on=["data.x.y", EU]),
        )
        assert (percent(text, EU), percent(text, US)) == (22, 11)

    @pytest.mark.parametrize(
        "attributes",
        [
            [{"region": "eu-central-1"}, {"region": "us-east-1"}],
            [
                {"arn": f"arn:aws:rds:{region}:123456789012:target-group:a"}
                for region in ("eu-central-1", "us-east-1")
            ],
        ],
    )
    def test_the_region_decides(self, attributes: list[Json]) -> None:
        groups = [
            pool(f'{GROUP}.each["{number}"]', "app", number)
            for number in (1, 2)
        ]  # fmt: skip
        proxies = [
            proxy("aws_db_proxy.a", name="app"),
            proxy("aws_db_proxy.b", name="app"),
        ]
        for one, other, given in zip(proxies, groups, attributes, strict=True):
            one["values"] |= given
            other["values"] |= given
        text = state(*proxies, *groups)
        assert percent(text, "aws_db_proxy.a") == 1
        assert percent(text, "aws_db_proxy.b") == 2

    def test_another_region_has_another_proxy_of_the_name(self) -> None:
        text = state(
            proxy(name="app", region="eu-central-1"),
            pool(f"{GROUP}.this", "app", 11, values={
                "db_proxy_name": "app", "region": "us-east-1"
            }),
        )  # fmt: skip
        assert owners(text) == {
            f"{GROUP}.this": "no aws_db_proxy in the file is known by this name"
        }

    def test_a_tie_is_reported_and_left_out(self) -> None:
        text = state(*self.BOTH, pool(f"{GROUP}.this", "app", 11))
        assert (percent(text, EU), percent(text, US)) == (None, None)
        assert notes(found(text, EU).unresolved) == {
            f"{GROUP}.this.db_proxy_name": f"it may belong to {EU} or {US}"
        }

    @pytest.mark.parametrize("key", ["a.b", 'q"]u', "0"])
    def test_a_key_decides_last(self, key: str) -> None:
        index = json.dumps(key)
        mine = f"aws_db_proxy.this[{index}]"
        text = state(
            resource("aws_db_proxy.this", proxy(name="app")["values"], address=mine),
            proxy('aws_db_proxy.this["other"]', name="app"),
            pool(f"{GROUP}.this", "app", 11, address=f"{GROUP}.this[{index}]"),
        )
        assert percent(text, mine) == 11
        assert percent(text, 'aws_db_proxy.this["other"]') is None

    def test_a_foreign_proxy_is_reported(self) -> None:
        text = state(proxy(), pool(f"{GROUP}.this", "foreign", 11))
        assert owners(text) == {
            f"{GROUP}.this": "no aws_db_proxy in the file is known by this name"
        }

    def test_a_sensitive_name_is_not_shown(self) -> None:
        marks = {"db_proxy_name": True}
        group = pool(f"{GROUP}.this", "s3cret", 11, sensitive_values=marks)
        orders = found(state(proxy(), group))
        assert values(orders.unresolved) == {f"{GROUP}.this.db_proxy_name": "(hidden)"}

    def test_a_target_group_without_a_name_is_reported(self) -> None:
        text = state(proxy(), resource(f"{GROUP}.this", {}))
        assert owners(text) == {f"{GROUP}.this": "it has no db_proxy_name"}

    def test_two_target_groups_of_a_proxy_are_a_tie(self) -> None:
        text = state(
            proxy(), pool(f"{GROUP}.a", "orders", 1), pool(f"{GROUP}.b", "orders", 2)
        )
        assert "connection_pool" not in found(text).settings
        why = (
            f"{GROUP}.a and {GROUP}.b set connection_pool.max_connections_percent "
            "differently"
        )
        assert set(notes(found(text).unresolved).values()) == {why}

    def test_two_endpoints_of_a_name_are_a_tie(self) -> None:
        names = {"db_proxy_name": "orders", "db_proxy_endpoint_name": "reports"}
        ends = [resource(f"aws_db_proxy_endpoint.{one}", names) for one in "ab"]
        orders = found(state(proxy(), *ends))
        assert "endpoints" not in orders.settings
        assert set(notes(orders.unresolved).values()) == {
            "aws_db_proxy_endpoint.a and aws_db_proxy_endpoint.b have the same name, "
            f"reports: {LEFT_OUT}"
        }


def module(*resources: Json, **more: Any) -> Json:
    return {"resources": list(resources)} | more


def configured(address: str, **expressions: Any) -> Json:
    for_each = expressions.pop("for_each", None)
    written = {"address": address, "expressions": expressions}
    return written | ({"for_each_expression": for_each} if for_each else {})


def called(inside: Json, **expressions: Any) -> Json:
    for_each = expressions.pop("for_each", None)
    call = {"module": inside, "expressions": expressions}
    return call | ({"for_each_expression": for_each} if for_each else {})


def planned(root: Json, *resources: Json, **more: Any) -> str:
    """A plan in which no name of a proxy is known to a target group."""
    unknown = {
        one["address"]: {"db_proxy_name": True}
        for one in resources
        if one["values"].get("db_proxy_name", "") is None
    }
    configuration = {"root_module": root}
    return plan(
        *resources, unknown=unknown, written={}, configuration=configuration, **more
    )


class TestOwnersInAPlan:
    """The references are those that Terraform 1.11 prints."""

    A, B = 'aws_db_proxy.this["a.b"]', 'aws_db_proxy.this["c"]'
    BOTH = (proxy(A, name="app"), proxy(B, name="app"))
    GROUPS = (
        pool(f'{GROUP}.this["a.b"]', "app", 11),
        pool(f'{GROUP}.this["c"]', "app", 22),
    )

    @pytest.mark.parametrize(
        "written",
        [
            {"db_proxy_name": references("aws_db_proxy.this", "each.key")},
            {
                "db_proxy_name": references("each.value.name", "each.value"),
                "for_each": references("aws_db_proxy.this"),
            },
        ],
    )
    @pytest.mark.parametrize("known", [True, False])
    def test_each_key_is_the_instances_own(self, written: Json, known: bool) -> None:
        groups = self.GROUPS if known else (
            pool(f'{GROUP}.this["a.b"]', None, 11), pool(f'{GROUP}.this["c"]', None, 22)
        )  # fmt: skip
        root = module(configured(f"{GROUP}.this", **written))
        text = planned(root, *self.BOTH, *groups)
        assert (percent(text, self.A), percent(text, self.B)) == (11, 22)

    def test_a_key_that_is_written_is_that_one(self) -> None:
        reference = f"{self.B}.name"
        name = references(reference, self.B, "aws_db_proxy.this")
        root = module(configured(f"{GROUP}.this", db_proxy_name=name))
        text = planned(root, *self.BOTH, pool(f"{GROUP}.this", None, 11))
        assert (percent(text, self.A), percent(text, self.B)) == (None, 11)

    def test_an_instance_that_is_not_planned_is_no_other(self) -> None:
        name = references(
            "aws_db_proxy.a[0].name", "aws_db_proxy.a[0]", "aws_db_proxy.a",
            "aws_db_proxy.b[0].name", "aws_db_proxy.b[0]", "aws_db_proxy.b",
        )  # fmt: skip
        root = module(configured(f"{GROUP}.this", db_proxy_name=name))
        other = proxy("aws_db_proxy.other", name="app")
        text = planned(
            root, proxy("aws_db_proxy.b[0]"), other, pool(f"{GROUP}.this", None, 11)
        )
        assert percent(text, "aws_db_proxy.b[0]") == 11
        assert percent(text, "aws_db_proxy.other") is None

    def test_a_variable_of_a_module_is_what_its_call_gives(self) -> None:
        inner = module(configured(f"{GROUP}.g", db_proxy_name=references("var.name")))
        outer = module(
            configured("aws_db_proxy.this"),
            module_calls={
                "pool": called(
                    inner,
                    name=references("aws_db_proxy.this.id", "aws_db_proxy.this"),
                )
            },
        )
        root = module(module_calls={"eu": called(outer), "us": called(outer)})
        text = planned(
            root,
            proxy(EU, name="app"),
            proxy(US, name="app"),
            pool(f"module.eu.module.pool.{GROUP}.g", None, 11),
            pool(f"module.us.module.pool.{GROUP}.g", None, 22),
        )
        assert (percent(text, EU), percent(text, US)) == (11, 22)

    @pytest.mark.parametrize(
        "given",
        [
            {"name": references("module.db", "each.key")},
            {
                "name": references("each.value.name", "each.value"),
                "for_each": references("module.db"),
            },
        ],
    )
    def test_an_output_of_a_module_is_followed(self, given: Json) -> None:
        name = references("aws_db_proxy.this.name", "aws_db_proxy.this")
        database = module(outputs={"name": {"expression": name}})
        inner = module(configured(f"{GROUP}.g", db_proxy_name=references("var.name")))
        calls = {"db": called(database), "pool": called(inner, **given)}
        a, c = (f'module.db["{key}"].aws_db_proxy.this' for key in ("a.b", "c"))
        text = planned(
            module(module_calls=calls),
            proxy(a, name="app"),
            proxy(c, name="app"),
            pool(f'module.pool["a.b"].{GROUP}.g', None, 11),
            pool(f'module.pool["c"].{GROUP}.g', "app", 22),
        )
        assert (percent(text, a), percent(text, c)) == (11, 22)

    def test_a_local_is_not_in_a_plan(self) -> None:
        root = module(configured(f"{GROUP}.this", db_proxy_name=references("local.p")))
        text = planned(root, proxy(), pool(f"{GROUP}.this", None, 11))
        assert owners(text) == {f"{GROUP}.this": "its proxy is known only after apply"}

    def test_a_reference_does_not_change_a_name(self) -> None:
        """As in db_proxy_name = "${aws_db_proxy.a.name}-reader"."""
        name = references("aws_db_proxy.a.name", "aws_db_proxy.a")
        root = module(configured(f"{GROUP}.this", db_proxy_name=name))
        text = planned(
            root,
            proxy("aws_db_proxy.a", name="app"),
            proxy("aws_db_proxy.b", name="app-reader"),
            pool(f"{GROUP}.this", "app-reader", 11),
        )
        assert percent(text, "aws_db_proxy.a") is None
        assert percent(text, "aws_db_proxy.b") == 11

    def test_references_in_a_circle_end(self) -> None:
        root = module(
            module_calls={
                "m": called(
                    module(
                        configured(f"{GROUP}.g", db_proxy_name=references("var.a")),
                        outputs={"a": {"expression": references("var.a")}},
                    ),
                    a=references("module.m.a", "module.m"),
                )
            }
        )
        text = planned(root, proxy(), pool(f"module.m.{GROUP}.g", None, 11))
        assert owners(text) == {
            f"module.m.{GROUP}.g": "its proxy is known only after apply"
        }

    @pytest.mark.parametrize(
        "region", [{"constant_value": "us-east-1"}, {"references": ["var.region"]}]
    )
    def test_the_region_of_the_provider_decides(self, region: Json) -> None:
        def written(address: str, provider: str) -> Json:
            return configured(address) | {"provider_config_key": provider}

        root = module(
            written("aws_db_proxy.a", "aws"),
            written("aws_db_proxy.b", "aws.us"),
            written(f"{GROUP}.this", "aws.other"),
        )
        providers = {
            "aws": {"expressions": {"region": {"constant_value": "eu-central-1"}}},
            "aws.us": {"expressions": {"region": region}},
            "aws.other": {"expressions": {"region": region}},
        }
        resources = (
            proxy("aws_db_proxy.a", name="app"),
            proxy("aws_db_proxy.b", name="app"),
            pool(f"{GROUP}.this", "app", 11),
        )
        text = plan(
            *resources,
            unknown={},
            written={},
            configuration={"root_module": root, "provider_config": providers},
            variables={"region": {"value": "us-east-1"}},
        )
        assert percent(text, "aws_db_proxy.b") == 11
        assert percent(text, "aws_db_proxy.a") is None


class TestSecretsByReference:
    ADDRESS = "aws_db_proxy.this"

    def settings(self, root: Json, address: str, *resources: Json) -> Any:
        text = plan(
            proxy(address, auth=[{}]),
            *resources,
            unknown={address: {"auth": [{"secret_arn": True}]}},
            written={},
            configuration={"root_module": root},
        )
        return found(text, address).settings.get("auth")

    def test_by_each_key(self) -> None:
        arn = references(SECRET + ".s", "each.key")
        root = module(configured(self.ADDRESS, auth=[{"secret_arn": arn}]))
        secrets = [
            resource(f'{SECRET}.s["{key}"]', {"name": f"app/{key}"}) for key in "ab"
        ]
        mine = 'aws_db_proxy.this["b"]'
        assert self.settings(root, mine, *secrets) == [{"secret_arn": "app/b"}]

    def test_by_its_version(self) -> None:
        version = f"{SECRET}_version.v"
        root = module(
            configured(
                self.ADDRESS,
                auth=[{"secret_arn": references(f"{version}.arn", version)}],
            ),
            configured(version, secret_id=references(f"{SECRET}.s.id", f"{SECRET}.s")),
        )
        secrets = (resource(f"{SECRET}.s", {"name": "app"}), resource(version, {}))
        assert self.settings(root, self.ADDRESS, *secrets) == [{"secret_arn": "app"}]

    def test_by_the_variable_of_a_module(self) -> None:
        inner = module(
            configured(self.ADDRESS, auth=[{"secret_arn": references("var.secret")}])
        )
        arn = references(f"{SECRET}.s.arn", f"{SECRET}.s")
        root = module(module_calls={"m": called(inner, secret=arn)})
        secret = resource(f"{SECRET}.s", {"name": "app"})
        mine = f"module.m.{self.ADDRESS}"
        assert self.settings(root, mine, secret) == [{"secret_arn": "app"}]

    def test_one_of_two_is_not_known(self) -> None:
        either = references(f"{SECRET}.a.arn", f"{SECRET}.b.arn")
        root = module(configured(self.ADDRESS, auth=[{"secret_arn": either}]))
        secrets = [resource(f"{SECRET}.{one}", {"name": one}) for one in "ab"]
        assert self.settings(root, self.ADDRESS, *secrets) is None


class TestDeposedObjects:
    """The former object of a resource, which is to be destroyed."""

    NOTE: Final = "a deposed object, which the next apply destroys"

    def test_in_a_plan(self) -> None:
        address = "aws_db_proxy.this"
        changes = [
            {
                "address": address,
                "change": {"after_unknown": {"auth": [{"secret_arn": True}]}},
            },
            {"address": address, "deposed": "0a", "change": {"after_unknown": {}}},
        ]
        arn = references(f"{SECRET}.s.arn", f"{SECRET}.s")
        orders = found(
            plan(
                proxy(auth=[{}]),
                resource(f"{SECRET}.s", {"name": "app"}),
                unknown={},
                written={address: {"auth": [{"secret_arn": arn}]}},
                resource_changes=changes,
            )
        )
        assert orders.settings["auth"] == [{"secret_arn": "app"}]
        assert values(orders.meaningless)[f"{address}.deposed"] == "0a"
        assert notes(orders.meaningless)[f"{address}.deposed"] == self.NOTE

    @pytest.mark.parametrize("first", [0, 1])
    def test_in_a_state(self, first: int) -> None:
        old = proxy(require_tls=False) | {"deposed_key": "0a"}
        old_pool = pool(f"{GROUP}.this", "orders", 1, deposed_key="0b")
        new = (proxy(require_tls=True), pool(f"{GROUP}.this", "orders", 2))
        both = ((old, old_pool), new)
        orders = found(state(*both[first], *both[1 - first]))
        assert orders.settings["require_tls"] is True
        assert orders.settings["connection_pool"] == {"max_connections_percent": 2}
        deposed = {
            row.resource: (row.value, row.note)
            for row in orders.meaningless
            if row.name == "deposed"
        }
        assert deposed == {
            "aws_db_proxy.this": ("0a", self.NOTE),
            f"{GROUP}.this": ("0b", self.NOTE),
        }

    def test_of_a_proxy_that_is_gone(self) -> None:
        gone = proxy() | {"deposed_key": "0a"}
        assert refusal(state(gone)) == "plan.json has no aws_db_proxy."


class TestCloudControl:
    """The provider awscc: CloudFormation's properties, and objects for blocks."""

    PROXY: Final = "awscc_rds_db_proxy.this"
    POOL: Final = "awscc_rds_db_proxy_target_group.this"
    END: Final = "awscc_rds_db_proxy_endpoint.this"
    KIND: Final = "awscc_secretsmanager_secret"

    def proxy(self, **values: Any) -> Json:
        names = {"db_proxy_name": "orders", "engine_family": "POSTGRESQL"}
        return resource(self.PROXY, names | values)

    def test_all_three_are_read(self) -> None:
        config = {"max_connections_percent": 11, "session_pinning_filters": None}
        owned = {"db_proxy_name": "orders"}
        orders = found(
            state(
                self.proxy(require_tls=True, auth=[{"secret_arn": ARN}]),
                resource(
                    self.POOL,
                    owned
                    | {
                        "connection_pool_configuration_info": config,
                        "target_group_name": "default",
                    },
                ),
                resource(
                    self.END,
                    owned
                    | {"db_proxy_endpoint_name": "ro", "target_role": "READ_ONLY"},
                ),
            )
        )
        assert orders.proxy == self.PROXY
        assert orders.settings == {
            "auth": [{"secret_arn": ARN}],
            "db_proxy_name": "orders",
            "engine_family": "POSTGRESQL",
            "require_tls": True,
            "connection_pool": {"max_connections_percent": 11},
            "endpoints": [{"name": "ro", "target_role": "READ_ONLY"}],
        }
        name = f"{self.POOL}.connection_pool_configuration_info.max_connections_percent"
        assert values(orders.used)[name] == "11"

    def plan(self, auth: Json, *entries: Json) -> Found:
        """Secrets a and b are open, and so is all that awscc computes."""
        computed = {"auth_scheme": True, "iam_auth": True, "secret_arn": True}
        opened = [{k: True for k in computed if k not in entry} for entry in entries]
        return found(
            plan(
                self.proxy(auth=list(entries)),
                *(resource(f"{self.KIND}.{one}", {"name": one}) for one in "ab"),
                unknown={
                    self.PROXY: {
                        "auth": opened,
                        "debug_logging": True,
                        "require_tls": True,
                    }
                },
                written={self.PROXY: {"auth": auth}},
            )
        )

    def test_secrets_are_shared_out_in_order(self) -> None:
        orders = self.plan(
            references(
                f"{self.KIND}.b.id", f"{self.KIND}.b",
                f"{self.KIND}.a.secret_id", f"{self.KIND}.a",
            ),
            {"iam_auth": "REQUIRED"},
            {},
        )  # fmt: skip
        assert orders.settings["auth"] == [
            {"iam_auth": "REQUIRED", "secret_arn": "b"},
            {"secret_arn": "a"},
        ]
        assert orders.unresolved == []

    def test_secrets_that_do_not_fit_are_left_out(self) -> None:
        two = references(f"{self.KIND}.b.id", f"{self.KIND}.a.id")
        orders = self.plan(two, {}, {}, {})
        assert "auth" not in orders.settings
        assert notes(orders.unresolved) == {
            f"{self.PROXY}.auth[{number}].secret_arn": f"{APPLY}: {LEFT_OUT}"
            for number in range(3)
        }

    def test_other_references_may_be_for_any_attribute(self) -> None:
        mixed = references(f"{self.KIND}.b.id", "var.iam_auth")
        orders = self.plan(mixed, {})
        assert "auth" not in orders.settings
        assert values(orders.unresolved)[f"{self.PROXY}.auth[0].iam_auth"] == (
            "var.iam_auth"
        )

    def test_both_providers_may_be_used(self) -> None:
        text = state(self.proxy(), pool(f"{GROUP}.this", "orders", 11))
        assert percent(text, "orders") == 11


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
def test_a_file_that_cannot_be_used_is_refused(text: str, sentence: str) -> None:
    assert refusal(text) == sentence

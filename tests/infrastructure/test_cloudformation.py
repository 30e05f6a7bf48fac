import json
from typing import Any

import pytest

from pinwatch.errors import SettingError
from pinwatch.infrastructure.cloudformation import snake_case
from pinwatch.infrastructure.found import Found
from pinwatch.infrastructure.read import read
from tests.infrastructure.rows import notes, values

FILE = "orders.yaml"
DEPLOYED = "is known only when it is deployed"


def template(properties: str, rest: str = "") -> str:
    """A proxy with these properties, a line each."""
    lines = "\n".join(f"      {line}" for line in properties.splitlines())
    return f"""
Resources:
  Proxy:
    Type: AWS::RDS::DBProxy
    Properties:
      EngineFamily: POSTGRESQL
{lines}
{rest}"""


def found(properties: str, rest: str = "") -> Found:
    return read(template(properties, rest), FILE)


def refusal(text: str, proxy: str | None = None) -> str:
    with pytest.raises(SettingError) as raised:
        read(text, FILE, proxy)
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("RequireTLS", "require_tls"),
        ("IAMAuth", "iam_auth"),
        ("DBProxyName", "db_proxy_name"),
        ("MaxIdleConnectionsPercent", "max_idle_connections_percent"),
    ],
)
def test_a_property_is_a_setting_in_snake_case(name: str, setting: str) -> None:
    assert snake_case(name) == setting


PROXY = """
DBProxyName: orders
RequireTLS: true
DebugLogging: "true"
DefaultAuthScheme: IAM_AUTH
Auth:
  - AuthScheme: SECRETS
    SecretArn: arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf
    IAMAuth: REQUIRED
    ClientPasswordAuthType: POSTGRES_MD5
RoleArn: !GetAtt Role.Arn
"""
POOL = """
  Pool:
    Type: AWS::RDS::DBProxyTargetGroup
    Properties:
      DBProxyName: !Ref Proxy
      TargetGroupName: default
      ConnectionPoolConfigurationInfo:
        MaxConnectionsPercent: 90
        ConnectionBorrowTimeout: "30"
"""
EXPECTED = {
    "require_tls": True,
    "debug_logging": "true",
    "default_auth_scheme": "IAM_AUTH",
    "auth": [
        {
            "secret_arn": (
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
            ),
            "iam_auth": "REQUIRED",
            "client_password_auth_type": "POSTGRES_MD5",
        }
    ],
    "connection_pool": {"max_connections_percent": 90, "connection_borrow_timeout": 30},
}


def without_api_settings_to_come(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in settings if name in EXPECTED}


def test_a_proxy_and_its_target_group_become_settings() -> None:
    orders = found(PROXY, POOL)
    settings = without_api_settings_to_come(orders.settings)
    settings["connection_pool"]["connection_borrow_timeout"] = 30
    assert settings == EXPECTED
    assert notes(orders.used)["Proxy.Auth[0].IAMAuth"] == "auth.iam_auth"
    assert notes(orders.used)[
        "Pool.ConnectionPoolConfigurationInfo.MaxConnectionsPercent"
    ] == ("connection_pool.max_connections_percent")
    assert orders.unresolved == []
    assert values(orders.meaningless)["Proxy.RoleArn"] == "!GetAtt Role.Arn"
    assert values(orders.meaningless)["Proxy.Auth[0].AuthScheme"] == "SECRETS"


def test_json_says_the_same_as_yaml() -> None:
    resources = {
        "Proxy": {
            "Type": "AWS::RDS::DBProxy",
            "Properties": {
                "EngineFamily": "POSTGRESQL",
                "RequireTLS": {"Fn::If": ["Debug", True, False]},
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        }
    }
    region = {"Ref": "AWS::Region"}
    conditions = {"Debug": {"Fn::Equals": [region, region]}}
    orders = read(json.dumps({"Resources": resources, "Conditions": conditions}), FILE)
    same = found(
        "RequireTLS: !If [Debug, true, false]\nRoleArn: !GetAtt Role.Arn",
        'Conditions: {Debug: !Equals [!Ref "AWS::Region", !Ref "AWS::Region"]}',
    )
    assert orders == same
    assert "Proxy.RequireTLS" in values(orders.unresolved)


class TestValues:
    """Each by a debug_logging that is the value's, or by why it is not."""

    def value(self, expression: str, rest: str = "") -> Any:
        return found(f"DebugLogging: {expression}", rest).settings["debug_logging"]

    def why(self, expression: str, rest: str = "") -> str:
        orders = found(f"DebugLogging: {expression}", rest)
        assert "debug_logging" not in orders.settings
        return notes(orders.unresolved)["Proxy.DebugLogging"]

    def test_a_parameter_has_its_default(self) -> None:
        rest = "Parameters: {Debug: {Type: String, Default: 'true'}}"
        assert self.value("!Ref Debug", rest) == "true"

    def test_a_parameter_without_one_is_not_known(self) -> None:
        rest = "Parameters: {Debug: {Type: String}}"
        assert self.why("!Ref Debug", rest) == "the parameter Debug has no default"

    def test_a_parameter_of_ssm_is_not_known(self) -> None:
        rest = (
            "Parameters: {Debug: {Type: 'AWS::SSM::Parameter::Value<String>', "
            "Default: /orders/on}}"
        )
        assert self.why("!Ref Debug", rest) == "the parameter Debug is looked up in SSM"

    def test_a_parameter_may_be_a_list(self) -> None:
        rest = "Parameters: {All: {Type: CommaDelimitedList, Default: 'false, true'}}"
        assert self.value("!Select [1, !Ref All]", rest) == "true"

    def test_pseudo_parameters_and_resources_are_not_known(self) -> None:
        assert self.why("!Ref AWS::Region") == f"AWS::Region {DEPLOYED}"
        assert self.why("!Ref Proxy") == f"Proxy {DEPLOYED}"

    def test_a_name_that_is_not_there_is_reported(self) -> None:
        assert self.why("!Ref Om") == "the template has no Om"

    def test_no_value_is_as_nothing(self) -> None:
        orders = found("DebugLogging: !Ref AWS::NoValue")
        assert "debug_logging" not in orders.settings
        assert "Proxy.DebugLogging" not in notes(orders.unresolved)

    @pytest.mark.parametrize(
        "expression",
        [
            "!Sub '${T}ue'",
            "!Sub ['${x}ue', {x: !Ref T}]",
            "!Sub ['${x}', {x: !If [Never, false, true]}]",
            "!Join ['', [!Ref T, ue]]",
            "!Join ['', [tr, !Ref AWS::NoValue, ue]]",
            "!Select [1, !Split ['-', 'false-true']]",
            "!FindInMap [Map, !Ref T, key]",
            "!FindInMap [Map, 'true', key]",
            "!FindInMap [Map, x, y, {DefaultValue: true}]",
            "!If [Always, true, false]",
            "!If [Never, false, true]",
            "!If [Always, !If [Never, false, true], false]",
            "{'Fn::If': [Always, true, false]}",
        ],
    )
    def test_functions_are_resolved(self, expression: str) -> None:
        rest = """
Parameters: {T: {Type: String, Default: tr}}
Mappings: {Map: {tr: {key: true}, true: {key: true}}}
Conditions:
  Always: !Equals [!Ref T, tr]
  Never: !Not [!Condition Always]
"""
        assert str(self.value(expression, rest)).lower() == "true"

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ("!Equals [true, 'true']", True),
            ("!Equals [1, '1']", True),
            ("!Equals [1, 2]", False),
            ("!And [!Condition Always, !Condition Always]", True),
            ("!And [!Condition Always, !Condition Never]", False),
            ("!And [!Condition Open, !Condition Never]", False),
            ("!Or [!Condition Never, !Condition Always]", True),
            ("!Or [!Condition Open, !Condition Always]", True),
            ("!Or [!Condition Never, !Condition Never]", False),
            ("!Not [!Condition Never]", True),
            ("{Condition: Always}", True),
        ],
    )
    def test_conditions_are_resolved(self, condition: str, holds: bool) -> None:
        rest = f"""
Conditions:
  Always: !Equals [a, a]
  Never: !Equals [a, b]
  Open: !Equals [!Ref AWS::Region, a]
  It: {condition}
"""
        assert self.value("!If [It, true, false]", rest) is holds

    @pytest.mark.parametrize(
        ("expression", "why"),
        [
            ("!Sub '${Role.Arn}'", f"Role.Arn {DEPLOYED}"),
            ("!Sub '${AWS::StackName}'", f"AWS::StackName {DEPLOYED}"),
            ("!Transform {Name: a}", f"the value of !Transform {DEPLOYED}"),
            ("!ImportValue on", f"the value of !ImportValue {DEPLOYED}"),
            ("[a, !Ref AWS::Region]", f"AWS::Region {DEPLOYED}"),
            ("!GetAtt Role.Arn", f"the value of !GetAtt {DEPLOYED}"),
            ("!FindInMap [Map, a, b]", "the mappings have no Map.a.b"),
            ("!FindInMap [Map, !Ref AWS::Region, b]", f"AWS::Region {DEPLOYED}"),
            ("!Select [0, !Split [a, !Ref AWS::Region]]", f"AWS::Region {DEPLOYED}"),
            ("!Select [5, [true]]", "!Select cannot have this argument"),
            ("!Select [-1, [true]]", "!Select cannot have this argument"),
            ("!Select [.inf, [true]]", "!Select cannot have this argument"),
            ("!Sub [a]", "!Sub cannot have this argument"),
            ("!If [It, true]", "!If cannot have this argument"),
            (
                "!If [It, true, false]",
                "It is not known: the template has no condition It",
            ),
            ("!If [Open, 1, 0]", f"Open is not known: AWS::Region {DEPLOYED}"),
            ("!If [Wrong, 1, 0]", "Wrong is not known: !Sub a is not a condition"),
            ("'{{resolve:ssm:/on}}'", f"it is looked up and {DEPLOYED}"),
        ],
    )
    def test_an_unknown_value_says_why(self, expression: str, why: str) -> None:
        rest = """
Conditions:
  Open: !And [!Equals [a, a], !Not [!Equals [!Ref AWS::Region, a]]]
  Wrong: !Sub a
"""
        assert self.why(expression, rest) == why

    def test_it_is_shown_as_far_as_it_is_known(self) -> None:
        orders = found(
            "Auth: [{SecretArn: !Sub '${AWS::StackName}-${Stage}-${!x}:'}]",
            "Parameters: {Stage: {Type: String, Default: test}}",
        )
        shown = values(orders.unresolved)["Proxy.Auth[0].SecretArn"]
        assert shown == "${AWS::StackName}-test-${x}:"

    def test_a_value_without_local_meaning_is_shown_as_written(self) -> None:
        rows = found(
            "VpcSubnetIds: !If [x, [!Ref A, !GetAtt B.C], !Sub '${D}']\n"
            "Tags: [{Key: a}]"
        ).meaningless
        assert values(rows)["Proxy.VpcSubnetIds"] == (
            "!If [x, [!Ref A, !GetAtt B.C], !Sub ${D}]"
        )
        assert values(rows)["Proxy.Tags"] == "[{Key: a}]"

    def test_a_value_cannot_move_the_cursor(self) -> None:
        rows = found('RoleArn: "a\\e[2J\\nb"').meaningless
        assert values(rows)["Proxy.RoleArn"] == "a [2J b"

    def test_a_parameter_that_is_not_echoed_is_not_shown(self) -> None:
        orders = found(
            "Auth: [{SecretArn: !Ref Name}]",
            "Parameters: {Name: {Type: String, NoEcho: true, Default: app}}",
        )
        assert orders.settings["auth"] == [{"secret_arn": "app"}]
        assert values(orders.used)["Proxy.Auth[0].SecretArn"] == "(hidden)"


class TestSecrets:
    """A secret that the template itself makes has a name, but no ARN yet."""

    SECRET = """
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties: {Name: !Sub 'orders/${Stage}'}
  Attachment:
    Type: AWS::SecretsManager::SecretTargetAttachment
    Properties: {SecretId: !Ref Secret}
  Unnamed:
    Type: AWS::SecretsManager::Secret
Parameters: {Stage: {Type: String, Default: test}}
"""

    @pytest.mark.parametrize(
        "expression",
        [
            "!Ref Secret",
            "!GetAtt Secret.Id",
            "{'Fn::GetAtt': Secret.Id}",
            "{'Fn::GetAtt': [Secret, Id]}",
            "!Ref Attachment",
            "!Sub '${Secret}'",
            "!Sub '${Secret.Id}'",
            "!Join ['', [!Ref Secret]]",
            "!If [None, a, !Sub '${Attachment}']",
            "!If [None, a, !Ref Secret]",
            "!Sub 'arn:${AWS::Partition}:secretsmanager:${AWS::Region}:"
            "${AWS::AccountId}:secret:orders/${Stage}'",
            "!Join ['', ['arn:', !Ref AWS::Partition, ':secretsmanager:', "
            "!Ref AWS::Region, ':123456789012:secret:orders/test']]",
        ],
    )
    def test_it_is_known_by_its_name(self, expression: str) -> None:
        conditions = "Conditions: {None: !Equals [a, b]}"
        orders = found(f"Auth: [{{SecretArn: {expression}}}]", self.SECRET + conditions)
        assert orders.settings["auth"] == [{"secret_arn": "orders/test"}]

    def test_without_a_name_its_entry_is_left_out(self) -> None:
        orders = found(
            "Auth:\n"
            "  - {SecretArn: !Ref Unnamed, IAMAuth: REQUIRED}\n"
            "  - {SecretArn: !Ref Secret}",
            self.SECRET,
        )
        assert orders.settings["auth"] == [{"secret_arn": "orders/test"}]
        left_out = "the entry that it belongs to is left out"
        why = f"the ARN of Unnamed {DEPLOYED}, and so is its name"
        assert notes(orders.unresolved) == {
            "Proxy.Auth[0].SecretArn": f"{why}: {left_out}",
            "Proxy.Auth[0].IAMAuth": left_out,
        }

    def test_a_secret_of_two_is_known_by_the_condition(self) -> None:
        orders = found(
            "Auth: [{SecretArn: !If [Always, !Ref Secret, !Ref Unnamed]}]",
            self.SECRET + "Conditions: {Always: !Equals [a, a]}",
        )
        assert orders.settings["auth"] == [{"secret_arn": "orders/test"}]

    def test_the_entries_may_be_chosen_by_a_condition(self) -> None:
        orders = found(
            "Auth: !If [Always, [{SecretArn: !Ref Secret}], !Ref AWS::NoValue]",
            self.SECRET + "Conditions: {Always: !Equals [a, a]}",
        )
        assert orders.settings["auth"] == [{"secret_arn": "orders/test"}]

    def test_all_entries_may_be_unknown(self) -> None:
        orders = found("Auth: !If [Open, [], []]")
        assert "auth" not in orders.settings
        assert "Proxy.Auth" in notes(orders.unresolved)

    def test_an_entry_may_be_selected(self) -> None:
        entries = "[{SecretArn: !Ref AWS::NoValue}, {SecretArn: !Sub 'app'}]"
        orders = found(f"Auth: [!Select [1, {entries}]]")
        assert orders.settings["auth"] == [{"secret_arn": "app"}]

    def test_entries_may_come_from_a_mapping(self) -> None:
        orders = found(
            "Auth: [{SecretArn: !FindInMap [Secrets, test, name]}]",
            "Mappings: {Secrets: {test: {name: app}}}",
        )
        assert orders.settings["auth"] == [{"secret_arn": "app"}]


SEVERAL = """
Parameters:
  Stage: {Type: String, Default: test}
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
  Open: !Equals [!Ref AWS::Region, eu-central-1]
Resources:
  Orders:
    Type: AWS::RDS::DBProxy
    Properties: {DBProxyName: !Sub 'orders-${Stage}', EngineFamily: POSTGRESQL}
  Bills:
    Type: AWS::RDS::DBProxy
    Condition: Open
    Properties: {DBProxyName: !Sub '${AWS::StackName}', EngineFamily: POSTGRESQL}
  Old:
    Type: AWS::RDS::DBProxy
    Condition: IsProduction
    Properties: {DBProxyName: old, EngineFamily: MYSQL}
  OrdersPool:
    Type: AWS::RDS::DBProxyTargetGroup
    Properties:
      DBProxyName: !Sub 'orders-${Stage}'
      ConnectionPoolConfigurationInfo: {MaxConnectionsPercent: 10}
  BillsPool:
    Type: AWS::RDS::DBProxyTargetGroup
    Properties:
      DBProxyName: !Sub '${AWS::StackName}'
      ConnectionPoolConfigurationInfo: {MaxConnectionsPercent: 20}
  ProductionPool:
    Type: AWS::RDS::DBProxyTargetGroup
    Condition: IsProduction
    Properties:
      DBProxyName: !Ref Orders
      ConnectionPoolConfigurationInfo: {MaxConnectionsPercent: 30}
  Foreign:
    Type: AWS::RDS::DBProxyTargetGroup
    Properties: {DBProxyName: another}
  Unknown:
    Type: AWS::RDS::DBProxyEndpoint
    Properties: {DBProxyName: !ImportValue proxy}
  Reports:
    Type: AWS::RDS::DBProxyEndpoint
    Properties:
      DBProxyName: !Ref Orders
      DBProxyEndpointName: reports
      TargetRole: READ_ONLY
"""


class TestSeveralProxies:
    def test_one_has_to_be_chosen(self) -> None:
        assert refusal(SEVERAL) == (
            "orders.yaml has the proxies Orders (orders-test) and Bills: choose one "
            "with --proxy."
        )

    def test_another_name_is_refused(self) -> None:
        assert refusal(SEVERAL, "Old") == (
            "orders.yaml has no proxy Old, but Orders (orders-test) and Bills."
        )

    @pytest.mark.parametrize("name", ["Orders", "orders-test"])
    def test_it_has_two_names(self, name: str) -> None:
        orders = read(SEVERAL, FILE, name)
        assert orders.proxy == "Orders"
        assert orders.settings["connection_pool"] == {"max_connections_percent": 10}

    def test_they_are_matched_by_a_name_that_is_not_known(self) -> None:
        bills = read(SEVERAL, FILE, "Bills")
        assert bills.settings["connection_pool"] == {"max_connections_percent": 20}

    def test_conditions_of_resources_are_reported(self) -> None:
        orders, bills = read(SEVERAL, FILE, "Orders"), read(SEVERAL, FILE, "Bills")
        assert values(orders.meaningless)["ProductionPool.Condition"] == (
            "IsProduction does not hold, so this is not created"
        )
        assert notes(bills.unresolved)["Bills.Condition"] == (
            f"AWS::Region {DEPLOYED}: it is assumed to hold"
        )

    def test_an_endpoint_with_an_unknown_proxy_is_reported(self) -> None:
        orders = read(SEVERAL, FILE, "Orders")
        assert notes(orders.unresolved)["Unknown.DBProxyName"] == (
            f"its proxy is not known: the value of !ImportValue {DEPLOYED}"
        )

    def test_no_property_is_passed_over(self) -> None:
        orders = read(SEVERAL, FILE, "Orders")
        rows = values([*orders.used, *orders.meaningless])
        assert rows["Reports.DBProxyEndpointName"] == "reports"
        assert rows["Reports.TargetRole"] == "READ_ONLY"
        assert not any(row.startswith("Foreign") for row in rows)


def owned(owner: str, rest: str = "") -> str:
    """Return a template with two proxies and a target group; A alone is created."""
    return f"""
Parameters:
  Stage: {{Type: String, Default: prod}}
  Name: {{Type: String, Default: app}}
  Unset: {{Type: String}}
Conditions:
  Prod: !Equals [!Ref Stage, prod]
  Dev: !Not [!Condition Prod]
Mappings: {{Names: {{prod: {{proxy: app}}}}}}
Resources:
  A:
    Type: AWS::RDS::DBProxy
    Condition: Prod
    Properties: {{DBProxyName: app, EngineFamily: POSTGRESQL}}
  B:
    Type: AWS::RDS::DBProxy
    Condition: Dev
    Properties: {{DBProxyName: app, EngineFamily: POSTGRESQL}}
  Pool:
    Type: AWS::RDS::DBProxyTargetGroup
    Properties:
      DBProxyName: {owner}
      ConnectionPoolConfigurationInfo: {{MaxConnectionsPercent: 11}}
  End:
    Type: AWS::RDS::DBProxyEndpoint
    Properties: {{DBProxyName: {owner}, DBProxyEndpointName: reports}}
{rest}"""


def same_name(a: str, b: str, pool: str, conditions: str, name: str = "app") -> str:
    """Two proxies with one name, and a target group with it; each with attributes."""
    return f"""
Parameters:
  Unset: {{Type: String}}
  One: {{Type: String, Default: app}}
  Two: {{Type: String, Default: app}}
Conditions: {conditions}
Resources:
  A: {{Type: AWS::RDS::DBProxy, {a}}}
  B: {{Type: AWS::RDS::DBProxy, {b}}}
  Pool:
    Type: AWS::RDS::DBProxyTargetGroup
    {pool}
    Properties:
      DBProxyName: {name}
      ConnectionPoolConfigurationInfo: {{MaxConnectionsPercent: 11}}
"""


def has_pool(text: str, proxy: str) -> bool:
    return "connection_pool" in read(text, FILE, proxy).settings


class TestOwners:
    @pytest.mark.parametrize(
        "owner",
        [
            "app",
            "!Ref A",
            "!Ref Name",
            "!Sub '${A}'",
            "!Sub '${ A }'",
            "!Sub ['${x}', {x: !Ref A}]",
            "!Join ['', [!Ref A]]",
            "!Select [0, [!Ref A, !Ref B]]",
            "!If [Prod, !Ref A, !Ref B]",
            "!If [Dev, !Ref B, !Sub '${A}']",
            "!If [Prod, !If [Dev, !Ref B, !Ref A], b]",
            "!GetAtt A.DBProxyName",
            "{'Fn::GetAtt': [A, DBProxyName]}",
            "!Sub '${A.DBProxyName}'",
            "!FindInMap [Names, !Ref Stage, proxy]",
        ],
    )
    def test_an_owner_is_found_through_functions(self, owner: str) -> None:
        orders = read(owned(owner), FILE)
        assert orders.proxy == "A"
        assert orders.settings["connection_pool"] == {"max_connections_percent": 11}
        assert orders.settings["endpoints"][0]["name"] == "reports"
        assert orders.unresolved == []
        assert values(orders.meaningless)["B.Condition"] == (
            "Dev does not hold, so this is not created"
        )

    @pytest.mark.parametrize("owner", ["!Ref B", "!Sub '${B}'", "!GetAtt B.Endpoint"])
    def test_a_proxy_that_is_not_created_has_no_target_group_here(
        self, owner: str
    ) -> None:
        orders = read(owned(owner), FILE)
        assert "connection_pool" not in orders.settings
        rows = notes(orders.meaningless)
        assert rows["Pool.DBProxyName"] == "it belongs to another proxy"
        assert rows["End.DBProxyName"] == "it belongs to another proxy"

    @pytest.mark.parametrize(
        ("owner", "why"),
        [
            ("other", "no AWS::RDS::DBProxy in the file is known by this name"),
            ("!Sub '${A}-reader'", f"its proxy is not known: A {DEPLOYED}"),
            (
                "!Ref Unset",
                "its proxy is not known: the parameter Unset has no default",
            ),
            (
                "!GetAtt Stack.Outputs.Proxy",
                f"its proxy is not known: the value of !GetAtt {DEPLOYED}",
            ),
            ("!Ref AWS::NoValue", "it has no DBProxyName"),
        ],
    )
    def test_an_owner_that_is_not_found_is_reported(self, owner: str, why: str) -> None:
        orders = read(owned(owner), FILE)
        assert "connection_pool" not in orders.settings
        assert notes(orders.unresolved) == {
            "Pool.DBProxyName": why,
            "End.DBProxyName": why,
        }

    @pytest.mark.parametrize(
        "owner", ["!Ref Hidden", "!Sub '${Hidden}-${AWS::Region}'"]
    )
    def test_an_owner_that_is_not_echoed_is_not_shown(self, owner: str) -> None:
        hidden = "  Hidden: {Type: String, NoEcho: true, Default: s3cret}\n"
        text = owned(owner).replace("Conditions:", f"{hidden}Conditions:")
        orders = read(text, FILE)
        assert values(orders.unresolved)["Pool.DBProxyName"] == "(hidden)"
        assert "s3cret" not in str(orders)

    def test_a_target_group_without_an_owner_is_reported(self) -> None:
        text = owned("app").replace("DBProxyName: app\n", "Tags: []\n")
        assert notes(read(text, FILE).unresolved) == {
            "Pool.DBProxyName": "it has no DBProxyName"
        }


APP = "Properties: {DBProxyName: app, EngineFamily: POSTGRESQL}"


class TestEqualNames:
    """Two proxies whose conditions are not known, or that have none."""

    @pytest.mark.parametrize(
        "conditions",
        [
            "{P: !Equals [!Ref Unset, p], D: !Not [!Condition P]}",
            "{D: !Equals [!Ref Unset, d], P: !Not [!Condition D]}",
            "{P: !Equals [!Ref Unset, p], D: !Equals [d, !Ref Unset]}",
            "{X: !Equals [!Ref AWS::Region, x], P: !And [!Condition X, !Condition X],"
            " D: !Not [!Condition X]}",
            "{X: !Equals [!Ref AWS::Region, x], P: !Condition X,"
            " D: !Not [!Or [!Condition X, !Condition X]]}",
        ],
    )
    def test_the_condition_of_the_chosen_one_holds(self, conditions: str) -> None:
        text = same_name(f"Condition: P, {APP}", f"Condition: D, {APP}", "", conditions)
        for chosen, other, name in (("A", "B", "D"), ("B", "A", "P")):
            orders = read(text, FILE, chosen)
            assert orders.settings["connection_pool"] == {"max_connections_percent": 11}
            assert values(orders.meaningless)[f"{other}.Condition"] == (
                f"{name} does not hold, so this is not created"
            )
            assert notes(orders.unresolved).keys() == {f"{chosen}.Condition"}

    def test_the_condition_of_the_chosen_one_holds_in_values(self) -> None:
        properties = (
            "Properties: {EngineFamily: POSTGRESQL, RequireTLS: !If [P, true, false]}"
        )
        conditions = "{P: !Equals [!Ref Unset, p]}"
        text = same_name(f"Condition: P, {properties}", APP, "", conditions)
        assert read(text, FILE, "A").settings["require_tls"] is True

    @pytest.mark.parametrize(
        ("a", "b", "pool", "name"),
        [
            (APP, APP, "DependsOn: A", "app"),
            (APP, APP, "DependsOn: [Role, A]", "app"),
            (APP.replace("app", "!Ref One"), APP.replace("app", "!Ref Two"), "",
             "!Ref One"),
            (f"Condition: P, {APP}", f"Condition: Q, {APP}", "Condition: P", "app"),
        ],
    )  # fmt: skip
    def test_a_reference_decides(self, a: str, b: str, pool: str, name: str) -> None:
        conditions = "{P: !Equals [!Ref AWS::Region, p], Q: !Equals [1, 1]}"
        text = same_name(a, b, pool, conditions, name)
        assert (has_pool(text, "A"), has_pool(text, "B")) == (True, False)

    def test_a_tie_is_reported_and_left_out(self) -> None:
        text = same_name(APP, APP, "", "{}")
        for chosen in ("A", "B"):
            orders = read(text, FILE, chosen)
            assert "connection_pool" not in orders.settings
            assert notes(orders.unresolved) == {
                "Pool.DBProxyName": "it may belong to A or B"
            }

    def test_the_name_chooses_neither(self) -> None:
        assert refusal(same_name(APP, APP, "", "{}"), "app") == (
            "orders.yaml has 2 proxies with the name app: choose A or B with --proxy."
        )

    def test_two_target_groups_of_a_proxy_are_a_tie(self) -> None:
        second = POOL.replace("Pool:", "Second:").replace("90", "80")
        orders = found("DBProxyName: orders", POOL + second)
        assert orders.settings["connection_pool"] == {"connection_borrow_timeout": "30"}
        why = "Pool and Second set connection_pool.max_connections_percent differently"
        name = "ConnectionPoolConfigurationInfo.MaxConnectionsPercent"
        assert notes(orders.unresolved) == {
            f"Pool.{name}": why,
            f"Second.{name}": why,
        }

    def test_one_of_two_target_groups_may_not_be_created(self) -> None:
        second = POOL.replace("Pool:", "Second:").replace("90", "80")
        second = second.replace(
            "    Properties:", "    Condition: Never\n    Properties:"
        )
        never = "Conditions: {Never: !Equals [a, b]}"
        orders = found("DBProxyName: orders", POOL + second + never)
        assert orders.settings["connection_pool"]["max_connections_percent"] == 90
        assert orders.unresolved == []


class TestSpelling:
    """CloudFormation refuses a property in another case."""

    @pytest.mark.parametrize(
        ("properties", "rest", "where", "wrong", "right"),
        [
            ("Auth: [{SecretARN: app}]", "", "Proxy", "SecretARN", "SecretArn"),
            ("Auth: [{IamAuth: REQUIRED}]", "", "Proxy", "IamAuth", "IAMAuth"),
            ("RequireTls: true", "", "Proxy", "RequireTls", "RequireTLS"),
            ("require_tls: true", "", "Proxy", "require_tls", "RequireTLS"),
            ("rolearn: a", "", "Proxy", "rolearn", "RoleArn"),
            ("", POOL.replace("MaxConn", "maxConn"), "Pool", "maxConnectionsPercent",
             "MaxConnectionsPercent"),
            ("", POOL.replace("ConfigurationInfo", ""), "Pool", "ConnectionPool",
             "ConnectionPoolConfigurationInfo"),
            ("", POOL.replace("TargetGroupName", "targetGroupName"), "Pool",
             "targetGroupName", "TargetGroupName"),
        ],
    )  # fmt: skip
    def test_another_spelling_is_refused(
        self, properties: str, rest: str, where: str, wrong: str, right: str
    ) -> None:
        assert refusal(template(properties, rest)) == (
            f"{FILE}: {where} has the property {wrong}, which CloudFormation refuses: "
            f"it is {right}."
        )

    def test_a_property_that_is_not_known_has_a_note(self) -> None:
        orders = found("IdleTimeout: 9\nTags: []")
        assert notes(orders.meaningless) == {
            "Proxy.IdleTimeout": "pinwatch does not know this property",
            "Proxy.Tags": "",
        }


@pytest.mark.parametrize(
    ("properties", "rest", "sentence"),
    [
        (
            "EngineFamily: MYSQL",
            "",
            "Proxy.EngineFamily is MYSQL, but pinwatch is for POSTGRESQL.",
        ),
        (
            "RequireTLS: !Sub '${T}'",
            "Parameters: {T: {Type: String, Default: perhaps}}",
            "Proxy.RequireTLS is perhaps, but must be true or false.",
        ),
        (
            "",
            POOL.replace("90", "101"),
            "Pool.ConnectionPoolConfigurationInfo.MaxConnectionsPercent is 101, but "
            "must be a whole number from 1 to 100.",
        ),
        (
            "",
            POOL.replace('"30"', "301"),
            "Pool.ConnectionPoolConfigurationInfo.ConnectionBorrowTimeout is 301, but "
            "must be a number from 0 to 300.",
        ),
        (
            "Auth: [{SecretArn: a, IAMAuth: ENABLED}]",
            "",
            "Proxy.Auth[0].IAMAuth is ENABLED, but must be DISABLED or REQUIRED.",
        ),
        (
            "Auth:\n  - {SecretArn: !Ref AWS::Region}\n  - {SecretArn: 'a:b'}",
            "",
            "Proxy.Auth[1].SecretArn is a:b, but must be a secret's ARN or name.",
        ),
        (
            "Auth: [{IAMAuth: REQUIRED}]",
            "",
            "Proxy.Auth[0]: give one of secret_arn, secret_file, or username and "
            "password.",
        ),
        (
            "Auth: [a]",
            "",
            "Proxy.Auth[0]: give one of secret_arn, secret_file, or username and "
            "password.",
        ),
        ("Auth: {SecretArn: a}", "", "Proxy.Auth must be a list."),
        ("Auth: a", "", "Proxy.Auth is a, but must be a list."),
        (
            "Auth: [{SecretArn: !Ref Name}]",
            "Parameters: {Name: {Type: String, NoEcho: 'true', Default: 'a:b'}}",
            "Proxy.Auth[0].SecretArn is (hidden), but must be a secret's ARN or name.",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(
    properties: str, rest: str, sentence: str
) -> None:
    assert refusal(template(properties, rest)) == f"{FILE}: {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Resources: {}", "orders.yaml has no AWS::RDS::DBProxy."),
        (
            "",
            "orders.yaml is neither a CloudFormation template nor the output of "
            "terraform show -json.",
        ),
        (
            "Resources: []",
            "orders.yaml is neither a CloudFormation template nor the output of "
            "terraform show -json.",
        ),
        (
            "Resources:\n  a: [",
            "orders.yaml is not valid YAML: line 3: did not find expected node "
            "content.",
        ),
        (
            "Resources: \x07",
            "orders.yaml is not valid YAML: unacceptable character #x0007: control "
            "characters are not allowed.",
        ),
        (
            "a: !!python/none x",
            "orders.yaml is not valid YAML: line 1: could not determine a constructor "
            "for the tag 'tag:yaml.org,2002:python/none'.",
        ),
        (
            '{"Resources": }',
            "orders.yaml is not valid JSON: Expecting value: line 1 column 15 (char 14)"
            ".",
        ),
        (
            template(
                "RequireTLS: !If [A, true, false]",
                "Conditions: {A: !Not [!Condition A]}",
            ),
            "orders.yaml refers to itself without end, or is nested too deeply.",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


def test_resources_of_other_shapes_do_no_harm() -> None:
    rest = "  A: a\n  B: {Type: AWS::RDS::DBProxyTargetGroup}\n  C: {Properties: 1}"
    assert found("RequireTLS: true", rest).settings["require_tls"] is True


LOOP = """
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Proxies:
    - Name
    - [orders, billing]
    - Proxy${Name}:
        Type: AWS::RDS::DBProxy
        Properties: {EngineFamily: POSTGRESQL, DBProxyName: !Ref Name}
"""


def test_a_proxy_in_a_loop_can_not_be_read() -> None:
    assert refusal(LOOP) == (
        "orders.yaml has AWS::RDS::DBProxy in Fn::ForEach::Proxies, which can't be "
        "read: give the output of aws cloudformation get-template --template-stage "
        "Processed."
    )


def test_a_loop_of_other_things_is_passed_over() -> None:
    loop = LOOP.partition("Resources:")[2].replace("RDS::DBProxy", "SQS::Queue")
    assert found("RequireTLS: true", loop.strip("\n")).settings["require_tls"] is True

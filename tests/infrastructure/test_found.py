import json
from collections.abc import Iterator
from typing import Annotated, Any, Self

import pytest
from pydantic import Field, model_validator

from pinwatch.config import describe, model
from pinwatch.errors import SettingError
from pinwatch.infrastructure import found
from pinwatch.infrastructure.read import read
from tests.infrastructure.rows import notes, values

TEMPLATE = """
Resources:
  Proxy:
    Type: AWS::RDS::DBProxy
    Properties:
      EngineFamily: POSTGRESQL
      BoredomTimeout: 900
  First:
    Type: AWS::RDS::DBProxyEndpoint
    Properties: {DBProxyName: !Ref Proxy, DBProxyEndpointName: !Ref AWS::Region}
  Second:
    Type: AWS::RDS::DBProxyEndpoint
    Properties:
      DBProxyName: !Ref Proxy
      DBProxyEndpointName: reports
      TargetRole: READ_ONLY
"""


class SettingsToCome(model.Settings):
    boredom_timeout: Annotated[int, Field(ge=1)] = 1800

    @model_validator(mode="after")
    def _not_all(self) -> Self:
        if self.boredom_timeout == 13:
            raise ValueError("boredom_timeout and endpoints do not go together")
        return self


@pytest.fixture
def settings_to_come(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (describe, found):
        monkeypatch.setattr(module, "Settings", SettingsToCome)
    describe.settings.cache_clear()
    yield
    monkeypatch.undo()
    describe.settings.cache_clear()


def test_a_property_that_the_model_lacks_has_no_local_meaning() -> None:
    rows = values(read(TEMPLATE, "t.yaml").meaningless)
    assert rows["Proxy.BoredomTimeout"] == "900"


@pytest.mark.usefixtures("settings_to_come")
def test_a_setting_added_to_the_model_is_used() -> None:
    proxy = read(TEMPLATE, "t.yaml")
    assert proxy.settings["boredom_timeout"] == 900
    assert notes(proxy.used)["Proxy.BoredomTimeout"] == "boredom_timeout"


@pytest.mark.usefixtures("settings_to_come")
def test_an_endpoint_without_a_name_is_left_out() -> None:
    proxy = read(TEMPLATE, "t.yaml")
    assert proxy.settings["endpoints"] == [
        {"name": "reports", "target_role": "READ_ONLY"}
    ]
    assert "First.DBProxyEndpointName" in notes(proxy.unresolved)


@pytest.mark.usefixtures("settings_to_come")
def test_a_place_in_a_list_is_reported_as_it_is_written() -> None:
    with pytest.raises(SettingError) as raised:
        read(TEMPLATE.replace("READ_ONLY", "BOTH"), "t.yaml")
    assert str(raised.value) == (
        "t.yaml: Second.TargetRole is BOTH, but must be READ_WRITE or READ_ONLY."
    )


@pytest.mark.usefixtures("settings_to_come")
def test_an_error_of_the_whole_names_no_property() -> None:
    with pytest.raises(SettingError) as raised:
        read(TEMPLATE.replace("900", "13"), "t.yaml")
    assert str(raised.value) == (
        "t.yaml: boredom_timeout and endpoints do not go together."
    )


@pytest.mark.parametrize("setting", sorted(found.LOCAL - {"auth.username"}))
def test_a_property_cannot_change_a_setting_of_this_machine(setting: str) -> None:
    """CloudFormation itself has UserName."""
    assert setting in describe.settings()
    table, _, name = setting.rpartition(".")
    property_ = {"".join(word.capitalize() for word in name.split("_")): "a"}
    written: dict[str, dict[str, Any]] = {
        "": {"EngineFamily": "POSTGRESQL", "Auth": [{"SecretArn": "a"}]},
        "auth": {"SecretArn": "a"},
        "endpoints": {
            "DBProxyName": {"Ref": "Proxy"},
            "DBProxyEndpointName": "reports",
        },
    }
    written[table] |= property_
    written[""]["Auth"] = [written["auth"]]
    resources = {
        "Proxy": {"Type": "AWS::RDS::DBProxy", "Properties": written[""]},
        "End": {
            "Type": "AWS::RDS::DBProxyEndpoint",
            "Properties": written["endpoints"],
        },
    }
    proxy = read(json.dumps({"Resources": resources}), "t.json")
    assert proxy.settings == {
        "engine_family": "POSTGRESQL",
        "auth": [{"secret_arn": "a"}],
        "endpoints": [{"name": "reports"}],
    }
    assert "a" in values(proxy.meaningless).values()

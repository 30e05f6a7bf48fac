"""The compose file is one, and its services find what they look for."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from pinwatch.config.load import load
from pinwatch.config.target import Target
from tests.docker.compose import (
    COMPOSE,
    FILE,
    FOLDER,
    ROOT,
    SERVICES,
    contents,
    interpolated,
    lay_out,
    mounts,
    option,
)
from tests.grafana.written import DASHBOARD, provisioned


def test_it_is_what_compose_s_schema_allows() -> None:
    check = [sys.executable, "-m", "check_jsonschema"]
    schema = ["--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*check, *schema, FILE], check=True)


@pytest.mark.parametrize("service", SERVICES)
def test_what_it_mounts_is_there(service: str) -> None:
    assert [path for path in mounts(service).values() if not path.exists()] == []


@pytest.mark.parametrize("service", [s for s in SERVICES if "build" not in SERVICES[s]])
def test_versions_are_pinned(service: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?", SERVICES[service]["image"])


def test_nothing_listens_for_other_machines() -> None:
    ports = [port for one in SERVICES.values() for port in one.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_service_that_is_waited_for_has_a_health_check() -> None:
    waited = {name for one in SERVICES.values() for name in one.get("depends_on", ())}
    built = {name for name, one in SERVICES.items() if "build" in one}
    assert waited - built == {n for n in waited if "healthcheck" in SERVICES[n]}


def test_pinwatch_has_the_settings_that_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The settings come from the file and the variables of compose and image."""
    service = SERVICES["pinwatch"]
    of_image = DockerfileParser(str(FOLDER / "Dockerfile")).envs
    for name, value in (of_image | service["environment"]).items():
        if name.startswith("PINWATCH_"):
            monkeypatch.setenv(name, interpolated(value, {}))
    settings = load({}, mounts("pinwatch")[Path(service["command"][-1])])
    assert not settings.listen.is_loopback
    assert settings.target is not None
    assert Target.parse(settings.target).host in SERVICES
    assert settings.auth


def test_one_token_for_all_who_ask_pinwatch() -> None:
    tokens = {
        SERVICES["pinwatch"]["environment"]["PINWATCH_HTTP_TOKEN"],
        SERVICES["grafana"]["environment"]["PINWATCH_HTTP_TOKEN"],
        COMPOSE["configs"]["http-token"]["content"],
    }
    assert len(tokens) == 1
    assert list(contents("prometheus", {"PINWATCH_HTTP_TOKEN": "own"}).values()) == [
        "own"
    ]


def test_the_instance_is_the_address_that_a_browser_opens() -> None:
    """The dashboard's links are of the form http://${instance}/."""
    file = mounts("prometheus")[Path(option("prometheus", "config.file"))]
    (scraped,) = yaml.safe_load(file.read_text())["scrape_configs"]
    (static,) = scraped["static_configs"]
    port = static["targets"][0].rpartition(":")[2]
    assert f"{static['labels']['instance']}:{port}" in SERVICES["pinwatch"]["ports"]


def test_grafana_s_variables_are_set() -> None:
    asked = set(re.findall(r"\$(\w+)", json.dumps(provisioned("datasources"))))
    assert asked
    assert asked <= set(SERVICES["grafana"]["environment"])


def test_grafana_finds_its_dashboard(tmp_path: Path) -> None:
    lay_out("grafana", tmp_path, {})
    environment = SERVICES["grafana"]["environment"]
    home = environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    (provider,) = provisioned("dashboards")["providers"]
    assert Path(home).parent == Path(provider["options"]["path"])
    assert json.loads((tmp_path / home[1:]).read_text()) == DASHBOARD


def test_grafana_s_plugin_is_that_of_the_data_source() -> None:
    types = {one["type"] for one in provisioned("datasources")["datasources"]}
    preinstalled = SERVICES["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    assert types == {"prometheus", preinstalled.partition("@")[0]}


def test_grafana_knows_how_often_prometheus_scrapes() -> None:
    file = mounts("prometheus")[Path(option("prometheus", "config.file"))]
    scraping = yaml.safe_load(file.read_text())["global"]["scrape_interval"]
    (interval,) = [
        one["jsonData"]["timeInterval"]
        for one in provisioned("datasources")["datasources"]
        if one["type"] == "prometheus"
    ]
    assert interval == scraping


def test_the_command_that_the_file_names_is_its_own() -> None:
    (named,) = re.findall(r"docker compose -f (\S+) up", FILE.read_text())
    assert ROOT / named == FILE

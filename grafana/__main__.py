"""python -m grafana: write what Grafana and Prometheus read, over what is there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import dashboard, rules
from grafana.alerts import ALERTS

FOLDER: Final = Path(__file__).parent
HEADING: Final = "# Written by `python -m grafana`, of grafana/alerts.py.\n"


def as_json(value: object) -> str:
    return json.dumps(value, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def as_yaml(value: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=88)
    return HEADING + text


FILES: Final[dict[str, Callable[[], str]]] = {
    "dashboards/pinwatch.json": lambda: as_json(dashboard.build()),
    "provisioning/alerting/pinwatch.yaml": lambda: as_yaml(rules.of_grafana(ALERTS)),
    "prometheus/rules.yaml": lambda: as_yaml(rules.of_prometheus(ALERTS)),
}


def main() -> None:
    for name, text in FILES.items():
        (FOLDER / name).write_text(text())


if __name__ == "__main__":
    main()

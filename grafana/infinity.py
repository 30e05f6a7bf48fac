"""Queries of the Infinity data source: a GET of a path, with columns from its fields.

The SDK lacks these queries. Their names are those of the documentation:
https://grafana.com/docs/plugins/yesoreyeram-infinity-datasource/latest/query/
"""

from dataclasses import dataclass, field
from typing import Literal

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery

Type = Literal["timestamp", "string", "number"]


@dataclass(frozen=True)
class JsonQuery(Dataquery):
    path: str
    columns: dict[str, Type]
    parameters: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return {
            "refId": "A",
            "type": "json",
            "source": "url",
            "parser": "backend",
            "format": "table",
            "url": self.path,
            "url_options": {
                "method": "GET",
                "params": [
                    {"key": key, "value": value}
                    for key, value in self.parameters.items()
                ],
            },
            "root_selector": "",
            "columns": [
                {"selector": name, "text": name, "type": kind}
                for name, kind in self.columns.items()
            ],
        }


@dataclass(frozen=True)
class JsonQueryBuilder(Builder[Dataquery]):
    """The builder of a query, which panels require."""

    query: JsonQuery

    def build(self) -> Dataquery:
        return self.query

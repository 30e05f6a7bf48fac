"""The data sources: the dashboard's variables, and the uid that provisioning sets."""

from typing import Final

from grafana_foundation_sdk.models.common import DataSourceRef

PROMETHEUS_TYPE: Final = "prometheus"
API_TYPE: Final = "yesoreyeram-infinity-datasource"
PROMETHEUS_VARIABLE: Final = "datasource"
API_VARIABLE: Final = "api"

PROMETHEUS: Final = DataSourceRef(PROMETHEUS_TYPE, f"${{{PROMETHEUS_VARIABLE}}}")
API: Final = DataSourceRef(API_TYPE, f"${{{API_VARIABLE}}}")
PROVISIONED_PROMETHEUS: Final = "pinwatch-prometheus"
"""The uid for alerts, which know no variables."""

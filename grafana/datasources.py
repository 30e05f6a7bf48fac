"""The data sources of the dashboard, by the uids that provisioning gives them."""

from typing import Final

from grafana_foundation_sdk.models.common import DataSourceRef

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="pinwatch-prometheus")
API: Final = DataSourceRef(
    type_val="yesoreyeram-infinity-datasource", uid="pinwatch-api"
)

"""The data sources of the dashboard, with the uids from provisioning."""

from typing import Final

from grafana_foundation_sdk.models.common import DataSourceRef

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="pinwatch-prometheus")
API: Final = DataSourceRef(
    type_val="yesoreyeram-infinity-datasource", uid="pinwatch-api"
)

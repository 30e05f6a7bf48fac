"""The alerts in the formats of Prometheus and of Grafana's provisioning.

https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from grafana_foundation_sdk.builders import alerting, expr, prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.alerting import RelativeTimeRange
from grafana_foundation_sdk.models.common import DataSourceRef

from grafana import dashboard, links
from grafana.alerts import Alert
from grafana.datasources import PROVISIONED_PROMETHEUS

GROUP: Final = "pinwatch"
INTERVAL: Final = "30s"  # of Grafana; Prometheus has its evaluation_interval
ORGANISATION: Final = 1  # Grafana's first, and usually only one
EXPRESSION: Final = DataSourceRef(type_val="__expr__", uid="__expr__")
VALUE, FIRES = "A", "B"
SECONDS: Final = 600  # of the past that a query covers


def of_prometheus(alerts: Iterable[Alert]) -> dict[str, Any]:
    rules = [_prometheus_rule(alert) for alert in alerts]
    return {"groups": [{"name": GROUP, "rules": rules}]}


def of_grafana(alerts: Iterable[Alert]) -> dict[str, Any]:
    group = {
        "orgId": ORGANISATION,
        "name": GROUP,
        "folder": dashboard.TITLE,
        "interval": INTERVAL,
        "rules": [_grafana_rule(alert) for alert in alerts],
    }
    return {"apiVersion": 1, "groups": [group]}


def _prometheus_rule(alert: Alert) -> dict[str, Any]:
    sign = {"above": ">", "below": "<"}[alert.side]
    return {
        "alert": alert.name,
        "expr": f"{alert.expression} {sign} {alert.limit:g}",
        "for": alert.lasting,
        "labels": {"severity": alert.severity},
        "annotations": _annotations(alert),
    }


def _grafana_rule(alert: Alert) -> dict[str, Any]:
    return {
        "uid": _uid(alert),
        "title": alert.summary,
        "condition": FIRES,
        "data": [_plain(query.build()) for query in (_value(alert), _fires(alert))],
        "for": alert.lasting,
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {"severity": alert.severity},
        "annotations": {
            **_annotations(alert),
            "__dashboardUid__": dashboard.UID,
            "__panelId__": str(dashboard.panel_id(alert.panel)),
        },
    }


def _annotations(alert: Alert) -> dict[str, str]:
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": links.runbook(alert.name),
    }


def _uid(alert: Alert) -> str:
    """Return pinwatch-pinned-share for PinwatchPinnedShare."""
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in alert.name)[1:]


def _value(alert: Alert) -> alerting.Query:
    query = prometheus.Dataquery().ref_id(VALUE).expr(alert.expression).instant()
    return (
        alerting.Query(VALUE)
        .datasource_uid(PROVISIONED_PROMETHEUS)
        .relative_time_range(RelativeTimeRange(from_val=SECONDS, to=0))
        .model(query)
    )


def _fires(alert: Alert) -> alerting.Query:
    uid = EXPRESSION.uid
    assert uid is not None
    evaluator = (
        expr.ExprTypeThresholdConditionsEvaluator()
        .type("gt" if alert.side == "above" else "lt")
        .params([alert.limit])
    )
    threshold = (
        expr.TypeThreshold()
        .ref_id(FIRES)
        .datasource(EXPRESSION)
        .expression(VALUE)
        .conditions([expr.ExprTypeThresholdConditions().evaluator(evaluator)])
    )
    return alerting.Query(FIRES).datasource_uid(uid).model(threshold)


def _plain(query: object) -> Any:
    return json.loads(json.dumps(query, cls=JSONEncoder))

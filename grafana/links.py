"""Links from the dashboard to pinwatch's own pages, at the address that is scraped."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import DashboardLink

LIVE_PAGE_URL: Final = "http://${instance}/"
RULE_URL: Final = "http://${instance}/rules/"
RUNBOOK_URL: Final = "http://{{ $labels.instance }}/alerts#"
"""A template of Prometheus and of Grafana's alerting, not of its dashboards."""


def live_page() -> DashboardLink:
    return _link("Live page", LIVE_PAGE_URL)


def rule_of_series() -> DashboardLink:
    """Return a link from a series with the label rule to the page of that rule."""
    return _link("About this rule", RULE_URL + "${__field.labels.rule}")


def rule_of_cell() -> DashboardLink:
    """Return a link from a table's cell with a rule to the page of that rule."""
    return _link("About this rule", RULE_URL + "${__value.text}")


def runbook(alert: str) -> str:
    """Return the address of an alert's section on the page of alerts."""
    return RUNBOOK_URL + alert.lower()


def _link(title: str, url: str) -> DashboardLink:
    return DashboardLink(title).url(url).target_blank(True)

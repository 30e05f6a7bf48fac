"""Expressions over pinwatch's metrics, for the selected instance, proxies, endpoints.

Names are without `pinwatch_`. A metric that is not exported raises KeyError.
"""

from typing import Final

from pinwatch.metrics import cloudwatch, own

METRICS: Final = {
    metric.name.removeprefix("pinwatch_"): metric
    for metric in (*cloudwatch.METRICS, *own.METRICS)
}
SCRAPED: Final = 'job=~"$job", instance="$instance"'
CHOSEN: Final = {"proxy": 'proxy=~"$proxy"', "endpoint": 'endpoint=~"$endpoint"'}
WINDOW: Final = "$__rate_interval"
STEP: Final = "$__interval"
RANGE: Final = "$__range"


def now(name: str, *by: str) -> str:
    """Return the sum of a gauge."""
    return _sum(name, _series(name), by)


def lowest(name: str, *by: str) -> str:
    """Return the minimum of a gauge."""
    return f"min by ({', '.join(by)}) ({_series(name)})"


def rate(name: str, *by: str, suffix: str = "", **labels: str) -> str:
    """Return the growth of a counter per second, summed."""
    return _sum(name, f"rate({_series(name, suffix, **labels)}[{WINDOW}])", by)


def increase(
    name: str, *by: str, window: str = WINDOW, suffix: str = "", **labels: str
) -> str:
    """Return the growth of a counter within the window, summed."""
    return _sum(name, f"increase({_series(name, suffix, **labels)}[{window}])", by)


def occurrences(name: str, *by: str) -> str:
    """Return the exact number of rare events since the step before, summed.

    A series that begins with its first event has grown from 0; rate and increase omit
    this growth. It is counted here if the target was scraped at the step before.
    """
    series = _series(name)
    before = f"{series} offset {STEP}"
    grown = f"clamp_min({series} - {before}, 0)"
    up = f"up{{{SCRAPED}}} offset {STEP}"
    begun = f"{series} unless {before} and on (job, instance) {up}"
    return _sum(name, f"({grown} or {begun})", by)


def changes(name: str) -> str:
    """Return how often a counter grew since the step before, for each series."""
    return f"changes({_series(name)}[{STEP}])"


def quantile(share: float, name: str) -> str:
    return f"histogram_quantile({share}, {rate(name, 'le', suffix='_bucket')})"


def mean(name: str) -> str:
    return f"{rate(name, suffix='_sum')} / {rate(name, suffix='_count')}"


def share(part: str, whole: str) -> str:
    """Return a ratio, which has no value if the whole is 0."""
    return f"{part} / ({whole} > 0)"


def _series(name: str, suffix: str = "", **labels: str) -> str:
    chosen = [CHOSEN[label] for label in METRICS[name].labels if label in CHOSEN]
    given = [f'{label}="{value}"' for label, value in labels.items()]
    return f"pinwatch_{name}{suffix}{{{', '.join([SCRAPED, *chosen, *given])}}}"


def _sum(name: str, expression: str, by: tuple[str, ...]) -> str:
    """Return a sum; a metric without the label proxy is of the whole process."""
    if "proxy" not in METRICS[name].labels:
        expression += f" and on (job, instance) {_series('client_connections')}"
    aggregated = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{aggregated} ({expression})"

"""Expressions over pinwatch's metrics, of the proxies and endpoints that are chosen.

Names are without `pinwatch_`. Knows which metrics there are and their labels: one that
is not exported raises KeyError.
"""

from typing import Final

from pinwatch.metrics import cloudwatch, own

METRICS: Final = {
    metric.name.removeprefix("pinwatch_"): metric
    for metric in (*cloudwatch.METRICS, *own.METRICS)
}
CHOSEN: Final = {"proxy": 'proxy=~"$proxy"', "endpoint": 'endpoint=~"$endpoint"'}
WINDOW: Final = "$__rate_interval"
STEP: Final = "$__interval"
RANGE: Final = "$__range"


def now(name: str, *by: str) -> str:
    """What a gauge is, summed."""
    return _sum(name, _series(name), by)


def lowest(name: str, *by: str) -> str:
    """What a gauge is, at worst."""
    return f"min by ({', '.join(by)}) ({_series(name)})"


def rate(name: str, *by: str, suffix: str = "", **labels: str) -> str:
    """A counter's growth by the second, summed."""
    return _sum(name, f"rate({_series(name, suffix, **labels)}[{WINDOW}])", by)


def increase(
    name: str, *by: str, window: str = WINDOW, suffix: str = "", **labels: str
) -> str:
    """A counter's growth within the window, summed."""
    return _sum(name, f"increase({_series(name, suffix, **labels)}[{window}])", by)


def occurrences(name: str, *by: str) -> str:
    """A rare event's count since the step before, exactly, summed.

    A series that begins with its first event has grown from nothing, which rate and
    increase do not see; it has not if its target was not scraped before.
    """
    series = _series(name)
    before = f"{series} offset {STEP}"
    grown = f"clamp_min({series} - {before}, 0)"
    begun = f"{series} unless {before} and on (job, instance) up offset {STEP}"
    return _sum(name, f"({grown} or {begun})", by)


def quantile(share: float, name: str) -> str:
    return f"histogram_quantile({share}, {rate(name, 'le', suffix='_bucket')})"


def mean(name: str) -> str:
    return f"{rate(name, suffix='_sum')} / {rate(name, suffix='_count')}"


def share(part: str, whole: str) -> str:
    """Nothing where the whole is nothing."""
    return f"{part} / ({whole} > 0)"


def _series(name: str, suffix: str = "", **labels: str) -> str:
    chosen = [CHOSEN[label] for label in METRICS[name].labels if label in CHOSEN]
    matchers = ", ".join([*chosen, *(f'{k}="{v}"' for k, v in labels.items())])
    return f"pinwatch_{name}{suffix}{{{matchers}}}".removesuffix("{}")


def _sum(name: str, expression: str, by: tuple[str, ...]) -> str:
    """A metric without the label proxy is that of its whole process."""
    if "proxy" not in METRICS[name].labels:
        expression += f" and on (job, instance) {_series('client_connections')}"
    aggregated = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{aggregated} ({expression})"

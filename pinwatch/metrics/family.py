"""What a metric is: its name, what it means, and how it is told to Prometheus.

Does not know which ones there are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.utils import floatToGoString

from pinwatch.counters import Buckets
from pinwatch.metrics.reading import Reading

UNITS: Final = ("bytes", "ratio", "seconds")
"""OpenMetrics' own, in which names end."""

Kind = Literal["counter", "gauge", "histogram"]
Series = Mapping[tuple[str, ...], float | Buckets]
"""A value for each set of label values."""


@dataclass(frozen=True, slots=True)
class Metric:
    """name is that of the samples, with _total; of a histogram's, the beginning.

    read gives the label values in the order of labels. cloudwatch is Amazon's name, and
    empty where the metric is pinwatch's own.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    unit: str
    read: Callable[[Reading], Series]
    cloudwatch: str = ""

    def family(self, reading: Reading) -> Family:
        family = self._empty()
        for labels, value in self.read(reading).items():
            if isinstance(family, HistogramMetricFamily):
                assert isinstance(value, Buckets)
                family.add_metric(labels, buckets(value), value.sum)
            else:
                assert not isinstance(value, Buckets)
                family.add_metric(labels, value)
        return family

    def _empty(self) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
        name, about = self.name.removesuffix("_total"), self.meaning
        unit = self.unit if self.unit in UNITS else ""
        match self.kind:
            case "counter":
                return CounterMetricFamily(name, about, labels=self.labels, unit=unit)
            case "gauge":
                return GaugeMetricFamily(name, about, labels=self.labels, unit=unit)
            case "histogram":
                return HistogramMetricFamily(name, about, labels=self.labels, unit=unit)


def buckets(histogram: Buckets) -> list[tuple[str, float]]:
    """Of at most each bound, as Prometheus counts."""
    bounds = map(floatToGoString, (*histogram.bounds, float("inf")))
    return list(zip(bounds, accumulate(histogram.counts), strict=True))

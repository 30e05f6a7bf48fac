"""The definition of a metric: its name, its meaning, and its export to Prometheus."""

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
"""Units of OpenMetrics, which are suffixes of the names."""

Kind = Literal["counter", "gauge", "histogram"]
Series = Mapping[tuple[str, ...], float | Buckets]
"""Values by their label values."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric under the name of its samples, with _total; for a histogram, the prefix.

    read returns values by label values, in the order of labels. cloudwatch is Amazon's
    name, or empty if the metric is pinwatch's own.
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
    """Return cumulative counts by upper bound, as Prometheus expects them."""
    bounds = map(floatToGoString, (*histogram.bounds, float("inf")))
    return list(zip(bounds, accumulate(histogram.counts), strict=True))

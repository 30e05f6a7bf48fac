"""All metrics at once, as prometheus_client collects them.

Does not know HTTP, nor which metrics there are.
"""

from collections.abc import Iterator

from prometheus_client.core import Metric as Family

from pinwatch.metrics import cloudwatch, own
from pinwatch.metrics.reading import Measured, Reading
from pinwatch.metrics.tally import Tally


class Exporter:
    """A collector for prometheus_client; to be asked in the loop of the proxy."""

    def __init__(self, proxy: Measured, tally: Tally) -> None:
        self.proxy = proxy
        self.tally = tally
        self._hits = 0

    def collect(self) -> Iterator[Family]:
        reading = Reading(self.proxy, self.tally)
        # A new text may have to wait between its judgement and its count.
        self._hits = reading.verdict_hits = max(self._hits, reading.verdict_hits)
        for metric in (*cloudwatch.METRICS, *own.METRICS):
            yield metric.family(reading)

"""All metrics: as a collector for prometheus_client, and over HTTP."""

from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pinwatch.metrics import cloudwatch, own
from pinwatch.metrics.reading import Measured, Reading
from pinwatch.metrics.tally import Tally


class Exporter:
    """A collector for prometheus_client; call it in the proxy's event loop."""

    def __init__(self, proxy: Measured, tally: Tally) -> None:
        self.proxy = proxy
        self.tally = tally
        self._hits = 0
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)

    def collect(self) -> Iterator[Family]:
        reading = Reading(self.proxy, self.tally)
        # A text gets its verdict before its request is counted; hits must not shrink.
        self._hits = reading.verdict_hits = max(self._hits, reading.verdict_hits)
        for metric in (*cloudwatch.METRICS, *own.METRICS):
            yield metric.family(reading)
        yield from self._process.collect()


def metrics_route(proxy: Measured, tally: Tally) -> Route:
    exporter = Exporter(proxy, tally)

    async def metrics(request: Request) -> Response:
        """Return the metrics in Prometheus's text format, or in OpenMetrics if the
        Accept header asks for it."""
        accepted = ",".join(request.headers.getlist("accept"))
        try:
            encode, content_type = choose_encoder(accepted)
        except TypeError:  # a version that is not a number
            encode, content_type = choose_encoder("")
        return Response(encode(exporter), headers={"Content-Type": content_type})

    return Route("/metrics", metrics)

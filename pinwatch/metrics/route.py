"""The metrics over HTTP, in the format that is asked for."""

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pinwatch.metrics.exporter import Exporter
from pinwatch.metrics.reading import Measured
from pinwatch.metrics.tally import Tally


def metrics_route(proxy: Measured, tally: Tally) -> Route:
    exporter = Exporter(proxy, tally)

    async def metrics(request: Request) -> Response:
        """Return the metrics in Prometheus's text format, or in OpenMetrics if the
        Accept header asks for it."""
        accepted = ",".join(request.headers.getlist("accept"))
        try:
            encode, content_type = choose_encoder(accepted)
        except TypeError:  # a version that is no number
            encode, content_type = choose_encoder("")
        return Response(encode(exporter), headers={"Content-Type": content_type})

    return Route("/metrics", metrics)

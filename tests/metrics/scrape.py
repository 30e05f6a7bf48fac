"""Metrics over HTTP, as a scraper reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.request import Request, urlopen

from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics import parser
from starlette.applications import Starlette

from pinwatch.metrics.exporter import metrics_route
from pinwatch.metrics.tally import Tally
from tests.harness import PATIENCE, eventually
from tests.live.clients import Clients
from tests.site import answering
from tests.wireclient import WireClient

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"


def fetch(url: str, accept: str = "") -> tuple[str, str]:
    """The content type, and the text."""
    request = Request(url, headers={"Accept": accept} if accept else {})
    with urlopen(request, timeout=PATIENCE) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def families(text: str) -> list[Family]:
    return list(parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.samples = [
            sample for family in families(text) for sample in family.samples
        ]

    def __call__(self, name: str, **labels: str) -> float:
        """The only sample of this name, without pinwatch_, with these labels."""
        (value,) = [
            sample.value
            for sample in self.samples
            if sample.name == f"pinwatch_{name}"
            and labels.items() <= sample.labels.items()
        ]
        return float(value)


@dataclass(frozen=True, slots=True)
class Measured:
    """A proxy with its clients, and where its metrics are."""

    clients: Clients
    url: str

    def __call__(self, **parameters: str) -> WireClient:
        """A new client."""
        return self.clients(**parameters)

    def scrape(self) -> Scrape:
        return Scrape(fetch(self.url, OPENMETRICS)[1])

    def tells(self, name: str, **labels: str) -> float:
        return self.scrape()(name, **labels)

    def comes_to_tell(self, value: float, name: str, **labels: str) -> None:
        """Once what clients left behind is noticed."""
        eventually(lambda: self.tells(name, **labels) == value)


@contextmanager
def measured(clients: Clients) -> Iterator[Measured]:
    """Measure clients with a tally that observes all of them, in the proxy's loop."""
    proxy = clients.proxy.proxy
    tally = Tally(proxy.clock)
    proxy.observers += (tally,)
    app = Starlette(routes=[metrics_route(proxy, tally)])
    with answering(clients.proxy, app) as url:
        yield Measured(clients, f"{url}/metrics")

"""The collector, without a loop."""

from types import SimpleNamespace

from pinwatch.clock import Clock
from pinwatch.config.model import DEFAULT, Settings
from pinwatch.counters import EndpointCounters
from pinwatch.metrics.exporter import Exporter
from pinwatch.metrics.tally import Tally
from pinwatch.pins.cache import VerdictCache


class Empty:
    """A proxy that has no client, and no target."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.sessions = ()
        self.counters = {DEFAULT: EndpointCounters()}
        self.group = SimpleNamespace(members=())
        self.verdicts = VerdictCache()


def read(exporter: Exporter, name: str) -> list[float]:
    (family,) = [family for family in exporter.collect() if family.name == name]
    return [sample.value for sample in family.samples]


def test_hits_do_not_go_back() -> None:
    """A miss is counted at once, its statement when it is relayed."""
    proxy = Empty()
    exporter = Exporter(proxy, Tally(Clock()))
    hits = []
    for queries, misses in ((0, 0), (0, 1), (1, 1), (6, 1), (6, 2), (7, 2)):
        proxy.counters[DEFAULT].plain.queries = queries
        proxy.verdicts.misses = misses
        hits += read(exporter, "pinwatch_verdict_cache_hits")
    assert hits == [0, 0, 0, 5, 5, 5]


def test_texts_of_both_generations_are_remembered() -> None:
    proxy = Empty()
    proxy.verdicts = VerdictCache(max_texts=4)
    for sql in (b"SELECT a", b"SELECT b", b"SELECT c"):
        proxy.verdicts.look(sql)
    assert read(Exporter(proxy, Tally(Clock())), "pinwatch_verdict_cache_texts") == [3]

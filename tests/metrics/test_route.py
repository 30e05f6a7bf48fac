"""/metrics: formats, and what may not be in them."""

import re

import pytest
from prometheus_client import parser

from tests.metrics.conftest import Measure
from tests.metrics.scrape import OPENMETRICS, Measured, Scrape, families, fetch
from tests.wireclient import bind, execute, parse

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS = (  # what Prometheus 3 sends
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.fixture
def measured(measure: Measure) -> Measured:
    """One whose every metric has a value."""
    proxy = measure(2)
    client = proxy(application_name="the_application")
    client.query("SET search_path TO the_schema")
    client.query("SELECT lastval()")
    client.send(parse("", "SELECT 'the_text'"), bind(""), execute())
    return proxy


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain", "text/html"])
def test_text(measured: Measured, accept: str) -> None:
    content_type, text = fetch(measured.url, accept)
    assert content_type == PLAIN
    assert "# EOF" not in text
    kinds = {family.type for family in parser.text_string_to_metric_families(text)}
    assert kinds == {"counter", "gauge", "histogram"}


@pytest.mark.parametrize("accept", [OPENMETRICS, PROMETHEUS])
def test_openmetrics(measured: Measured, accept: str) -> None:
    content_type, text = fetch(measured.url, accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    assert {family.unit for family in families(text)} == {
        "",
        "bytes",
        "ratio",
        "seconds",
    }


def test_both_say_the_same(measured: Measured) -> None:
    """But for what goes on by itself."""
    plain = [
        (sample.name, sample.labels, sample.value)
        for family in parser.text_string_to_metric_families(fetch(measured.url)[1])
        for sample in family.samples
        if family.name.startswith("pinwatch_")
        and family.name != "pinwatch_pinned_seconds"
    ]
    rich = [
        (sample.name, sample.labels, sample.value)
        for sample in Scrape(fetch(measured.url, OPENMETRICS)[1]).samples
        if sample.name.startswith("pinwatch_")
        and sample.name != "pinwatch_pinned_seconds_total"
    ]
    assert sorted(map(repr, plain)) == sorted(map(repr, rich))


def test_what_is_no_version_of_openmetrics(measured: Measured) -> None:
    content_type, _ = fetch(measured.url, "application/openmetrics-text; version=new")
    assert content_type == PLAIN


def test_nothing_that_a_client_makes_up_is_in_a_label(measured: Measured) -> None:
    _, text = fetch(measured.url)
    (session,) = measured.clients.proxy.proxy.sessions
    assert session.connection is not None
    host, port = session.address.split(":")
    for secret in (
        *("the_schema", "the_text", "the_application", "search_path"),
        *(host, str(session.number), str(session.connection.number)),
    ):
        assert secret not in text
    values = set(re.findall(r'\w+="([^"]*)"', re.sub(r'le="[^"]*"', "", text)))
    assert port not in values

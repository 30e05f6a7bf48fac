"""SECURITY.md: each claim is in a table and has a test, the figures are the code's."""

import re
from pathlib import Path

import pytest

from pinwatch.config.model import Settings
from pinwatch.observers import latest, timeline
from pinwatch.observers.digests import MAX_DIGESTS
from pinwatch.pins import cache, rules
from pinwatch.proxy import parameter_cache
from pinwatch.proxy.proxy import MAX_WITHOUT_STARTUP
from pinwatch.relay.pin_state import MAX_REPORTED, MAX_SQL
from pinwatch.web.connection import Limits
from pinwatch.web.control import MAX_BODY
from pinwatch.web.stream import MAX_READERS
from pinwatch.wire.startup import MAX_PACKET

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
ROW = re.compile(r"^\| (?!Claim|-)(?P<claim>.+) \| (?P<test>.*) \|$", re.MULTILINE)
TEST = re.compile(r"`(?P<file>tests/[a-z_/]+\.py)(::Test\w+)?::(?P<name>test_\w+)`")
NO_LIMIT = re.compile(r"\b(127\.0\.0\.1|503|0600)\b")
FIGURE = re.compile(r"\d[\d,]*\b")
CLAIMS = [(row["claim"], row["test"]) for row in ROW.finditer(PAGE)]


INTRODUCTION = (
    "pinwatch is a development tool. Each claim names the test that checks it."
)
NO_CLAIMS = "Report a vulnerability"


def test_there_are_claims() -> None:
    assert len(CLAIMS) == PAGE.count("tests/")


def test_each_claim_is_in_a_table() -> None:
    title, *sections = PAGE.split("\n## ")
    assert title.strip() == f"# Security\n\n{INTRODUCTION}"
    for section in sections:
        heading, *lines = section.splitlines()
        outside = [line for line in lines if line and not line.startswith("|")]
        assert not outside or heading == NO_CLAIMS


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim[0][:40])
def test_the_test_of_a_claim_exists(claim: tuple[str, str]) -> None:
    found = TEST.fullmatch(claim[1])
    assert found is not None
    text = (ROOT / found["file"]).read_text()
    assert re.search(rf"^ *(async )?def {found['name']}\(", text, re.MULTILINE)


def test_the_figures_are_those_of_the_code() -> None:
    defaults = Settings(target="postgresql://localhost/app")
    limits = (
        MAX_SQL,
        MAX_PACKET,
        defaults.max_client_connections,
        MAX_WITHOUT_STARTUP,
        defaults.max_prepared_statement_bytes,
        rules.MAX_STATEMENT,
        parameter_cache.MAX_ENTRIES,
        parameter_cache.MAX_BYTES,
        cache.MAX_TEXTS,
        cache.MAX_BYTES,
        latest.MAX_ITEMS,
        latest.MAX_BYTES,
        latest.MAX_ITEMS,
        latest.MAX_BYTES,
        MAX_REPORTED,
        2 * MAX_DIGESTS,
        timeline.MAX_BYTES,
        MAX_BODY,
        Limits().connections,
        MAX_READERS,
    )
    written = [
        figure
        for claim, _ in CLAIMS
        for figure in FIGURE.findall(NO_LIMIT.sub("", claim))
    ]
    assert written == [f"{n:,}" for n in limits]

"""The outcomes of a suite, read from what its test runner writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

Outcomes = dict[str, str]
"""Test to outcome: passed, failed, skipped or unfinished."""

PASSED: Final = "passed"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
UNFINISHED: Final = "unfinished"
MISSING: Final = "missing"
"""The outcome of a test that one mode ran and the other did not."""

_WORST: Final = (FAILED, UNFINISHED, SKIPPED, PASSED)
_TAGS: Final = {"error": FAILED, "failure": FAILED, "skipped": SKIPPED}
_TEMPORARY: Final = re.compile(r"/[^'\s]*?/Test\w+/\d{3}\b")
_ACTIONS: Final = {"pass": PASSED, "fail": FAILED, "skip": SKIPPED}
_REGRESS: Final = re.compile(
    r"^(?:test|    |\+) *(?P<name>\S+) +\.\.\. (?P<outcome>ok|FAILED|failed)"
    r"|^(?P<not>not )?ok \d+ +[-+] (?P<tap>\S+)",
    re.MULTILINE,
)


_TAP: Final = re.compile(
    r"^(?P<not>not )?ok (?P<number>\d+)(?: -)?(?P<name>[^#\n]*)(?:# *(?P<why>\w+))?",
    re.MULTILINE,
)


def junit(path: Path) -> Outcomes:
    """Return the outcomes in a JUnit XML file, as pytest writes it.

    A test with several entries, such as an error of its teardown, has the worst. An
    error counts as failed: which of them a hung test has depends on chance.
    """
    found: Outcomes = {}
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        tags = (child.tag for child in case)
        outcome = next((_TAGS[tag] for tag in tags if tag in _TAGS), PASSED)
        found[name] = worse(found.get(name, PASSED), outcome)
    return found


def go(lines: Iterable[str]) -> Outcomes:
    """Return the outcomes in the output of ``go test -json``.

    Lines that are not JSON, for example of the compiler, are ignored. A test without
    an end, as after a timeout or a panic, is unfinished. In names of tests, TEMP stands
    for the temporary folder of a test, which has another name in each run.
    """
    found: Outcomes = {}
    for line in lines:
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        if "Test" not in event:
            continue
        name = f"{event['Package']}::{_TEMPORARY.sub('TEMP', event['Test'])}"
        if event["Action"] == "run":
            found[name] = UNFINISHED
        elif event["Action"] in _ACTIONS:
            found[name] = _ACTIONS[event["Action"]]
    return found


def regress(text: str) -> Outcomes:
    """Return the outcomes in the output of pg_regress, before and since PostgreSQL 16.

    Up to 15 it prints ``test NAME ... ok``, since 16 ``ok 1 - NAME``.
    """
    found: Outcomes = {}
    for match in _REGRESS.finditer(text):
        if match["tap"]:
            found[match["tap"]] = FAILED if match["not"] else PASSED
        else:
            found[match["name"]] = PASSED if match["outcome"] == "ok" else FAILED
    return found


def tap(text: str) -> Outcomes:
    """Return the outcomes in the output of a test in the Test Anything Protocol.

    Tests of the same name have the worst outcome; one without a name has its number.
    """
    found: Outcomes = {}
    for match in _TAP.finditer(text):
        name = match["name"].strip() or match["number"]
        outcome = FAILED if match["not"] else PASSED
        if (match["why"] or "").upper() in ("SKIP", "TODO"):
            outcome = SKIPPED
        found[name] = worse(found.get(name, PASSED), outcome)
    return found


def worse(one: str, other: str) -> str:
    """Return the worse of two outcomes."""
    return min(one, other, key=_WORST.index)

"""Results as SARIF 2.1.0, for code scanning services.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pinwatch import __version__
from pinwatch.pins.advice import plain
from pinwatch.pins.names import HIDDEN_STATE
from pinwatch.pins.rule_pages import command, general, page, source
from pinwatch.pins.rules import CODES
from pinwatch.reports import hidden_state
from pinwatch.reports.result import Place, Problem, Result

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(
    results: Sequence[Result], problems: Sequence[Problem] = ()
) -> dict[str, Any]:
    """Return a log with one run; paths that are not absolute are in the sources."""
    rules = sorted({result.rule for result in results})
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "pinwatch",
                "version": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(result, rules.index(result.rule)) for result in results],
    }
    if problems:
        notifications = [_notification(problem) for problem in problems]
        run["invocations"] = [
            {
                "executionSuccessful": False,
                "toolExecutionNotifications": notifications,
            }
        ]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str) -> dict[str, Any]:
    return {
        "id": rule,
        "shortDescription": {"text": f"RDS Proxy pins a session by the rule {rule}."},
        "defaultConfiguration": {"level": "error"},
        **_help(rule),
    }


def _help(rule: str) -> dict[str, Any]:
    """Return what is known about a rule: nothing about one of another version."""
    if rule == HIDDEN_STATE:
        return _help_on_hidden_state()
    if rule not in CODES:
        return {}
    said = general(rule)
    return {
        "fullDescription": {"text": plain(f"{said.summary} {said.why}")},
        "help": {
            "text": plain(f"{said.best} Or: {said.second} More: {command(rule)}"),
            "markdown": page(rule),
        },
        "helpUri": source(rule),
    }


def _help_on_hidden_state() -> dict[str, Any]:
    return {
        "shortDescription": {"text": hidden_state.SUMMARY},
        "fullDescription": {"text": f"{hidden_state.SUMMARY} {hidden_state.WHY}"},
        "help": {
            "text": f"{hidden_state.WAY_OUT} More: {command(HIDDEN_STATE)}",
            "markdown": hidden_state.PAGE,
        },
        "helpUri": hidden_state.SOURCE,
    }


def _result(result: Result, rule: int) -> dict[str, Any]:
    location = _location(result.place, result.test)
    described: dict[str, Any] = {
        "ruleId": result.rule,
        "ruleIndex": rule,
        "level": str(result.level),
        "message": {"text": _message(result)},
        "locations": [location] if location else [],
        "partialFingerprints": {"pinwatch/v1": _fingerprint(result)},
    }
    if result.places and result.test:
        described["stacks"] = [
            {
                "message": {"text": result.test},
                "frames": [{"location": _location(place)} for place in result.places],
            }
        ]
    if result.count > 1:
        described["occurrenceCount"] = result.count
    if result.suppression:
        described["suppressions"] = [{"kind": result.suppression}]
    return described


def _notification(problem: Problem) -> dict[str, Any]:
    text = problem.text
    if problem.statement:
        text = f"{text} SQL: {problem.statement}"
    location = _location(problem.place)
    located = {"locations": [location]} if location else {}
    return {"level": "error", "message": {"text": text}, **located}


def _message(result: Result) -> str:
    parts = [result.reason, result.contested, f"Fix: {result.advice}"]
    return " ".join(part for part in parts if part)


def _location(place: Place | None, test: str = "") -> dict[str, Any]:
    location: dict[str, Any] = {}
    if place is not None and place.file:
        location["physicalLocation"] = {"artifactLocation": _artifact(place.file)}
        if place.line:
            location["physicalLocation"]["region"] = _region(place)
    names = [{"fullyQualifiedName": test, "kind": "function"}] if test else []
    if place is not None and place.function:
        names.insert(0, {"fullyQualifiedName": place.function, "kind": "function"})
    if names:
        location["logicalLocations"] = names
    return location


def _region(place: Place) -> dict[str, int]:
    region = {"startLine": place.line}
    if place.column:
        region |= {"startColumn": place.column, "endColumn": place.end_column}
    return region


def _artifact(file: str) -> dict[str, str]:
    path = Path(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix()), "uriBaseId": "%SRCROOT%"}


def _fingerprint(result: Result) -> str:
    """Return a hash that stays the same if only the line changes."""
    file = result.place.file if result.place else ""
    parts = "\0".join((*result.same_code, file, result.test))
    return sha256(parts.encode()).hexdigest()

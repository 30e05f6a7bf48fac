"""Pins as SARIF 2.1.0, for code scanning services.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pinwatch import __version__
from pinwatch.pins.alike import alike
from pinwatch.pins.rule_pages import command, general, page, plain, source
from pinwatch.testing.origin import Frame
from pinwatch.testing.plugin.record import Outcome, Record

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: Final = {
    Outcome.FAILED: "error",
    Outcome.CONTESTED: "warning",
    Outcome.BASELINE: "note",
    Outcome.ALLOWED: "note",
}
SUPPRESSED: Final = {Outcome.BASELINE: "external", Outcome.ALLOWED: "inSource"}


def sarif(records: Sequence[Record]) -> dict[str, Any]:
    rules = sorted({record.pin.rule for record in records})
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pinwatch",
                        "version": __version__,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(record, rules.index(record.pin.rule)) for record in records
                ],
            }
        ],
    }


def _rule(rule: str) -> dict[str, Any]:
    said = general(rule)
    return {
        "id": rule,
        "shortDescription": {"text": f"RDS Proxy pins a session by the rule {rule}."},
        "fullDescription": {"text": plain(f"{said.summary} {said.why}")},
        "help": {
            "text": plain(f"{said.best} Or: {said.second} See {command(rule)}."),
            "markdown": page(rule),
        },
        "helpUri": source(rule),
        "defaultConfiguration": {"level": "error"},
    }


def _result(record: Record, rule: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": record.pin.rule,
        "ruleIndex": rule,
        "level": LEVELS[record.outcome],
        "message": {"text": _message(record)},
        "locations": [_location(record.pin.frame, record.test)],
        "partialFingerprints": {"pinwatch/v1": _fingerprint(record)},
    }
    if record.pin.frames:
        result["stacks"] = [
            {
                "message": {"text": record.test},
                "frames": [
                    {"location": _location(frame)} for frame in record.pin.frames[::-1]
                ],
            }
        ]
    if record.outcome in SUPPRESSED:
        result["suppressions"] = [{"kind": SUPPRESSED[record.outcome]}]
    return result


def _message(record: Record) -> str:
    parts = [record.pin.reason, record.pin.contested, f"Fix: {record.pin.advice}"]
    return " ".join(part for part in parts if part)


def _location(frame: Frame | None, test: str = "") -> dict[str, Any]:
    location: dict[str, Any] = {}
    if frame is not None and frame.file:
        location["physicalLocation"] = {"artifactLocation": _artifact(frame.file)}
        if frame.line:
            location["physicalLocation"]["region"] = {"startLine": frame.line}
    names = [{"fullyQualifiedName": test, "kind": "function"}] if test else []
    if frame is not None and frame.function:
        names.insert(0, {"fullyQualifiedName": frame.function, "kind": "function"})
    if names:
        location["logicalLocations"] = names
    return location


def _artifact(file: str) -> dict[str, str]:
    path = Path(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix()), "uriBaseId": "%SRCROOT%"}


def _fingerprint(record: Record) -> str:
    """Return a hash that stays the same if only the line changes."""
    file = record.pin.frame.file if record.pin.frame else ""
    parts = "\0".join((record.pin.rule, alike(record.pin.digest), file, record.test))
    return sha256(parts.encode()).hexdigest()

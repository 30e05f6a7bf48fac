"""Placeholder until the catalogue is written."""

from dataclasses import dataclass

from pinwatch.pins.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Advice:
    text: str
    driver: str = ""
    source: str = ""


def advice(verdict: Verdict, finding: Finding) -> Advice:
    return Advice(finding.advice)

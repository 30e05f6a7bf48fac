"""pinwatch check: fail a CI job if a running pinwatch saw pins.

It serves tests in any language: the proxy is a service container, and the check is the
step after the tests.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pinwatch.cli.http_side import DEFAULT_URL, HttpSide, Token, Url
from pinwatch.errors import PinwatchError, SettingError
from pinwatch.text import number_of

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.testing.plugin.baseline import Baseline
    from pinwatch.testing.plugin.record import Outcome, Record
    from pinwatch.testing.recorder import Pin

PINS: Final = 1
ANY_TEST: Final = "*"


class Contested(StrEnum):
    REPORT = "report"
    FAIL = "fail"


def check(
    url: Url = DEFAULT_URL,
    token: Token = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File of known pins, which do not fail the check."
        ),
    ] = None,
    update_baseline: Annotated[
        bool,
        typer.Option(
            "--update-baseline", help="Write the present pins to the baseline."
        ),
    ] = False,
    contested: Annotated[
        Contested, typer.Option(help="Report contested pins, or fail on them.")
    ] = Contested.REPORT,
) -> None:
    """Fail if a running pinwatch saw pins that the baseline does not list.

    Later statements that would have pinned an already pinned session count too.

    The exit status is 0 without new pins, 1 with new pins, and 2 if the check could not
    be made.

    [bold]Examples[/bold]

    $ pinwatch check --url http://localhost:9632

    $ pinwatch check --baseline pins.json --update-baseline
    """
    from pinwatch.reports.github import annotations
    from pinwatch.testing.plugin.record import Outcome
    from pinwatch.testing.plugin.wording import explained

    known = _baseline(baseline, update_baseline)
    pins = [_pin(document) for document in _fetch(HttpSide(url, token))]
    records = [_record(pin, known, contested) for pin in pins]
    if update_baseline and baseline is not None:
        _update(known, records, baseline)
        return
    failing = [one for one in records if one.outcome is Outcome.FAILED]
    shown = [one for one in records if one.outcome is not Outcome.BASELINE]
    if shown:
        print(explained(shown), end="\n\n")
    for line in annotations(one.result() for one in shown):
        print(line)
    print(f"{number_of(len(records), 'pin')}, {len(failing)} failing.")
    raise typer.Exit(PINS if failing else 0)


def _baseline(file: Path | None, update: bool) -> Baseline:
    from pinwatch.testing.plugin.baseline import Baseline

    if file is None:
        if update:
            raise SettingError("--update-baseline needs --baseline FILE.")
        return Baseline()
    return Baseline() if update and not file.exists() else Baseline.read(file)


def _fetch(side: HttpSide) -> list[dict[str, Any]]:
    """Return the pins; raises SettingError, so that the status is not that of pins."""
    try:
        return side.get_list("/api/pins")
    except PinwatchError as error:
        raise SettingError(str(error)) from None


def _pin(document: dict[str, Any]) -> Pin:
    from pinwatch.testing.recorder import Pin

    try:
        return Pin.from_json(document)
    except (KeyError, TypeError, ValueError) as error:
        raise SettingError(
            f"/api/pins returned something that is not a pin: "
            f"{type(error).__name__}: {error}."
        ) from None


def _record(pin: Pin, known: Baseline, contested: Contested) -> Record:
    from pinwatch.testing.plugin.record import Record
    from pinwatch.testing.plugin.wording import log_line

    return Record("", _outcome(pin, known, contested), pin, log_line(pin))


def _outcome(pin: Pin, known: Baseline, contested: Contested) -> Outcome:
    """Match entries of any test, because a running proxy knows no tests."""
    from pinwatch.testing.plugin.record import Outcome

    if pin.contested and contested is Contested.REPORT:
        return Outcome.CONTESTED
    listed = any(entry.same_pin(pin) for entry in known.entries)
    return Outcome.BASELINE if listed else Outcome.FAILED


def _update(known: Baseline, records: list[Record], file: Path) -> None:
    from pinwatch.testing.plugin.baseline import Baseline, Entry
    from pinwatch.testing.plugin.record import Outcome

    new = [
        Entry(ANY_TEST, one.pin.rule, one.pin.digest)
        for one in records
        if one.outcome is Outcome.FAILED
    ]
    Baseline([*known.entries, *new]).write(file)
    print(f"Baseline written: {file}")

"""pinwatch check: fail a CI job if a running pinwatch saw pins or leaks.

It serves tests in any language: the proxy is a service container, and the check is the
step after the tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pinwatch.cli.formats import (
    NOTHING,
    Contested,
    ContestedOption,
    Format,
    FormatOption,
    rendered,
    status,
)
from pinwatch.cli.http_side import DEFAULT_URL, HttpSide, Token, Url
from pinwatch.errors import PinwatchError, SettingError

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.cli.check_summary import Seen, Statement
    from pinwatch.reports.result import Report
    from pinwatch.testing.found import Found
    from pinwatch.testing.plugin.baseline import Baseline
    from pinwatch.testing.plugin.record import Outcome

ANY_TEST: Final = "*"


def check(
    url: Url = DEFAULT_URL,
    token: Token = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of known pins and leaks, which do not fail the check.",
        ),
    ] = None,
    update_baseline: Annotated[
        bool,
        typer.Option(
            "--update-baseline",
            help="Write the present pins and leaks to the baseline.",
        ),
    ] = False,
    format: FormatOption = Format.TEXT,
    contested: ContestedOption = Contested.REPORT,
    every: Annotated[
        bool,
        typer.Option("--all", help="Show all as text, rather than at most 50."),
    ] = False,
) -> None:
    """Fail if a running pinwatch saw pins or leaks that the baseline does not list.

    Later statements that would have pinned an already pinned session count too. A leak
    is state that RDS Proxy does not see; pinwatch finds leaks unless hidden_state is
    off.

    The exit status is 0 without new pins and leaks, 1 with new ones, and 2 if the check
    could not be made. Contested pins count only with --contested fail.

    [bold]Examples[/bold]

    $ pinwatch check --url http://localhost:9632

    $ pinwatch check --baseline pins.json --update-baseline

    $ pinwatch check --format sarif > pins.sarif
    """
    from pinwatch.cli.check_summary import report, statements

    known = _baseline(baseline, update_baseline)
    seen = [
        _judged(found, seconds, known, contested)
        for found, seconds in _found(HttpSide(url, token))
    ]
    if update_baseline and baseline is not None:
        _update(known, seen, baseline)
        raise typer.Exit(NOTHING)
    found = statements(seen)
    summed = report(found)
    _print(found, summed, format, every)
    raise typer.Exit(status(summed))


def _print(
    found: Sequence[Statement], summed: Report, format: Format, every: bool
) -> None:
    from pinwatch.cli.check_summary import document, text
    from pinwatch.reports.github import annotations

    if format is Format.JSON:
        print(json.dumps(document(found)))
    elif format is not Format.TEXT:
        print(rendered(summed, format))
    else:
        *lines, last = text(found, every)
        print("\n".join([*lines, *annotations(summed.results), last]))


def _baseline(file: Path | None, update: bool) -> Baseline:
    from pinwatch.testing.plugin.baseline import Baseline

    if file is None:
        if update:
            raise SettingError("--update-baseline needs --baseline FILE.")
        return Baseline()
    return Baseline() if update and not file.exists() else Baseline.read(file)


def _found(side: HttpSide) -> Iterator[tuple[Found, float]]:
    """Yield pins and leaks with the seconds that their sessions were pinned since.

    Raises SettingError, so that the exit status is not that of pins.
    """
    from pinwatch.testing.found import Leak, Pin

    for path, kind in (("/api/pins", Pin), ("/api/leaks", Leak)):
        for document in _fetch(side, path):
            try:
                found = kind.from_json(document)
                seconds = float(document.get("pinned_seconds", 0.0))
            except (KeyError, TypeError, ValueError) as error:
                raise SettingError(
                    f"{path} returned something that is not a "
                    f"{kind.__name__.lower()}: {type(error).__name__}: {error}."
                ) from None
            yield found, seconds


def _fetch(side: HttpSide, path: str) -> list[dict[str, Any]]:
    try:
        return side.get_list(path)
    except PinwatchError as error:
        raise SettingError(str(error)) from None


def _judged(
    found: Found, seconds: float, known: Baseline, contested: Contested
) -> Seen:
    from pinwatch.cli.check_summary import Seen
    from pinwatch.testing.plugin.record import Record
    from pinwatch.testing.plugin.wording import log_line

    outcome = _outcome(found, known, contested)
    return Seen(Record("", outcome, found, log_line(found)), seconds)


def _outcome(found: Found, known: Baseline, contested: Contested) -> Outcome:
    """Match entries of any test, because a running proxy knows no tests."""
    from pinwatch.testing.plugin.record import Outcome

    if found.contested and contested is Contested.REPORT:
        return Outcome.CONTESTED
    listed = any(entry.same_code(found) for entry in known.entries)
    return Outcome.BASELINE if listed else Outcome.FAILED


def _update(known: Baseline, seen: Sequence[Seen], file: Path) -> None:
    from pinwatch.testing.plugin.baseline import Baseline, Entry
    from pinwatch.testing.plugin.record import Outcome

    new = [
        Entry(ANY_TEST, one.record.found.rule, one.record.found.digest)
        for one in seen
        if one.record.outcome is Outcome.FAILED
    ]
    Baseline([*known.entries, *new]).write(file)
    print(f"Baseline written: {file}")

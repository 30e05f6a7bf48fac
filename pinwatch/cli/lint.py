"""pinwatch lint: what pins in the SQL files, migrations and Python source of a folder.

Owns the options, and which files and settings they name.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pinwatch.cli.formats import (
    MISUSE,
    NOTHING,
    Contested,
    ContestedOption,
    Format,
    FormatOption,
    Leaks,
    LeaksOption,
    rendered,
    status,
)
from pinwatch.cli.terminal import print_lines, progress
from pinwatch.errors import SettingError
from pinwatch.text import STANDARD_INPUT

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.cli.lint_findings import Linted
    from pinwatch.cli.lint_text import Found
    from pinwatch.config.model import LintSettings
    from pinwatch.reports.known import KnownFindings

CONFIG: Final = "pinwatch.toml"
NO_PATHS: Final = (
    "Give a folder, a file, or - for standard input, or set lint.paths in "
    "pinwatch.toml."
)
NO_REPORT: Final = (
    "--update-baseline writes the baseline and no report: leave out --format {}."
)
NO_FILE: Final = "{} must name a file, such as pins.json."
NO_BASELINE: Final = "There is no baseline {}: --update-baseline creates it."


def lint(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Folders, and files of SQL or Python; - for SQL on standard input. "
            "Default: lint.paths of the settings.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="PINWATCH_CONFIG",
            help="Settings, as TOML. Default: pinwatch.toml in this folder, or in the "
            "nearest folder above.",
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Do not report the pins that this file lists. Default: lint.baseline "
            "of the settings.",
        ),
    ] = None,
    update_baseline: Annotated[
        bool,
        typer.Option(
            "--update-baseline", help="Write the present pins to the baseline."
        ),
    ] = False,
    format: FormatOption = Format.TEXT,
    contested: ContestedOption = Contested.REPORT,
    leaks: LeaksOption = Leaks.REPORT,
) -> None:
    """Find what pins in SQL files, migrations and Python source.

    In a folder, files ending in .sql, .psql, .ddl and .py are read. Each statement is
    judged alone, as migration tools send it: psql's commands and the rows of a COPY are
    skipped, and placeholders of Flyway, sqlc and Jinja are taken for names. In Python,
    lint reads the strings that are passed to execute, fetch, text, SQL or RunSQL.

    The bodies of functions and DO blocks are read for state that they leave on the
    connection, by the rule hidden_state.

    Each migration gets a verdict: through the proxy or not, and why.

    The comment -- pinwatch: allow set, on a line of the statement or just above it,
    allows the rule set there. The table lint.allow in pinwatch.toml allows rules in
    whole files.

    The exit status is 0 if nothing pins, 1 if something does, and 2 on misuse, or if a
    file or a statement could not be read. Contested findings count only with
    --contested fail, and functions that leave state only with --leaks fail.

    [bold]Examples[/bold]

    $ pinwatch lint migrations src

    $ alembic upgrade head --sql | pinwatch lint -

    $ pinwatch lint --format github .

    $ pinwatch lint --baseline pins.json --update-baseline migrations
    """
    from pinwatch.cli import lint_text
    from pinwatch.cli.lint_findings import Linted
    from pinwatch.config.load import load_lint

    config = config or _nearest(CONFIG)
    settings = load_lint(config)
    root = config.parent if config else Path()
    if not paths:
        paths = [os.path.normpath(root / path) for path in settings.paths]
    if not paths:
        raise SettingError(NO_PATHS)
    if update_baseline and format is not Format.TEXT:
        raise SettingError(NO_REPORT.format(format))
    baseline = _baseline(baseline, root, settings)
    known = _known(baseline, update_baseline)
    linted = Linted(contested, leaks)
    _add_files(linted, paths, root, settings)
    if update_baseline and baseline is not None:
        known.updated(linted.results, linted.files).write(baseline)
        print_lines(lint_text.updated(linted, baseline))
        raise typer.Exit(MISUSE if linted.problems else NOTHING)
    found = lint_text.Found(linted, known)
    _print(found, format)
    raise typer.Exit(status(found.report))


def _print(found: Found, format: Format) -> None:
    from pinwatch.cli import lint_text

    if format is Format.JSON:
        print(json.dumps(lint_text.document(found)))
    elif format is Format.TEXT:
        print_lines(lint_text.lines(found))
    else:
        print(rendered(found.report, format))


def _nearest(name: str) -> Path | None:
    """Return the file of this name in the working folder, or else the nearest above."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if os.path.isfile(folder / name):
            return Path(os.path.relpath(folder / name))
    return None


def _baseline(option: Path | None, root: Path, settings: LintSettings) -> Path | None:
    """Return the file of the option, or else of the settings; raises SettingError."""
    name, file = "--baseline", option
    if file is None:
        name, file = "lint.baseline", settings.baseline
    if file is None:
        return None
    if not file.name:
        raise SettingError(NO_FILE.format(name))
    return file if option else root / file


def _known(file: Path | None, update: bool) -> KnownFindings:
    """Read the baseline; raises SettingError. An update may create the file."""
    from pinwatch.reports.known import KnownFindings

    if file is None:
        if update:
            raise SettingError("--update-baseline needs --baseline FILE.")
        return KnownFindings(Path())
    if not os.path.exists(file):
        if not update:
            raise SettingError(NO_BASELINE.format(file))
        return KnownFindings(file.parent)
    return KnownFindings.read(file)


def _add_files(
    linted: Linted, paths: list[str], root: Path, settings: LintSettings
) -> None:
    """Add the findings in all files, and what could not be read or judged."""
    from pinwatch.lint.file_rules import FileRules
    from pinwatch.lint.sources import SourceError, files, read_file
    from pinwatch.reports.result import Place, Problem

    rules = FileRules(root, settings.exclude, settings.allow)
    names = [
        name
        for name in files(paths)
        if name == STANDARD_INPUT or not rules.excludes(name)
    ]
    total = None if STANDARD_INPUT in names else len(names)
    with progress("Linting", total) as done:
        for name in names:
            try:
                source = read_file(name)
            except SourceError as error:
                place = Place("" if name == STANDARD_INPUT else name, error.line)
                linted.problems.append(Problem(str(error), place=place))
            else:
                linted.add(source, rules.allowed(source.name))
            done(1)

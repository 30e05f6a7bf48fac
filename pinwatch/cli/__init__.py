"""The command line. Subcommands import heavy modules when they run, not before."""

import sys
from collections.abc import Callable
from inspect import cleandoc
from io import TextIOWrapper
from typing import Annotated, Final

import typer

from pinwatch.cli.check import check
from pinwatch.cli.control import failover, reload
from pinwatch.cli.explain import explain
from pinwatch.cli.fault import fault
from pinwatch.cli.lint import lint
from pinwatch.cli.release import release
from pinwatch.cli.report import report
from pinwatch.cli.top import top
from pinwatch.cli.up import up
from pinwatch.errors import PinwatchError, SettingError
from pinwatch.text import escaped
from pinwatch.version import described

app = typer.Typer(
    name="pinwatch",
    help="The local Amazon RDS Proxy for PostgreSQL: it shows what pins a session, and "
    "why.\n\n[bold]Examples[/bold]\n\n$ pinwatch up\n\n"
    '$ pinwatch explain "SET search_path TO app"',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
COMMANDS: Final = (up, explain, check, report, lint, failover, reload, release, top)


def _help(command: Callable[..., None]) -> str:
    """Return a docstring with a line for each paragraph: typer keeps its line ends."""
    paragraphs = cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(one.splitlines()) for one in paragraphs)


for one in COMMANDS:
    app.command(help=_help(one))(one)
app.add_typer(fault, name="fault")


def _version(wanted: bool) -> None:
    if wanted:
        print(described())
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the version of pinwatch and Python and exit.",
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; exit with 2 for a wrong setting, 1 for another error."""
    if isinstance(sys.stdout, TextIOWrapper):  # the terminal may know ASCII only
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except PinwatchError as error:
        print(f"pinwatch: {escaped(str(error))}", file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingError) else 1)

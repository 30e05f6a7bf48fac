"""The command line: one file a subcommand, each importing what it runs when it runs."""

import sys
from typing import Annotated

import typer

from pinwatch.cli.check import check
from pinwatch.cli.explain import explain
from pinwatch.cli.failover import failover
from pinwatch.cli.fault import fault
from pinwatch.cli.release import release
from pinwatch.cli.reload import reload
from pinwatch.cli.top import top
from pinwatch.cli.up import up
from pinwatch.errors import PinwatchError, SettingError
from pinwatch.version import described

app = typer.Typer(
    name="pinwatch",
    help="The local Amazon RDS Proxy for PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(up)
app.command()(explain)
app.command()(check)
app.command()(failover)
app.command()(reload)
app.command()(release)
app.add_typer(fault, name="fault")
app.command()(top)


def _version(asked: bool) -> None:
    if asked:
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
            help="Show the version, and what runs it, and exit.",
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """The command; exit status 2 for a wrong setting, 1 for what fails as it runs."""
    try:
        app()
    except PinwatchError as error:
        print(f"pinwatch: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingError) else 1)

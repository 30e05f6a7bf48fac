"""The options of pinwatch report that print code: an init query, or an alarm."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pinwatch.errors import SettingError
from pinwatch.text import escaped

if TYPE_CHECKING:  # imported where they are used, so that --help is quick
    from pinwatch.production.init_query import InitQuery

NO_SETTING: Final = (
    "Found no SET at the beginning of a session that an init query could replace. "
    "pinwatch reads such SETs from {}; RDS Proxy's log does not have their values."
)


class Code(StrEnum):
    """The languages of an init query."""

    SQL = "sql"
    CLOUDFORMATION = "cloudformation"
    TERRAFORM = "terraform"
    CLI = "cli"
    ALTER_ROLE = "alter-role"


class AlarmCode(StrEnum):
    """The languages of an alarm."""

    CLOUDFORMATION = "cloudformation"
    TERRAFORM = "terraform"


InitQueryOption = Annotated[
    Code | None,
    typer.Option(
        "--init-query",
        help="Print only an init query with the settings that sessions set first, as "
        "SQL, CloudFormation, Terraform or an AWS CLI command; alter-role prints ALTER "
        "ROLE statements for psql.",
    ),
]
AlarmOption = Annotated[
    AlarmCode | None,
    typer.Option(
        "--alarm",
        help="Print only a CloudWatch alarm on pinned sessions; needs no file.",
    ),
]
ProxyNameOption = Annotated[
    str,
    typer.Option(
        "--proxy-name",
        metavar="NAME",
        help="Name of the proxy in the printed code. Default: a parameter.",
    ),
]


def print_alarm(code: AlarmCode, proxy: str) -> None:
    from pinwatch.production.snippets import ALARMS

    print(ALARMS[code](proxy))


def print_init_query(query: InitQuery, code: Code, proxy: str) -> None:
    """Print the code, and on standard error the settings that are left out.

    Raises SettingError if all are.
    """
    from pinwatch.cli.report_init_query import SOURCES, left_out
    from pinwatch.production.snippets import INIT_QUERY

    roles = query.roles() if code is Code.ALTER_ROLE else [None]
    for role in roles:
        of_role = f" of {escaped(role)}" if role else ""
        for sentence in left_out(query, role):
            print(f"pinwatch: left out{of_role}: {sentence}", file=sys.stderr)
    if not any(map(query.constant, roles)):
        raise SettingError(NO_SETTING.format(SOURCES))
    print(INIT_QUERY[code](query, proxy))

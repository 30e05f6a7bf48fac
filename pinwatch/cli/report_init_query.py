"""The init query in the report: its settings, and those that stay out of it."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pinwatch.production.init_query import InitQuery, Setting
from pinwatch.production.ranking import Row
from pinwatch.text import number_of

TITLE: Final = "Settings for the proxy's init query"
MOST: Final = 3  # values of a setting
MAX_VALUE: Final = 60  # characters
RULES: Final = ("set", "set_config")
SOURCES: Final = (
    "PostgreSQL's log, with log_statement = all and [%p] in log_line_prefix, or from "
    "the event log of pinwatch up --event-log"
)
NO_VALUES: Final = (
    "Neither RDS Proxy's log nor pg_stat_statements has the values of settings. From "
    f"{SOURCES}, pinwatch report --init-query makes an init query."
)
HOW: Final = (
    "--init-query prints it as sql, cloudformation, terraform, cli or alter-role."
)


def sentences(query: InitQuery, rows: Iterable[Row]) -> Iterator[str]:
    """Yield what is known of each setting; nothing if no session set one."""
    for name in query.constant():
        count = query.settings[name].values().total()
        sessions = number_of(query.sessions, "session")
        yield f"{name}: set by {count} of {sessions}."
    yield from (f"Left out: {sentence}" for sentence in left_out(query))
    if query.sql:
        yield HOW
    elif not query.settings and any(row.cause.rule in RULES for row in rows):
        yield NO_VALUES


def left_out(query: InitQuery, role: str | None = None) -> Iterator[str]:
    """Yield a sentence for each setting that needs more than one value."""
    for name, problem in query.left_out(role).items():
        yield f"{name}, because {problem}{_values(query.settings[name])}."


def document(query: InitQuery) -> dict[str, Any]:
    """Return the object of --format json."""
    return {
        "sql": query.sql,
        "sessions": query.sessions,
        "settings": [
            {
                "name": name,
                "value": value,
                "sessions": query.settings[name].values().total(),
            }
            for name, value in query.constant().items()
        ],
        "left_out": [
            {"name": name, "reason": reason, "values": query.settings[name].seen()}
            for name, reason in query.left_out().items()
        ],
    }


def _values(setting: Setting) -> str:
    """Return the first values, as in ": 'a', 'b' and 7 more"."""
    values = setting.seen()
    if not values:
        return ""
    shown = ", ".join(value[:MAX_VALUE] for value in values[:MOST])
    more = len(values) - MOST
    return f": {shown}" + (f" and {more} more" if more > 0 else "")

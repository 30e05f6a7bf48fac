"""The database of --database: its address, and the code in its catalogue."""

from collections.abc import Iterator

from pinwatch.config.target import Target
from pinwatch.errors import ClientError, SettingError
from pinwatch.hidden.catalogue import FUNCTIONS, SEARCH_PATH, TRIGGERS, Catalogue
from pinwatch.hidden.paths import Follower
from pinwatch.targets.query import rows


def parsed_target(url: str) -> Target:
    """Return the target that the option names; raises SettingError."""
    try:
        return Target.parse(url)
    except SettingError as error:
        raise SettingError(str(error).replace("target", "--database", 1)) from None


def follower(url: str) -> Follower:
    """Read the functions and triggers of a database; raises SettingError."""
    target = parsed_target(url)
    try:
        path = [schema for (schema,) in _texts(target, SEARCH_PATH) if schema]
        functions, triggers = _texts(target, FUNCTIONS), _texts(target, TRIGGERS)
        return Follower(Catalogue(functions, triggers, path))
    except ClientError as error:
        problem = error.text.rstrip(".")
        raise SettingError(f"--database is {target.address}: {problem}.") from None


def _texts(target: Target, sql: str) -> Iterator[list[str | None]]:
    for row in rows(target, sql):
        yield [None if one is None else one.decode("utf-8", "replace") for one in row]

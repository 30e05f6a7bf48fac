"""The settings that a logged text of SQL changes for its session.

Values are written as SQL, so that ``SET a = on`` and ``set_config('a', 'on', false)``
compare equal. SET LOCAL and ``set_config(..., true)`` assign nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final

from pinwatch.pins.rules import Fields, function_name, is_local
from pinwatch.pins.tokens import tokens
from pinwatch.pins.tree import OverBudget, Unparsable, statements

MAX_TEXTS: Final = 1_024
LISTS: Final = (
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "temp_tablespaces",
)
"""The settings whose values are quoted one by one; all others are one text each."""
TRUE: Final = ("on", "true", "t")
PLAIN_NAME: Final = re.compile(r"[a-z_][a-z0-9_$]*(?:\.[a-z_][a-z0-9_$]*)*")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A setting that keeps its value; value is None if the text does not have it."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Reset:
    """A setting that returns to its default, or all settings if name is None."""

    name: str | None


class Other(Enum):
    """A statement that assigns nothing.

    DISCARD ALL makes a new session of an old one. WORK is any statement except SET,
    RESET, SHOW and transaction control.
    """

    BEGIN = auto()
    COMMIT = auto()
    ROLLBACK = auto()
    DISCARD_ALL = auto()
    WORK = auto()


Step = Assignment | Reset | Other


@lru_cache(MAX_TEXTS)
def steps(sql: str) -> tuple[Step, ...]:
    """Return the steps of a text; SET LOCAL, SHOW and the like are left out."""
    try:
        found = statements(sql, tokens(sql))
    except (Unparsable, OverBudget):
        return (Other.WORK,)
    return tuple(step for one in found for step in _steps(one.tree))


def set_statement(name: str, value: str) -> str:
    """Return the SET of a setting to a value that is written as SQL."""
    quoted = name.replace('"', '""')
    shown = name if PLAIN_NAME.fullmatch(name) else f'"{quoted}"'
    return f"SET {shown} TO {value}"


def _steps(tree: Mapping[str, Any]) -> Iterator[Step]:
    ((node, fields),) = tree.items()
    read = STATEMENTS.get(node)
    if read is None:
        yield Other.WORK
    else:
        yield from read(fields)


def _nothing(fields: Fields) -> Iterator[Step]:
    yield from ()


def _transaction(fields: Fields) -> Iterator[Step]:
    step = TRANSACTIONS.get(str(fields.get("kind")))
    if step is not None:
        yield step
    if fields.get("chain"):
        yield Other.BEGIN


def _discard(fields: Fields) -> Iterator[Step]:
    if fields.get("target") == "DISCARD_ALL":
        yield Other.DISCARD_ALL


def _set(fields: Fields) -> Iterator[Step]:
    name, arguments = str(fields.get("name", "")).lower(), fields.get("args", ())
    match fields.get("kind"):
        case "VAR_SET_VALUE" if not is_local(fields):
            yield _assigned(name, _value(name, arguments))
        case "VAR_SET_DEFAULT" | "VAR_RESET" if not is_local(fields):
            yield Reset(name)
        case "VAR_RESET_ALL":
            yield Reset(None)
        case "VAR_SET_MULTI" if name == "session characteristics":
            for mode in (argument["DefElem"] for argument in arguments):
                default = f"default_{mode['defname']}"
                yield Assignment(default, _value(default, [mode["arg"]]))


def _select(fields: Fields) -> Iterator[Step]:
    """Read a SELECT of nothing but calls of set_config; all others are work."""
    calls = [
        one["ResTarget"].get("val", {}).get("FuncCall", {})
        for one in fields.get("targetList", ())
    ]
    if "fromClause" in fields or not calls or not all(map(_is_set_config, calls)):
        yield Other.WORK
        return
    for call in calls:
        name, value, local = map(_constant, call["args"])
        if name is None:
            yield Other.WORK
        elif local in TRUE:
            continue
        elif _is_null(call["args"][1]):
            yield Reset(name.lower())
        else:
            known = None if local is None else value
            yield _assigned(name.lower(), _from_text(name.lower(), known))


def _assigned(name: str, value: str | None) -> Step:
    """Return an assignment; PostgreSQL has no setting with an unprintable name."""
    return Assignment(name, value) if name.isprintable() else Other.WORK


def _is_set_config(call: Fields) -> bool:
    return (
        "funcname" in call
        and function_name(call) == "set_config"
        and len(call.get("args", ())) == 3
    )


def _is_null(argument: Fields) -> bool:
    """Return True for NULL, by which set_config returns a setting to its default."""
    return "isnull" in argument.get("A_Const", {})


def _value(name: str, arguments: Sequence[Fields]) -> str | None:
    """Return the arguments of a SET as SQL; None unless all are constants."""
    values = [_constant(argument) for argument in arguments]
    texts = [value for value in values if value is not None]
    if len(texts) < len(values):
        return None
    parts = texts if name in LISTS else [", ".join(texts)]
    return ", ".join(map(_literal, parts))


def _from_text(name: str, text: str | None) -> str | None:
    """Return the second argument of set_config as SQL; lists have the syntax of SET."""
    if not text or name not in LISTS:
        return None if text is None else _literal(text)
    match steps(f"SET {name} TO {text}"):
        case (Assignment(_, value),):
            return value
    return None


def _literal(text: str) -> str:
    """Return a printable constant that does not need standard_conforming_strings."""
    quoted = text.replace("'", "''")
    if quoted.isprintable() and "\\" not in quoted:
        return f"'{quoted}'"
    return f"E'{''.join(map(_escape, quoted))}'"


def _escape(character: str) -> str:
    if character.isprintable():
        return character.replace("\\", "\\\\")
    return f"\\U{ord(character):08x}"


def _constant(argument: Fields) -> str | None:
    """Return the text of a constant, as PostgreSQL gives it to the setting."""
    cast = argument.get("TypeCast")
    if cast is not None:
        return _cast(cast)
    match argument.get("A_Const"):
        case {"sval": value}:
            return str(value.get("sval", ""))
        case {"fval": value}:
            return str(value.get("fval", ""))
        case {"ival": value}:
            return str(value.get("ival", 0))
        case {"boolval": value}:
            return "on" if value.get("boolval") else "off"
    return None


def _cast(cast: Fields) -> str | None:
    """Return the text of a cast constant; an interval is one of hours and minutes."""
    text = _constant(cast["arg"])
    names = cast["typeName"].get("names", ())
    if text is None or names[-1:] != [{"String": {"sval": "interval"}}]:
        return text
    return f"INTERVAL '{text}'" if ":" in text else None


TRANSACTIONS: Final = {
    "TRANS_STMT_BEGIN": Other.BEGIN,
    "TRANS_STMT_START": Other.BEGIN,
    "TRANS_STMT_COMMIT": Other.COMMIT,
    "TRANS_STMT_PREPARE": Other.COMMIT,
    "TRANS_STMT_ROLLBACK": Other.ROLLBACK,
}
"""The statements that begin or end a transaction; PREPARE TRANSACTION keeps its SETs.
"""
STATEMENTS: Final[Mapping[str, Callable[[Fields], Iterator[Step]]]] = {
    "VariableSetStmt": _set,
    "SelectStmt": _select,
    "DiscardStmt": _discard,
    "VariableShowStmt": _nothing,
    "TransactionStmt": _transaction,
    "ConstraintsSetStmt": _nothing,
}
"""The statements that are not WORK; each yields its steps."""

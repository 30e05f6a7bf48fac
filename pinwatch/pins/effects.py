"""The effects of a statement on the state of its session.

Owns how statements add to that state and take from it. Effects never decide on pins.
The relay acts on those on settings, and ``hidden`` reads all kinds; otherwise effects
are for display.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pinwatch.pins.rules import (
    CREATIONS,
    CURSOR_OPT_HOLD,
    Fields,
    first_constant,
    function_name,
    is_in_temporary_schema,
    is_local,
    is_of_transaction,
    is_temporary,
    relation,
    uncast,
)

ALL: Final = ""
"""The name of an effect on everything of its kind."""

SETTINGS: Final = "settings"
PREPARED_STATEMENTS: Final = "prepared_statements"
TEMPORARY_OBJECTS: Final = "temporary_objects"
CURSORS: Final = "cursors"
CHANNELS: Final = "channels"
ADVISORY_LOCKS: Final = "advisory_locks"
SEQUENCES: Final = "sequences"
LIBRARIES: Final = "libraries"
KINDS: Final = (
    SETTINGS,
    PREPARED_STATEMENTS,
    TEMPORARY_OBJECTS,
    CURSORS,
    CHANNELS,
    ADVISORY_LOCKS,
    SEQUENCES,
    LIBRARIES,
)
IMMEDIATE: Final = (PREPARED_STATEMENTS, ADVISORY_LOCKS, SEQUENCES, LIBRARIES)
"""Kinds of state that outlive a rollback."""
DROPPED: Final = ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_SEQUENCE")
TRUE: Final = ("true", "t")


@dataclass(frozen=True, slots=True)
class Effect:
    """A change of one name of one kind of state.

    If holds is true, the session has the name with this value from now on; if local is
    true, only until the transaction ends. If holds is false, the session no longer has
    the name.
    """

    holds: bool
    kind: str
    name: str
    value: str = ""
    local: bool = False

    def stays(self, rolled_back: bool) -> bool:
        """Return True if the effect outlives its transaction.

        A cursor that was closed stays closed after a rollback.
        """
        if not rolled_back:
            return not self.local
        return self.kind in IMMEDIATE or (self.kind == CURSORS and not self.holds)


def effects(node: str, fields: Fields) -> Iterator[Effect]:
    """Yield the effects of one node that runs."""
    found = EFFECTS.get(node)
    if found is not None:
        yield from found(fields)


def _variable(statement: Fields) -> Iterator[Effect]:
    kind = str(statement.get("kind", ""))
    name = str(statement.get("name", ""))
    if kind == "VAR_RESET_ALL":
        yield Effect(False, SETTINGS, ALL)
    elif kind in ("VAR_RESET", "VAR_SET_DEFAULT"):
        yield Effect(False, SETTINGS, name.lower(), local=is_local(statement))
    elif not is_of_transaction(statement):
        local = is_local(statement)
        yield Effect(True, SETTINGS, name.lower(), _values(statement), local)


def _values(statement: Fields) -> str:
    return ", ".join(_constant(argument) for argument in statement.get("args", ()))


def _constant(argument: Fields) -> str:
    """Return a constant as written; empty for another expression."""
    constant = uncast(argument).get("A_Const", {})
    for kind in ("sval", "fval", "bsval"):
        if kind in constant:
            return str(constant[kind].get(kind, ""))
    if "ival" in constant:
        return str(constant["ival"].get("ival", 0))
    if "boolval" in constant:
        return "true" if constant["boolval"].get("boolval") else "false"
    return ""


def _call(call: Fields) -> Iterator[Effect]:
    name = function_name(call)
    arguments = [_constant(argument) for argument in call.get("args", ())]
    if name == "set_config" and arguments:
        setting, value, local = (*arguments, "", "")[:3]
        given = uncast(call["args"][1]) if len(arguments) > 1 else {}
        is_null = given.get("A_Const", {}).get("isnull")  # NULL is SET ... TO DEFAULT
        yield Effect(not is_null, SETTINGS, setting.lower(), value, local in TRUE)
    elif name in ("nextval", "setval", "currval"):
        yield Effect(True, SEQUENCES, first_constant(call) or "?")
    elif name == "pg_advisory_unlock_all":
        yield Effect(False, ADVISORY_LOCKS, ALL)
    elif name.startswith("pg_advisory_unlock"):
        yield Effect(False, ADVISORY_LOCKS, ", ".join(arguments) or "?")
    elif name.startswith(("pg_advisory_lock", "pg_try_advisory_lock")):
        yield Effect(True, ADVISORY_LOCKS, ", ".join(arguments) or "?")


def _creation(statement: Fields) -> Iterator[Effect]:
    if is_temporary(statement) or is_in_temporary_schema(statement):
        name = str(relation(statement).get("relname"))
        local = _drops_on_commit(statement)
        yield Effect(True, TEMPORARY_OBJECTS, name, local=local)


def _drops_on_commit(statement: Fields) -> bool:
    into = statement.get("into", {})
    return "ONCOMMIT_DROP" in (statement.get("oncommit"), into.get("onCommit"))


def _drop(statement: Fields) -> Iterator[Effect]:
    if statement.get("removeType") in DROPPED:
        for dropped in statement["objects"]:
            *schema, name = (one["String"]["sval"] for one in dropped["List"]["items"])
            if schema in ([], ["pg_temp"]):
                yield Effect(False, TEMPORARY_OBJECTS, name)


def _prepare(statement: Fields) -> Iterator[Effect]:
    yield Effect(True, PREPARED_STATEMENTS, str(statement.get("name", "")))


def _deallocate(statement: Fields) -> Iterator[Effect]:
    yield Effect(False, PREPARED_STATEMENTS, str(statement.get("name", ALL)))


def _declare(statement: Fields) -> Iterator[Effect]:
    local = not int(statement.get("options", 0)) & CURSOR_OPT_HOLD
    yield Effect(True, CURSORS, str(statement.get("portalname", "")), local=local)


def _close(statement: Fields) -> Iterator[Effect]:
    yield Effect(False, CURSORS, str(statement.get("portalname", ALL)))


def _listen(statement: Fields) -> Iterator[Effect]:
    yield Effect(True, CHANNELS, str(statement.get("conditionname", "")))


def _unlisten(statement: Fields) -> Iterator[Effect]:
    yield Effect(False, CHANNELS, str(statement.get("conditionname", ALL)))


def _load(statement: Fields) -> Iterator[Effect]:
    yield Effect(True, LIBRARIES, str(statement.get("filename", "")))


def _discard(statement: Fields) -> Iterator[Effect]:
    kinds = {
        "DISCARD_ALL": KINDS,
        "DISCARD_TEMP": (TEMPORARY_OBJECTS,),
        "DISCARD_SEQUENCES": (SEQUENCES,),
    }
    for kind in kinds.get(str(statement.get("target", "")), ()):
        if kind != LIBRARIES:
            yield Effect(False, kind, ALL)


EFFECTS: Final[Mapping[str, Callable[[Fields], Iterator[Effect]]]] = {
    "VariableSetStmt": _variable,
    "FuncCall": _call,
    "PrepareStmt": _prepare,
    "DeallocateStmt": _deallocate,
    "DeclareCursorStmt": _declare,
    "ClosePortalStmt": _close,
    "ListenStmt": _listen,
    "UnlistenStmt": _unlisten,
    "LoadStmt": _load,
    "DiscardStmt": _discard,
    "DropStmt": _drop,
    **dict.fromkeys(CREATIONS, _creation),
}

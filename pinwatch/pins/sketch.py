"""Statements as their tokens show them, where there is no tree.

Owns how commands and calls are recognised in a text that is too expensive to parse, or
that the grammar refuses. They come as nodes with the fields of libpg_query's JSON that
rules and effects read, so that both judge a sketch as they judge a tree.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from pinwatch.pins.rules import CURSOR_OPT_HOLD, Fields
from pinwatch.pins.tokens import (
    CONSTANT,
    QUOTED,
    WORD,
    Span,
    Token,
    name,
)

Code = Sequence[Token]
Node = tuple[str, Fields]

NAMES: Final = (WORD, QUOTED)
MAX_NAME: Final = 8
"""Parts of the longest dotted name that is read."""
MAX_DEFINED: Final = 5
"""Tokens of CREATE and ALTER within which they name the kind of object."""
MAX_HEAD: Final = 12
"""Tokens of DECLARE within which WITH HOLD stands."""
MAX_ARGUMENTS: Final = 3  # of a call, in an effect
TEMPORARY: Final = ("temp", "temporary")
MODIFIERS: Final = ("or", "replace", "local", "global", "unlogged", "recursive")
"""Words between CREATE and the kind of object, besides TEMPORARY."""
OFF: Final = ("off", "false", "0", "'off'", "'false'", "'0'")
"""Values of an option of EXPLAIN that switch it off."""
STORING: Final = (
    "function",
    "procedure",
    "routine",
    "rule",
    "policy",
    "trigger",
    "domain",
    "statistics",
    "publication",
    "view",
)
"""The kinds of object that CREATE and ALTER define with SQL that runs later."""
SPELLINGS: Final = {
    ("time", "zone"): "timezone",
    ("session", "authorization"): "session_authorization",
    ("session", "characteristics"): "SESSION CHARACTERISTICS",
    ("xml", "option"): "xmloption",
}
"""Settings with a syntax of their own, by the words after SET or RESET."""
SYNONYMS: Final = {"names": "client_encoding", "schema": "search_path"}
CREATED: Final = {
    "table": ("CreateStmt", "relation"),
    "view": ("ViewStmt", "view"),
    "sequence": ("CreateSeqStmt", "sequence"),
}


def nodes(text: str, statement: Code) -> Iterator[Node]:
    """Yield the nodes of one statement that run; a call's location is in characters."""
    code, explained = _explained(text, statement)
    first = _word(code, 0)
    if explained is not False:
        command = COMMANDS.get(first)
        if command is not None:
            yield from command(text, code)
    yield from _executed(code, first)
    if explained is False or _is_stored(code, first):
        return
    for at in range(len(code) - 1):
        word = code[at].text
        if word == "(":
            if code[at - 1].kind in NAMES and at:
                yield from _call(text, code, at - 1)
        elif word == "into" and code[at + 1].text in TEMPORARY:
            yield _into(code, at + 1)


def _explained(text: str, code: Code) -> tuple[Code, bool | None]:
    """Return the explained statement, and True if the EXPLAIN runs it.

    The second is None if there is no EXPLAIN.
    """
    if _word(code, 0) != "explain":
        return code, None
    at, runs = 1, False
    if _word(code, 1) == "(":
        at = _closing(code, 1)
        for option in range(2, at):
            if code[option].text == "analyze":
                value = code[option + 1] if option + 1 < len(code) else code[option]
                runs = text[value.start : value.end].lower() not in OFF
        at += 1
    while _word(code, at) in ("analyze", "analyse", "verbose"):
        runs = runs or _word(code, at) != "verbose"
        at += 1
    return code[at:], runs


def _closing(code: Code, at: int) -> int:
    """Return the index of the bracket that closes the one at index at, or the end."""
    depth = 0
    for place in range(at, len(code)):
        depth += (code[place].text == "(") - (code[place].text == ")")
        if not depth:
            return place
    return len(code)


def _is_stored(code: Code, first: str) -> bool:
    """Return True if calls in the statement run later: definitions and defaults."""
    if first == "prepare":
        return True
    if first not in ("create", "alter"):
        return False
    head = [token.text for token in code[1:MAX_DEFINED] if token.kind == WORD]
    if first == "alter":
        using = any(token.text == "using" for token in code)
        return any(word in STORING for word in head) or not using
    if "table" in head or "materialized" in head:
        words = [token.text for token in code if token.kind == WORD]
        return "as" not in words or words[-3:] == ["with", "no", "data"]
    return any(word in STORING for word in head)


def _executed(code: Code, first: str) -> Iterator[Node]:
    """Yield EXECUTE as a command, also within EXPLAIN and CREATE TABLE AS."""
    if first == "execute":
        yield "ExecuteStmt", {"name": _name_at(code, 1)}
    elif first == "create":
        for at in range(len(code) - 1):
            if code[at].text == "as" and code[at + 1].text == "execute":
                yield "ExecuteStmt", {"name": _name_at(code, at + 2)}
                return


def _call(text: str, code: Code, at: int) -> Iterator[Node]:
    """Yield the call of the function whose name ends at index at."""
    parts = _name_back(code, at)
    yield (
        "FuncCall",
        {
            "funcname": [{"String": {"sval": name(part)}} for part in parts],
            "args": _arguments(text, code, at + 2),
            "location": parts[0].start,
        },
    )


def _name_back(code: Code, at: int) -> Code:
    """Return the parts of the dotted name that ends at index at."""
    parts = [code[at]]
    while (
        at >= 2
        and len(parts) < MAX_NAME
        and code[at - 1].text == "."
        and code[at - 2].kind in NAMES
    ):
        at -= 2
        parts.insert(0, code[at])
    return parts


def _arguments(text: str, code: Code, at: int) -> list[Fields]:
    """Return the constants, and words used as values, of the list at index at."""
    found: list[Fields] = []
    while len(found) < MAX_ARGUMENTS and at < len(code):
        if code[at].kind not in (CONSTANT, *NAMES) or _word(code, at + 1) in ("(", "."):
            break
        found.append(_constant(text, code[at]))
        if _word(code, at + 1) != ",":
            break
        at += 2
    return found


def _constant(text: str, token: Token) -> Fields:
    written = text[token.start : token.end]
    if token.kind != CONSTANT:
        return {"A_Const": {"fval": {"fval": name(token)}}}
    if written[0] != "'":
        return {"A_Const": {"fval": {"fval": written}}}
    value = written[1:-1].replace("''", "'")
    return {"A_Const": {"sval": {"sval": value}}}


def _into(code: Code, at: int) -> Node:
    """Return the node of SELECT ... INTO TEMP; the word TEMP is at index at."""
    at += 1 + (_word(code, at + 1) == "table")
    return "SelectStmt", {"intoClause": {"rel": _relation(code, at, "t")}}


def _set(text: str, code: Code) -> Iterator[Node]:
    at = 1
    scope = _word(code, 1)
    if scope == "constraints":
        return
    if scope in ("local", "session") and _setting(code, 1) == scope:
        at = 2
    setting = _setting(code, at)
    values = [n + 1 for n in range(at, len(code)) if _word(code, n) in ("=", "to")]
    if setting == "transaction" and code[at].kind == WORD:
        yield "VariableSetStmt", {"kind": "VAR_SET_MULTI", "name": "TRANSACTION"}
        return
    value = code[-1].text if code[-1].kind == WORD else ""
    yield (
        "VariableSetStmt",
        {
            "kind": "VAR_SET_DEFAULT" if value == "default" else "VAR_SET_VALUE",
            "name": setting,
            "args": _arguments(text, code, values[0] if values else at + 1),
            "is_local": scope == "local",
        },
    )


def _reset(text: str, code: Code) -> Iterator[Node]:
    if _word(code, 1) == "all":
        yield "VariableSetStmt", {"kind": "VAR_RESET_ALL"}
    else:
        yield "VariableSetStmt", {"kind": "VAR_RESET", "name": _setting(code, 1)}


def _setting(code: Code, at: int) -> str:
    """Return the name of the setting at index at."""
    pair = _word(code, at), _word(code, at + 1)
    setting = SPELLINGS.get(pair) or ".".join(_names(code, at))
    if pair[1] in ("=", "to"):
        return setting
    return SYNONYMS.get(setting, setting)


def _prepare(text: str, code: Code) -> Iterator[Node]:
    if _word(code, 1) == "transaction":
        yield "TransactionStmt", {"kind": "TRANS_STMT_PREPARE"}
    else:
        yield "PrepareStmt", {"name": _name_at(code, 1)}


def _deallocate(text: str, code: Code) -> Iterator[Node]:
    at = 2 if _word(code, 1) == "prepare" else 1
    every = _word(code, at) == "all"
    yield "DeallocateStmt", {} if every else {"name": _name_at(code, at)}


def _discard(text: str, code: Code) -> Iterator[Node]:
    target = _word(code, 1)
    target = "temp" if target in TEMPORARY else target
    yield "DiscardStmt", {"target": f"DISCARD_{target.upper()}"}


def _declare(text: str, code: Code) -> Iterator[Node]:
    words = [token.text for token in code[:MAX_HEAD]]
    hold = any(pair == ("with", "hold") for pair in pairwise(words))
    yield (
        "DeclareCursorStmt",
        {"portalname": _name_at(code, 1), "options": CURSOR_OPT_HOLD * hold},
    )


def _create(text: str, code: Code) -> Iterator[Node]:
    if _word(code, 1) == "schema":  # may contain CREATE commands
        later = [at for at in range(2, len(code)) if code[at].text == "create"]
        for start, end in zip(later, [*later[1:], len(code)], strict=False):
            yield from _create(text, code[start:end])
        return
    at, temporary = 1, False
    while _word(code, at) in (*TEMPORARY, *MODIFIERS):
        temporary = temporary or code[at].text in TEMPORARY
        at += 1
    if not temporary and _word(code, at) not in CREATED:
        return
    node, field = CREATED.get(_word(code, at), CREATED["table"])
    at += 1
    while _word(code, at) in ("if", "not", "exists"):
        at += 1
    relation = _relation(code, at, "t" if temporary else "p")
    yield node, {field: relation, "oncommit": _on_commit(code)}


def _on_commit(code: Code) -> str:
    return next(
        (
            f"ONCOMMIT_{_word(code, at + 2).upper()}"
            for at in range(1, len(code))
            if code[at].text == "on" and _word(code, at + 1) == "commit"
        ),
        "",
    )


def _relation(code: Code, at: int, persistence: str) -> Mapping[str, Any]:
    schema, name = ["", "", *_names(code, at)][-2:]
    return {"relname": name, "relpersistence": persistence, "schemaname": schema}


def _listen(text: str, code: Code) -> Iterator[Node]:
    yield "ListenStmt", {"conditionname": _name_at(code, 1)}


def _unlisten(text: str, code: Code) -> Iterator[Node]:
    every = _word(code, 1) == "*"
    yield "UnlistenStmt", {} if every else {"conditionname": _name_at(code, 1)}


def _close(text: str, code: Code) -> Iterator[Node]:
    every = _word(code, 1) == "all"
    yield "ClosePortalStmt", {} if every else {"portalname": _name_at(code, 1)}


def _load(text: str, code: Code) -> Iterator[Node]:
    for argument in _arguments(text, code, 1):
        value = argument["A_Const"].get("sval", {})
        yield "LoadStmt", {"filename": value.get("sval", "")}


COMMANDS: Final[Mapping[str, Callable[[str, Code], Iterator[Node]]]] = {
    "set": _set,
    "reset": _reset,
    "prepare": _prepare,
    "deallocate": _deallocate,
    "discard": _discard,
    "declare": _declare,
    "create": _create,
    "listen": _listen,
    "unlisten": _unlisten,
    "close": _close,
    "load": _load,
}


def _word(code: Code, at: int) -> str:
    """Return the word or mark at index at; empty for a constant or beyond the end."""
    return code[at].text if at < len(code) else ""


def _name_at(code: Code, at: int) -> str:
    """Return the first part of the name at index at; empty if there is none."""
    return next(iter(_names(code, at)), "")


def _names(code: Code, at: int) -> list[str]:
    """Return the parts of the dotted name at index at; empty if there is none."""
    parts: list[str] = []
    while at < len(code) and code[at].kind in NAMES and len(parts) < MAX_NAME:
        parts.append(name(code[at]))
        if _word(code, at + 1) != ".":
            break
        at += 2
    return parts


def extent(statement: Code) -> Span:
    """Return the span of a statement, in characters."""
    return Span(statement[0].start, statement[-1].end)

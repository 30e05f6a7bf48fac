"""The conditions under which RDS Proxy pins a PostgreSQL session, one row each.

Owns what pins and what gets a warning, with the evidence. The advice on pins is in
``catalogue``. Does not know how a statement's tree is walked. Names of nodes are
libpg_query's. A predicate reads the fields of a node in libpg_query's JSON, which omits
false and zero ones.

The source of all rows is
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy-pinning.html
unless the row names another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Fields = Mapping[str, Any]

SETTING: Final = (
    "SQL changed session settings that the proxy doesn't track. Consider moving "
    "session configuration to the proxy's initialization query."
)
STATEMENT_SIZE_REASON: Final = (
    "The connection ran a SQL query which exceeded the 16384 byte limit."
)
PARSE_REASON: Final = "A parse message was detected."
MAX_STATEMENT: Final = 16_384
"""Bytes of text; a longer statement pins by its length alone."""

CURSOR_OPT_HOLD: Final = 0x0020


@dataclass(frozen=True, slots=True)
class Readings:
    """The two readings of a case on which AWS's pages and its users disagree."""

    pins: str
    does_not: str
    sources: tuple[str, ...]

    def __str__(self) -> str:
        return f"For a pin: {self.pins} Against: {self.does_not}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition; code is its stable name, shared by rows of one kind.

    Every text that the rule matches has, in lower case, one of words or the start of a
    ``U&`` escape.
    """

    code: str
    nodes: tuple[str, ...]
    subject: Callable[[Fields], str]
    words: tuple[str, ...]
    pins: str
    passes: str
    when: Callable[[Fields], bool] = field(default=lambda _: True)
    readings: Readings | None = None
    reason: str = SETTING


def function_name(call: Fields) -> str:
    """Return the name of a called function, as PostgreSQL folds it.

    Return an empty name for a function in a schema other than pg_catalog.
    """
    parts = [part["String"].get("sval", "") for part in call["funcname"]]
    return str(parts[-1]) if parts[-2:-1] in ([], ["pg_catalog"]) else ""


def calls(*names: str) -> Callable[[Fields], bool]:
    return lambda call: function_name(call) in names


def named(key: str, default: str = "") -> Callable[[Fields], str]:
    return lambda fields: str(fields.get(key, default))


def is_set(statement: Fields) -> bool:
    return not is_reset(statement) and not is_of_transaction(statement)


def is_reset(statement: Fields) -> bool:
    return str(statement.get("kind", "")).startswith("VAR_RESET")


def is_of_transaction(statement: Fields) -> bool:
    """Return True for SET TRANSACTION, with modes or a SNAPSHOT."""
    name = str(statement.get("name", ""))
    return statement.get("kind") == "VAR_SET_MULTI" and name.startswith("TRANSACTION")


def is_local(statement: Fields) -> bool:
    return bool(statement.get("is_local"))


def relation(statement: Fields) -> Fields:
    """Return the relation that a statement creates, from any of its fields."""
    into = statement.get("into") or statement.get("intoClause") or {}
    found = (
        statement.get("relation")
        or statement.get("view")
        or statement.get("sequence")
        or into.get("rel")
        or {}
    )
    return dict(found)


def is_temporary(statement: Fields) -> bool:
    return relation(statement).get("relpersistence") == "t"


def is_in_temporary_schema(statement: Fields) -> bool:
    return not is_temporary(statement) and (
        relation(statement).get("schemaname") == "pg_temp"
    )


CREATIONS: Final = (
    "CreateStmt",
    "ViewStmt",
    "CreateSeqStmt",
    "CreateTableAsStmt",
    "SelectStmt",
)
AWS_TOOLKIT: Final = "https://github.com/aws/agent-toolkit-for-aws"
PINNING_PAGE: Final = (
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/"
    "rds-proxy-pinning.html"
)

RULES: Final = (
    Rule(
        code="set",
        nodes=("VariableSetStmt",),
        when=lambda s: is_set(s) and not is_local(s),
        subject=named("name"),
        words=("set",),
        pins="SET work_mem = '1GB'",
        passes="SHOW work_mem",
    ),
    Rule(
        code="set",
        nodes=("VariableSetStmt",),
        when=lambda s: is_set(s) and is_local(s),
        subject=named("name"),
        words=("set",),
        pins="SET LOCAL work_mem = '1GB'",
        passes="SET TRANSACTION READ ONLY",
        readings=Readings(
            pins=(
                "AWS's list for PostgreSQL says SET without exception, while its list "
                "for MySQL exempts SET LOCAL; set_config(..., true), which does the "
                "same, is in a production log."
            ),
            does_not=(
                "a page of AWS's agent toolkit and several users say that it lasts "
                "for the transaction only; no log shows either."
            ),
            sources=(
                PINNING_PAGE,
                AWS_TOOLKIT,
                "https://github.com/AmbitionEng/django-pghistory/issues/245",
            ),
        ),
    ),
    Rule(
        code="reset",
        nodes=("VariableSetStmt",),
        when=is_reset,
        subject=named("name", "ALL"),
        words=("reset",),
        pins="RESET ALL",
        passes="SHOW ALL",
    ),
    Rule(
        code="set_config",
        nodes=("FuncCall",),
        when=calls("set_config"),
        subject=lambda call: first_constant(call) or "set_config",
        words=("set_config",),
        pins="SELECT set_config('app.tenant', '42', true)",
        passes="SELECT current_setting('app.tenant')",
    ),
    Rule(
        code="prepare",
        nodes=("PrepareStmt",),
        subject=named("name"),
        words=("prepare",),
        pins="PREPARE q AS SELECT 1",
        passes="SELECT prepare FROM plans",
    ),
    Rule(
        code="execute",
        nodes=("ExecuteStmt",),
        subject=named("name"),
        words=("execute",),
        pins="EXECUTE q",
        passes="GRANT EXECUTE ON FUNCTION f TO app",
    ),
    Rule(
        code="deallocate",
        nodes=("DeallocateStmt",),
        subject=named("name", "ALL"),
        words=("deallocate",),
        pins="DEALLOCATE ALL",
        passes="SELECT 'deallocate'",
    ),
    Rule(
        code="discard",
        nodes=("DiscardStmt",),
        subject=lambda s: str(s.get("target", "")).removeprefix("DISCARD_"),
        words=("discard",),
        pins="DISCARD ALL",
        passes="SELECT discard FROM cards",
    ),
    Rule(
        code="temp_object",
        nodes=CREATIONS,
        when=is_temporary,
        subject=lambda s: str(relation(s).get("relname", "")),
        words=("temp",),
        pins="CREATE TEMP TABLE t (id int)",
        passes="CREATE TABLE t (id int)",
    ),
    Rule(
        code="declare_cursor",
        nodes=("DeclareCursorStmt",),
        when=lambda s: bool(int(s.get("options", 0)) & CURSOR_OPT_HOLD),
        subject=named("portalname"),
        words=("declare",),
        pins="DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        passes="FETCH 1 FROM c",
    ),
    Rule(
        code="declare_cursor",
        nodes=("DeclareCursorStmt",),
        when=lambda s: not int(s.get("options", 0)) & CURSOR_OPT_HOLD,
        subject=named("portalname"),
        words=("declare",),
        pins="DECLARE c CURSOR FOR SELECT 1",
        passes="CLOSE c",
        readings=Readings(
            pins="AWS's list says that declaring a cursor pins, without distinction.",
            does_not=(
                "a log exists for WITH HOLD only, and a page of AWS's agent toolkit "
                "says that it lasts until the cursor is closed."
            ),
            sources=(
                PINNING_PAGE,
                AWS_TOOLKIT,
                "https://github.com/dimagi/open-chat-studio/issues/4176",
            ),
        ),
    ),
    Rule(
        code="listen",
        nodes=("ListenStmt",),
        subject=named("conditionname"),
        words=("listen",),
        pins="LISTEN jobs",
        passes="NOTIFY jobs",
    ),
    Rule(
        code="load",
        nodes=("LoadStmt",),
        subject=named("filename"),
        words=("load",),
        pins="LOAD 'auto_explain'",
        passes="SELECT load FROM trucks",
    ),
    Rule(
        code="sequence_function",
        nodes=("FuncCall",),
        when=calls("nextval", "setval"),
        subject=lambda call: first_constant(call) or function_name(call),
        words=("nextval", "setval"),
        pins="SELECT nextval('orders_id_seq')",
        passes="SELECT billing.nextval('orders_id_seq')",
    ),
    Rule(
        code="sequence_function",
        nodes=("FuncCall",),
        when=calls("currval"),
        subject=lambda call: first_constant(call) or function_name(call),
        words=("currval",),
        pins="SELECT currval('orders_id_seq')",
        passes="SELECT last_value FROM orders_id_seq",
        readings=Readings(
            pins=(
                "AWS's list names sequence functions such as nextval and setval, and "
                "a page of its agent toolkit names currval."
            ),
            does_not="the list itself does not name it, and no log shows it.",
            sources=(PINNING_PAGE, AWS_TOOLKIT),
        ),
    ),
    Rule(
        code="advisory_lock",
        nodes=("FuncCall",),
        when=calls(
            "pg_advisory_lock",
            "pg_advisory_lock_shared",
            "pg_try_advisory_lock",
            "pg_try_advisory_lock_shared",
        ),
        subject=lambda call: function_name(call),
        words=("pg_advisory_lock", "pg_try_advisory_lock"),
        pins="SELECT pg_advisory_lock(1)",
        passes="SELECT pg_advisory_xact_lock(1)",
    ),
    Rule(
        code="advisory_lock",
        nodes=("FuncCall",),
        when=calls(
            "pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all"
        ),
        subject=lambda call: function_name(call),
        words=("pg_advisory_unlock",),
        pins="SELECT pg_advisory_unlock(1)",
        passes="SELECT count(*) FROM pg_locks",
        readings=Readings(
            pins="AWS's list speaks of interacting with locks.",
            does_not=(
                "the one log that has it, asyncpg's reset, is explained by the RESET "
                "ALL beside it."
            ),
            sources=(PINNING_PAGE, "https://github.com/MagicStack/asyncpg/issues/1153"),
        ),
    ),
)


def first_constant(call: Fields) -> str:
    """Return the first argument of a call; empty if it is no string constant."""
    arguments: Sequence[Fields] = call.get("args") or ({},)
    constant = uncast(arguments[0]).get("A_Const", {}).get("sval", {})
    return str(constant.get("sval", ""))


def uncast(expression: Fields) -> Fields:
    """Return the expression without the casts around it."""
    while "TypeCast" in expression:
        expression = expression["TypeCast"].get("arg", {})
    return expression


@dataclass(frozen=True, slots=True)
class Warned:
    """A statement that may go wrong without a pin, or that may pin."""

    code: str
    nodes: tuple[str, ...]
    text: str
    words: tuple[str, ...]
    example: str
    when: Callable[[Fields], bool] = field(default=lambda _: True)


WARNED: Final = (
    Warned(
        code="lastval",
        nodes=("FuncCall",),
        when=calls("lastval"),
        text=(
            "lastval() does not pin, and may give another session's number; use "
            "RETURNING."
        ),
        words=("lastval",),
        example="SELECT lastval()",
    ),
    Warned(
        code="set_transaction",
        nodes=("VariableSetStmt",),
        when=is_of_transaction,
        text=(
            "SET TRANSACTION is judged not to pin, as it ends with the transaction; "
            "AWS does not say. BEGIN ISOLATION LEVEL ... is no SET at all."
        ),
        words=("set",),
        example="SET TRANSACTION READ ONLY",
    ),
    Warned(
        code="pg_temp",
        nodes=CREATIONS,
        when=is_in_temporary_schema,
        text=(
            "A relation created in pg_temp without the word TEMP is judged not to be "
            "seen: it stays on the database connection for the next client."
        ),
        words=("pg_temp",),
        example="CREATE TABLE pg_temp.t (id int)",
    ),
    Warned(
        code="prepare_transaction",
        nodes=("TransactionStmt",),
        when=lambda s: s.get("kind") == "TRANS_STMT_PREPARE",
        text=(
            "PREPARE TRANSACTION does not pin; COMMIT PREPARED may come on another "
            "database connection, which PostgreSQL allows."
        ),
        words=("prepare",),
        example="PREPARE TRANSACTION 'x'",
    ),
)

CODES: Final = (
    *dict.fromkeys(rule.code for rule in RULES),
    "statement_size",
    "parse_message",
)
"""All rule codes, as metrics, log, API and tests know them."""

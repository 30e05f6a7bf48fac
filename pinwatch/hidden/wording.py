"""The phrases that describe hidden state, by kind."""

from typing import Final

from pinwatch.hidden.bodies import DO, Left
from pinwatch.pins.effects import (
    ADVISORY_LOCKS,
    CHANNELS,
    CURSORS,
    PREPARED_STATEMENTS,
    SETTINGS,
    TEMPORARY_OBJECTS,
)

SETTING: Final = "setting"
ROLE: Final = "role"
SESSION_AUTHORIZATION: Final = "session_authorization"
PREPARED_STATEMENT: Final = "prepared_statement"
TEMPORARY_OBJECT: Final = "temporary_object"
CURSOR: Final = "cursor"
CHANNEL: Final = "channel"
ADVISORY_LOCK: Final = "advisory_lock"

WORDS: Final = {
    SETTING: (
        "the setting {}",
        "set_config(..., true) and SET LOCAL end with the transaction.",
    ),
    ROLE: (
        "the {}",
        "SET LOCAL ROLE ends with the transaction.",
    ),
    SESSION_AUTHORIZATION: (
        "the {}",
        "SET LOCAL SESSION AUTHORIZATION ends with the transaction.",
    ),
    PREPARED_STATEMENT: (
        "the prepared statement {}",
        "PL/pgSQL keeps the plans of its statements without PREPARE.",
    ),
    TEMPORARY_OBJECT: (
        "the temporary object {}",
        "ON COMMIT DROP ends a table with the transaction.",
    ),
    CURSOR: (
        "the cursor {}",
        "A cursor without HOLD ends with the transaction.",
    ),
    CHANNEL: (
        "a LISTEN on {}",
        "Listen on a connection past the proxy.",
    ),
    ADVISORY_LOCK: (
        "the advisory lock {}",
        "pg_advisory_xact_lock ends with the transaction.",
    ),
}
"""The words for a state that stays, and the way out, by kind."""
SINGULAR: Final = {
    SETTINGS: SETTING,
    PREPARED_STATEMENTS: PREPARED_STATEMENT,
    TEMPORARY_OBJECTS: TEMPORARY_OBJECT,
    CURSORS: CURSOR,
    CHANNELS: CHANNEL,
    ADVISORY_LOCKS: ADVISORY_LOCK,
}
"""The kind of one state, by the kind of its effect."""
VALUED: Final = (SETTING, ROLE, SESSION_AUTHORIZATION)
THIS_BLOCK: Final = "This DO block"
REASON: Final = (
    "{} leaves {} on the database connection, and the next client gets it. RDS Proxy "
    "does not see this, so it does not pin."
)


def kind_of(effect_kind: str, name: str) -> str:
    """Return the kind of state that an effect on a name leaves."""
    if effect_kind == SETTINGS and name in (ROLE, SESSION_AUTHORIZATION):
        return name
    return SINGULAR[effect_kind]


def state(kind: str, name: str, value: str = "") -> str:
    """Return a phrase, as in "the setting app.tenant = '42'"."""
    phrase = WORDS[kind][0].format(name)
    return f"{phrase} = '{value}'" if kind in VALUED and value else phrase


def way_out(kind: str) -> str:
    """Return a sentence on how to leave no state of this kind."""
    return WORDS[kind][1]


def reason(left: Left, code: str) -> str:
    """Return sentences on state that code, a function or DO, leaves."""
    kind = kind_of(left.kind, left.name)
    named = THIS_BLOCK if code == DO else code
    return REASON.format(named, state(kind, left.name))


def sentence(left: Left, code: str, path: str) -> str:
    """Return sentences on state that code leaves, its path, and the way out."""
    advice = way_out(kind_of(left.kind, left.name))
    return f"{reason(left, code)} Path: {path}. {advice}"

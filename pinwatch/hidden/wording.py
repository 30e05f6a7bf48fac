"""Sentences about state that stays on a database connection unseen."""

from typing import Final

from pinwatch.hidden.bodies import Left
from pinwatch.pins.effects import (
    ADVISORY_LOCKS,
    CHANNELS,
    CURSORS,
    PREPARED_STATEMENTS,
    SETTINGS,
    TEMPORARY_OBJECTS,
)

WORDS: Final = {
    SETTINGS: (
        "the setting {}",
        "set_config(..., true) and SET LOCAL end with the transaction.",
    ),
    PREPARED_STATEMENTS: (
        "the prepared statement {}",
        "PL/pgSQL keeps the plans of its statements without PREPARE.",
    ),
    TEMPORARY_OBJECTS: (
        "the temporary object {}",
        "ON COMMIT DROP ends a table with the transaction.",
    ),
    CURSORS: (
        "the cursor {}",
        "A cursor without HOLD ends with the transaction.",
    ),
    CHANNELS: (
        "a LISTEN on {}",
        "Listen on a connection past the proxy.",
    ),
    ADVISORY_LOCKS: (
        "the advisory lock {}",
        "pg_advisory_xact_lock ends with the transaction.",
    ),
}
"""The words for a state that stays, and the way out, by kind."""
SENTENCE: Final = (
    "{} leaves {} on the database connection, and the next client gets it. RDS Proxy "
    "does not see this, so it does not pin. Path: {}. {}"
)


def sentence(left: Left, code: str, path: str) -> str:
    """Return a sentence on state that code leaves, its path, and the way out."""
    state, way_out = WORDS[left.kind]
    return SENTENCE.format(code, state.format(left.name), path, way_out)

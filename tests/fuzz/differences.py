"""The differences from a direct connection that are intended.

Each has its reason. A script ends where the first one appears, because what follows
depends on it, unless both connections have ended there.
"""

from collections.abc import Callable, Sequence, Set
from itertools import takewhile
from typing import Final, NamedTuple

from pinwatch.wire import messages
from tests.fuzz.guesses import FAILED_COPY, QUERY_IN_BATCH, REQUEST_IN_COPY
from tests.fuzz.transcript import CLOSED
from tests.wireclient import Message

UNEXPECTED_STATE: Final = "StartTransactionCommand: unexpected state STARTED"

Transcript = Sequence[Message]


class Intended(NamedTuple):
    reason: str
    applies: Callable[[Transcript, Transcript, Set[str]], bool]
    """Receives the direct messages of a flight, those through pinwatch, and the reasons
    of ``guesses``."""


def errors(received: Transcript) -> list[dict[str, str]]:
    return [
        messages.error_fields(message.body)
        for message in received
        if message.kind == messages.ERROR_RESPONSE
    ]


def before_errors(received: Transcript) -> list[Message]:
    """Return the messages before the first error."""
    return list(takewhile(lambda one: one.kind != messages.ERROR_RESPONSE, received))


def loses_synchronization(
    direct: Transcript, proxied: Transcript, guesses: Set[str]
) -> bool:
    return (
        any("synchronization was lost" in error["M"] for error in errors(direct))
        and before_errors(direct) == before_errors(proxied)
        and direct[-1] == proxied[-1] == CLOSED
        and [error["V"] for error in errors(proxied)][-1:] == ["FATAL"]
    )


def meets_a_bug_of_the_server(
    direct: Transcript, proxied: Transcript, guesses: Set[str]
) -> bool:
    return any(error["M"] == UNEXPECTED_STATE for error in errors(direct)) and not any(
        error["M"] == UNEXPECTED_STATE for error in errors(proxied)
    )


def ends_a_batch_by_a_query(
    direct: Transcript, proxied: Transcript, guesses: Set[str]
) -> bool:
    return QUERY_IN_BATCH in guesses


def interrupts_a_copy(
    direct: Transcript, proxied: Transcript, guesses: Set[str]
) -> bool:
    return REQUEST_IN_COPY in guesses


def follows_a_failed_copy(
    direct: Transcript, proxied: Transcript, guesses: Set[str]
) -> bool:
    return FAILED_COPY in guesses


INTENDED: Final[dict[str, Intended]] = {
    "unexpected state": Intended(
        "A Query ends a batch that has no Sync. On PostgreSQL 18 the next statement "
        "after the Sync then fails; pinwatch lets a hidden one fail in its place.",
        meets_a_bug_of_the_server,
    ),
    "synchronization lost": Intended(
        "The client sends a request while a COPY waits for data, and the server ends "
        "the connection. The message that it names in its error may be a hidden one of "
        "pinwatch, and pinwatch's FATAL 08006 comes in place of the server's if the "
        "connection was lost first.",
        loses_synchronization,
    ),
    QUERY_IN_BATCH: Intended(
        "A client sends a Query into a batch without a Sync, and there is an error. "
        "The server does not report whether the Query failed or was skipped: pinwatch "
        "may count one reply too few until the client is idle, and what the client "
        "prepared behind the Query may be wrong. Other clients are not affected. See "
        "GUESSED in tests/live/test_protocol.py.",
        ends_a_batch_by_a_query,
    ),
    REQUEST_IN_COPY: Intended(
        "A client sends a request while a COPY waits for data, and the COPY fails. "
        "What the server read before is data to it, and the rest are requests. "
        "pinwatch assumes the fewest replies, and sends a fence before it returns the "
        "connection (docs/decisions/counting-replies.md). If the fence meets another "
        "COPY of the same pipeline, the server ends the connection.",
        interrupts_a_copy,
    ),
    FAILED_COPY: Intended(
        "A client sends a Sync or a request while a COPY waits for data, and the COPY "
        "fails. The server does not report whether it ignored the Sync or answers it. "
        "pinwatch may take that answer for the answer to a later Sync, and forward the "
        "reply to a hidden message, and what the client prepared behind the COPY may "
        "be wrong. Other clients are not affected.",
        follows_a_failed_copy,
    ),
}

NOT_GENERATED: Final = (
    "pg_prepared_statements, pg_backend_pid() and other views of the server's "
    "processes: connections and their statements are shared.",
    "Resets by a client that has startup parameters: inside a batch or a transaction "
    "ParameterStatus shows the server's default first (docs/decisions/"
    "startup-parameters.md).",
    "Settings that a function or a DO block changes: the next client sees them, as on "
    "RDS Proxy (docs/behaviour.md).",
    "ALTER TABLE beneath a prepared statement: where it is parsed anew there is no "
    "error about a changed result type (docs/decisions/prepared-statements.md).",
    "ROLLBACK TO in a statement of its own: PostgreSQL 18.4 dies of a script with it.",
    "CancelRequest and BackendKeyData: RDS Proxy has neither.",
    "Malformed messages: tests/live/test_protocol.py compares the answers.",
)
"""Statements that scripts do not contain: the intended difference has no end."""


def intended(direct: Transcript, proxied: Transcript, guesses: Set[str]) -> str | None:
    """Return the name of the intended difference between the two, or None.

    Only a request in a COPY excuses that pinwatch closes a connection that stays open
    directly.
    """
    if proxied[-1:] == [CLOSED] != direct[-1:] and REQUEST_IN_COPY not in guesses:
        return None
    for name, difference in INTENDED.items():
        if difference.applies(direct, proxied, guesses):
            return name
    return None

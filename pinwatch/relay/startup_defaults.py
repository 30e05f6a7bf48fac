"""A client's startup parameters as the defaults of its session.

Decides how a statement that resets settings returns them to the startup values: on a
connection of the session's own, or by setting the values again. Does not know how a
connection is opened.
"""

from collections.abc import Callable
from typing import Final

from pinwatch.pins.cache import Expensive
from pinwatch.pins.effects import Effect
from pinwatch.pins.verdict import Verdict
from pinwatch.relay.database_stream import DatabaseStream
from pinwatch.relay.parameters import NO_PARAMETERS, restore
from pinwatch.relay.prepared import Unsettled
from pinwatch.wire.messages import FAILED_TRANSACTION, HEADER, IDLE

SHOWS_DEFAULTS: Final = b"pg_settings"


class StartupDefaults:
    """The startup values of one session, and what statements do to them."""

    __slots__ = (
        "parameters",
        "resets_prepared",
        "restoring",
        "wants_own_connection",
    )

    def __init__(self) -> None:
        self.parameters = NO_PARAMETERS
        self.resets_prepared = False  # a statement was prepared that resets settings
        self.wants_own_connection = False  # a message waits for one: see ``keep``
        self.restoring: tuple[Effect, ...] = ()  # resets to undo after the request

    def are_used(
        self, data: bytes, verdict_on: Callable[[int, bytes], Verdict | None]
    ) -> bool:
        """Return True if data needs a connection opened with the startup values.

        This is so if a whole message in data resets a setting, or if data contains
        pg_settings, which shows defaults and their source. verdict_on judges the
        statement of a message, given its type and body.
        """
        # The operator ``in`` takes twice as long for a short text: it first tries the
        # word as an integer, and drops the TypeError.
        find = data.lower().find
        sets = find(b"set") >= 0  # a part of three of the words
        if sets and find(SHOWS_DEFAULTS) >= 0:
            return True
        may_reset = (
            (sets and (find(b"reset") >= 0 or find(b"set_config") >= 0))
            or find(b"default") >= 0
            or find(b"local") >= 0
            or find(b"discard") >= 0
        )
        if not (may_reset or self.resets_prepared):
            return False
        at = 0
        while len(data) - at > 4:
            kind, size = HEADER.unpack_from(data, at)
            following = at + max(size, 4) + 1
            if following > len(data):
                return False
            try:
                verdict = verdict_on(kind, data[at + 5 : following])
            except Expensive:
                return False  # the verdict comes later, see ``keep``
            if verdict is not None and verdict.resets:
                return True
            at = following
        return False

    def keep(
        self, verdict: Verdict, runs: bool, database: DatabaseStream, pinned: bool
    ) -> tuple[Effect, ...]:
        """Prepare to return settings to the startup values, not the server's defaults.

        Outside a transaction, raise Unsettled unless the session is pinned: the message
        waits while the session moves to a connection opened with its startup
        parameters. Otherwise, if the statement runs, return the resets to undo after
        the request; add them to ``restoring`` when the message is sent.
        """
        self.wants_own_connection = False  # the state may differ from the last try's
        if not database.replies.counting:
            return ()
        self.resets_prepared = self.resets_prepared or not runs
        if self.parameters is NO_PARAMETERS or database.own:
            return ()
        if database.status == IDLE and not (pinned or database.replies.in_request()):
            self.wants_own_connection = True
            raise Unsettled
        return verdict.resets if runs else ()

    def restore(self, status: int) -> bytes:
        """Return the SQL that sets startup values after a request; b"" if none."""
        resets, self.restoring = self.restoring, ()
        if status == FAILED_TRANSACTION:
            return b""
        return restore(self.parameters, resets)

"""A client's startup parameters as the defaults of its session.

Decides how a statement that resets settings returns them to the startup values: on a
connection of the session's own, or by setting the values again. Does not know how a
connection is opened.
"""

from pinwatch.pins.effects import Effect
from pinwatch.pins.verdict import Verdict
from pinwatch.relay.database_stream import DatabaseStream
from pinwatch.relay.parameters import NO_PARAMETERS, Values, restore
from pinwatch.relay.prepared import Unsettled
from pinwatch.wire.messages import FAILED_TRANSACTION, IDLE


class StartupDefaults:
    """The startup values of one session, and what statements do to them."""

    __slots__ = (
        "exist",
        "parameters",
        "prepared",
        "restoring",
        "wants_own_connection",
    )

    def __init__(self) -> None:
        self.parameters = NO_PARAMETERS
        self.exist = False  # the client sent startup parameters
        self.prepared = False  # a statement was prepared that uses defaults
        self.wants_own_connection = False  # a message waits for one: see ``keep``
        # The resets to undo after the request, if there are any.
        self.restoring: tuple[Effect, ...] | None = None

    def become(self, parameters: Values) -> None:
        """Take the client's startup parameters, once it has logged in."""
        self.parameters = parameters
        self.exist = parameters is not NO_PARAMETERS

    def keep(
        self, verdict: Verdict, runs: bool, database: DatabaseStream, pinned: bool
    ) -> tuple[Effect, ...]:
        """Prepare to return settings to the startup values, not the server's defaults.

        Outside a transaction, raise Unsettled unless the session is pinned: the message
        waits while the session moves to a connection opened with its startup
        parameters. Otherwise, if the statement runs, return the resets to undo after
        the request; pass them to ``restore_later`` when the message is sent.
        """
        self.wants_own_connection = False  # the state may differ from the last try's
        if not database.replies.counting:
            return ()
        self.prepared = self.prepared or not runs
        if not self.exist or database.own:
            return ()
        if database.status == IDLE and not (pinned or database.replies.in_request()):
            self.wants_own_connection = True
            raise Unsettled
        return verdict.resets if runs else ()

    def restore_later(self, resets: tuple[Effect, ...]) -> None:
        """Add resets to those that ``restore`` undoes after the request."""
        if resets:
            self.restoring = (self.restoring or ()) + resets

    def restore(self, status: int) -> bytes:
        """Return the SQL that sets startup values after a request; b"" if none."""
        resets, self.restoring = self.restoring, None
        if resets is None or status == FAILED_TRANSACTION:
            return b""
        return restore(self.parameters, resets)

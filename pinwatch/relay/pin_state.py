"""The pin of a session: its rules, its reports and the session state behind it.

Owns the pin, which begins with the first statement that pins and lasts until the
session ends. Reports that statement, and later ones that would have pinned. Does not
decide which statements pin, and never changes the traffic.
"""

from datetime import datetime
from typing import Final, Protocol

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.pins.advice import advice
from pinwatch.pins.state import SessionState
from pinwatch.pins.verdict import Finding, Verdict
from pinwatch.pool.interfaces import Key
from pinwatch.relay.database_stream import Client, DatabaseStream
from pinwatch.relay.interfaces import BorrowedConnection
from pinwatch.relay.parameters import Values
from pinwatch.relay.suspects import MAX_SUSPECTS, Suspect

MAX_SQL: Final = 2_048  # characters of a reported statement
MAX_REPORTED: Final = 100  # findings per session
NO_TEXT: Final = Verdict("")


class PinReporter(Protocol):
    """The services of the proxy that a pin uses."""

    every_pin: bool
    """Report every finding: similar ones, too, and without a limit per session."""

    def observe(self, event: events.Event) -> None:
        """Pass the event to all observers."""

    def now(self) -> datetime:
        """Return the current time in UTC."""

    def suspect_number(self) -> int:
        """Return the number of the next statement that may leave hidden state."""


class PinnableSession(Protocol):
    """The part of a client session that its pin uses."""

    number: int
    key: Key
    client: Client
    clock: Clock
    connection: BorrowedConnection | None
    parameters: Values

    @property
    def application_name(self) -> str: ...

    @property
    def services(self) -> PinReporter: ...


class Pinning:
    """The pin of one session; receives the verdicts on its statements.

    The session refers to its pin. session is therefore None after the end, so that the
    session is freed without the garbage collector.
    """

    __slots__ = (
        "event",
        "pinned",
        "reported",
        "rollbacks",
        "rules",
        "session",
        "since",
        "state",
        "suspects",
    )

    def __init__(self, session: PinnableSession) -> None:
        self.session: PinnableSession | None = session
        self.pinned = False
        self.since = 0.0  # when the session was pinned, in seconds of the clock
        self.event: events.SessionPinned | None = None
        self.rules: dict[str, None] = {}
        self.reported: set[tuple[str, str]] = set()
        self.state = SessionState()
        self.rollbacks = 0  # the connection's count when state began to change
        # The suspects since the session borrowed its connection, by text or function.
        self.suspects: dict[str, Suspect] = {}

    def statement_runs(self, verdict: Verdict, prepared: bool = False) -> None:
        """Report the findings on a statement that is sent to run, and pin the session.

        prepared is true if the statement was prepared before.
        """
        session = self.session
        if session is None:
            return
        for warning in verdict.warnings:
            session.services.observe(
                events.PinWarned(
                    session.number,
                    warning.rule,
                    warning.text,
                    warning.statement[:MAX_SQL],
                )
            )
        if verdict.findings:
            self.rules.update(dict.fromkeys(f.rule for f in verdict.by_certainty))
            if not self.pinned:
                self.pinned = True
                self.since = session.clock.now
            for finding in verdict.decisive:
                if self._is_new(session.services, verdict, finding):
                    self._report(session, verdict, finding, prepared)
        if self.pinned:
            self._track_state(session, verdict)
        elif verdict.unseen:
            self._suspect(session, verdict.text, verdict)

    def function_runs(self, oid: int) -> None:
        """Note a FunctionCall of the function with this object identifier."""
        session = self.session
        if session is not None and not self.pinned:
            self._suspect(session, str(oid), NO_TEXT, oid)

    def _suspect(
        self, session: PinnableSession, key: str, verdict: Verdict, oid: int = 0
    ) -> None:
        """Note and report a request that may leave hidden state."""
        if key in self.suspects:
            return
        if len(self.suspects) == MAX_SUSPECTS:
            del self.suspects[next(iter(self.suspects))]
        number = session.services.suspect_number()
        user, database = _names(session.key)
        self.suspects[key] = Suspect(
            number=number,
            client=session.number,
            user=user,
            database=database,
            application_name=session.application_name,
            parameters=session.parameters,
            verdict=verdict,
            oid=oid,
        )
        session.services.observe(
            events.UnseenCodeRuns(session.number, number, verdict.text[:MAX_SQL])
        )

    def _track_state(self, session: PinnableSession, verdict: Verdict) -> None:
        connection = session.connection
        assert connection is not None
        if not self.state.changes:
            self.rollbacks = connection.stream.rollbacks
        self.state.apply(verdict.effects)

    def transaction_ended(self, stream: DatabaseStream) -> None:
        """Keep or undo the changes of state, by the outcome of the transaction."""
        self.state.end_transaction(stream.rollbacks != self.rollbacks)

    def statement_prepared(self, verdict: Verdict) -> None:
        """Report a statement that will pin when it runs."""
        session = self.session
        connection = None if session is None else session.connection
        if self.pinned or not verdict.findings or session is None or connection is None:
            return
        finding = verdict.decisive[0]
        session.services.observe(
            events.PinAhead(
                session.number,
                connection.number,
                finding.rule,
                verdict.reason_ahead(finding),
            )
        )

    def _is_new(
        self, reporter: PinReporter, verdict: Verdict, finding: Finding
    ) -> bool:
        """Return True unless a similar finding was reported or the limit is reached."""
        if reporter.every_pin:
            return True
        if len(self.reported) == MAX_REPORTED:
            return False
        any_text = finding.rule == "parse_message"
        similar = finding.rule, "" if any_text else verdict.outline
        known = similar in self.reported
        self.reported.add(similar)
        return not known

    def _report(
        self,
        session: PinnableSession,
        verdict: Verdict,
        finding: Finding,
        prepared: bool,
    ) -> None:
        connection = session.connection
        assert connection is not None
        user, database = _names(session.key)
        event = events.SessionPinned(
            at=session.services.now(),
            client=session.number,
            connection=connection.number,
            rule=finding.rule,
            contested=_contested(finding),
            reason=_reason(verdict, finding, prepared),
            digest=verdict.digest[:MAX_SQL],
            sql=verdict.text[:MAX_SQL],
            statement=finding.statement[:MAX_SQL],
            trigger=(finding.trigger.start, finding.trigger.end),
            user=user,
            database=database,
            application_name=session.application_name,
            tags=verdict.tags,
            transaction_status=chr(connection.stream.status),
            advice=advice(verdict, finding, session.application_name).text,
            first=self.event is None,
        )
        if self.event is None:
            self.event = event
        session.services.observe(event)

    def end(self) -> None:
        """Report the end of the pin: the session has ended."""
        event, session = self.event, self.session
        self.session = None
        if event is not None and session is not None:
            reporter = session.services
            seconds = session.clock.now - self.since
            reporter.observe(
                events.SessionUnpinned(
                    reporter.now(), event.client, event.connection, seconds
                )
            )


def _names(key: Key) -> tuple[str, str]:
    """Return the names of the user and the database."""
    return key[0].decode("utf-8", "replace"), key[1].decode("utf-8", "replace")


def _reason(verdict: Verdict, finding: Finding, prepared: bool) -> str:
    return verdict.reason_prepared(finding) if prepared else verdict.reason(finding)


def _contested(finding: Finding) -> str:
    """Return both readings and their sources; empty if the rule is not contested."""
    if finding.readings is None:
        return ""
    return f"{finding.readings} Sources: {', '.join(finding.readings.sources)}"

"""The last hour over HTTP: figures by time, and marks."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, Self

from starlette.requests import Request
from starlette.responses import Response

from pinwatch.observers import timeline
from pinwatch.observers.schemas import Answer
from pinwatch.observers.timeline import RESOLUTIONS, Timeline
from pinwatch.pins.rules import CODES
from pinwatch.web.operation import Operation, json_response
from pinwatch.web.parameters import Parameters, Time


class HistoryQuery(Parameters):
    """Filter for samples."""

    since: Time | None = None
    """Samples after this time only: ISO 8601, in UTC unless it has an offset. All
    samples if it is later than the latest one, because the clock was set back."""


class Samples(Answer):
    """The samples of one resolution, the oldest first: a list for each figure, with one
    value a sample."""

    seconds: int
    """Seconds that a sample covers."""

    span: int
    """Seconds for which samples are kept."""

    at: list[datetime]
    """Times at which the samples end."""

    clients: list[int]
    """Highest number of client connections."""

    connections: list[int]
    """Highest number of open database connections."""

    waiting: list[int]
    """Highest number of clients that wait for a database connection."""

    pinned: dict[str, list[int]]
    """Highest number of pinned database connections, by the rule that pinned them.
    Rules without any are left out."""

    pins: list[int]
    """Number of sessions that pinned."""

    statements_per_second: list[float]

    borrow_wait_p50: list[float | None]
    """Median wait in seconds for a database connection; null without a borrow."""

    borrow_wait_p99: list[float | None]
    """The wait in seconds that 99 of 100 borrows did not exceed; null without a
    borrow."""

    @classmethod
    def of(cls, kept: timeline.Resolution, since: datetime | None) -> Self:
        samples = [s for s in kept.samples if since is None or s.at > since]
        peaks = [sample.peaks for sample in samples]
        rules = {rule for one in peaks for rule in one.pinned}
        return cls(
            seconds=kept.seconds,
            span=kept.span,
            at=[sample.at for sample in samples],
            clients=[one.clients for one in peaks],
            connections=[one.connections for one in peaks],
            waiting=[one.waiting for one in peaks],
            pinned={
                rule: [one.pinned.get(rule, 0) for one in peaks]
                for rule in CODES
                if rule in rules
            },
            pins=[sample.pins for sample in samples],
            statements_per_second=[s.statements_per_second for s in samples],
            borrow_wait_p50=[sample.wait_p50 for sample in samples],
            borrow_wait_p99=[sample.wait_p99 for sample in samples],
        )


class Mark(Answer):
    """A failover, a fault or an unavailable target."""

    kind: Literal["unavailable", "fault", "failover"]

    subject: str
    """Name of the target or the fault. For a failover, the new writer."""

    text: str
    """The line that the log has about its beginning; for a failover, about its end."""

    began: datetime
    ended: datetime | None
    """Time of its end; null while it lasts."""

    @classmethod
    def of(cls, mark: timeline.Mark) -> Self:
        return cls(
            kind=mark.kind,
            subject=mark.subject,
            text=mark.text,
            began=mark.began,
            ended=mark.ended,
        )


class LastHour(Answer):
    """The last hour in several resolutions, the finest first."""

    resolutions: list[Samples]
    marks: list[Mark]
    """Failovers, faults and unavailable targets, the oldest first; at most 100."""


def history_route(kept: Timeline) -> Operation:
    async def history(request: Request) -> Response:
        """Show the last hour: figures each second for 5 minutes and in 10 seconds for
        an hour, and marks for failovers, faults and unavailable targets."""
        since = HistoryQuery.of(request).since
        latest = kept.latest()
        if since is not None and latest is not None and since > latest:
            since = None
        return json_response(
            LastHour(
                resolutions=[Samples.of(one, since) for one in kept.resolutions],
                marks=list(map(Mark.of, _of_the_last_hour(kept))),
            )
        )

    return Operation(
        "/api/history", history, LastHour, query=HistoryQuery, errors=(400,)
    )


def _of_the_last_hour(kept: Timeline) -> Iterable[timeline.Mark]:
    oldest = kept.now() - timedelta(seconds=max(span for _, span in RESOLUTIONS))
    return (m for m in kept.marks if m.ended is None or m.ended >= oldest)

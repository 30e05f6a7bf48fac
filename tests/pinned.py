"""A pin to make others of, and a clock to tell them apart by."""

from datetime import UTC, datetime

from pinwatch import events

AT = datetime(2026, 1, 1, tzinfo=UTC)
PIN = events.SessionPinned(
    at=AT,
    client=1,
    connection=9,
    rule="set",
    contested="",
    reason="",
    digest="",
    sql="",
    statement="",
    trigger=(0, 3),
    user="app",
    database="shop",
    application_name="",
    tags={},
    transaction_status="I",
    advice="",
    first=True,
)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

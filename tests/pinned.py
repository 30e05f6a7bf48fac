"""A pin to make others of, and its end."""

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


def unpinned(client: int) -> events.SessionUnpinned:
    """An unpin with the time of the pin, because the wall clock may be set back."""
    return events.SessionUnpinned(AT, client, 9, 0.0)

import pytest
from shop import database, functions


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 3_000


def test_place() -> None:
    before = functions.revenue({}, Context())
    functions.place({"totals": [3, 4]}, Context())
    assert functions.revenue({}, Context()) == before + 7


def test_revenue_in_time() -> None:
    """This test fails with ``--pinwatch``, because its session is pinned."""
    functions.place({"totals": [3]}, Context())
    assert functions.revenue_in_time({}, Context()) >= 3


def test_a_connection_serves_the_next_invocation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = database.connection()
    assert database.connection() is kept
    monkeypatch.setattr(database, "_used_at", 0)
    assert database.connection() is not kept
    assert kept.closed

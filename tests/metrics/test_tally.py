"""The tally counts events."""

from dataclasses import replace

import pytest

from pinwatch import events
from pinwatch.clock import Clock
from pinwatch.hidden.wording import WORDS
from pinwatch.metrics.tally import MAX_NAMES, OTHER, Clients, Connections, Tally
from tests.leaked import LEAK
from tests.pinned import PIN, unpinned


@pytest.fixture
def tally(clock: Clock) -> Tally:
    return Tally(clock)


def test_seconds_of_pins_that_are_over_and_of_those_that_are_not(
    tally: Tally, clock: Clock
) -> None:
    tally(PIN)
    clock.now += 2
    tally(replace(PIN, client=2))
    tally(replace(PIN, client=3, rule="listen"))
    clock.now += 3
    tally(unpinned(1))
    clock.now += 5
    seconds = tally.pinned_seconds()
    assert (seconds["set"], seconds["listen"]) == (5 + 8, 8)
    tally(unpinned(2))
    tally(unpinned(3))
    clock.now += 1
    assert tally.pinned_seconds() == seconds


def test_the_number_of_name_pairs_is_limited(tally: Tally) -> None:
    for number in range(MAX_NAMES + 5):
        tally(replace(PIN, client=number, database=f"shop{number}"))
    tally(replace(PIN, client=1_000, rule="listen", user="too late"))
    tally(replace(PIN, client=1_001, database="shop0"))
    assert len(tally.pins) == MAX_NAMES + 2
    assert tally.pins["set", OTHER, OTHER] == 5
    assert tally.pins["listen", OTHER, OTHER] == 1
    assert tally.pins["set", "shop0", "app"] == 2


def test_names_are_as_long_as_postgresql_s(tally: Tally) -> None:
    tally(replace(PIN, client=1, user="u" * 63))
    tally(replace(PIN, client=2, user="u" * 8_000))
    assert tally.pins == {("set", "shop", "u" * 63): 2}


@pytest.mark.parametrize(
    ("sqlstate", "text", "failed"),
    [
        ("28000", "This RDS Proxy requires TLS connections", 1),
        ("28P01", "The password that was provided for the role app is wrong.", 1),
        ("08P01", "TLS failed: TLSV1_ALERT_UNKNOWN_CA", 1),
        ("08P01", "received unencrypted data after SSL request", 1),
        ("08P01", "invalid message length 3", 0),
        ("3D000", 'database "TLS" does not exist', 0),
        ("53300", "The maximum number of client connections was exceeded.", 0),
    ],
)
def test_why_a_login_failed(
    tally: Tally, sqlstate: str, text: str, failed: int
) -> None:
    tally(events.ClientConnected(1, "", "default"))
    tally(events.ClientRefused(1, text, sqlstate))
    tally(events.ClientClosed(1, False))
    assert tally.clients == {
        "default": Clients(received=1, failed=failed, closed=1),
    }


def test_who_is_logged_in_fails_no_login(tally: Tally) -> None:
    tally(events.ClientConnected(1, "", "default"))
    tally(events.ClientWelcomed(1, False))
    tally(events.ClientRefused(1, "", "28000"))
    assert tally.clients == {"default": Clients(received=1, set_up=1)}


def test_clients_count_where_they_connected(tally: Tally) -> None:
    tally(events.ClientConnected(1, "", "default"))
    tally(events.ClientConnected(2, "", "reports"))
    tally(events.ClientWelcomed(2, False))
    tally(events.ClientRefused(1, "", "28000"))
    tally(events.ClientClosed(1, False))
    tally(events.ClientClosed(2, True))
    assert tally.clients == {
        "default": Clients(received=1, failed=1, closed=1),
        "reports": Clients(received=1, set_up=1, closed=1),
    }


def test_connections_count_at_their_target(tally: Tally) -> None:
    for event in (
        events.DatabaseConnecting(1, True, "a"),
        events.DatabaseConnecting(2, False, "b"),
        events.DatabaseConnecting(3, True, "b"),
        events.DatabaseRefused(1, "Connection refused", "08006", "a"),
        events.DatabaseConnected(2, "", "", "b"),
        events.DatabaseConnected(3, "", "", "b", encrypted=True),
        events.DatabaseConnecting(4, True, "a"),
        events.DatabaseRefused(4, "No such role", "28000", "a", encrypted=True),
    ):
        tally(event)
    assert tally.connections == {
        "a": Connections(requested=2, requested_with_tls=1, failed=2),
        "b": Connections(requested=2, requested_with_tls=1, set_up=2),
    }


def test_tls_counts_only_if_the_server_has_it(tally: Tally) -> None:
    """The login is that of sslmode=prefer to a server without TLS."""
    tally(events.DatabaseConnecting(1, True, "a"))
    tally(events.DatabaseConnected(1, "", "", "a", encrypted=False))
    assert tally.connections["a"].requested_with_tls == 0


def test_failovers(tally: Tally) -> None:
    tally(events.FailedOver("a", "b", 1.0))
    assert tally.failovers == 1


def test_leaks_count_by_kind(tally: Tally) -> None:
    for kind in ("setting", "channel", "setting"):
        tally(replace(LEAK, kind=kind))
    assert set(tally.leaks) == set(WORDS)
    assert {kind: count for kind, count in tally.leaks.items() if count} == {
        "setting": 2,
        "channel": 1,
    }


def test_what_it_does_not_count(tally: Tally) -> None:
    before = vars(Tally(tally.clock))
    tally(events.PinAhead(1, 9, "set", ""))
    tally(events.DatabaseReset(9))
    assert vars(tally) == before

"""The loop's selector keeps the contract of ``selectors``, which asyncio relies on.

Each test runs on the standard library's selector as well, which proves the test.
"""

import selectors
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import Any

import pytest

from pinwatch.sockets import loop as loops
from pinwatch.sockets.loop import Loop
from pinwatch.sockets.polls import SelectorPoll, system_poll

BOTH = EVENT_READ | EVENT_WRITE
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["standard library", "system", "portable"])
def selector(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BaseSelector]:
    if request.param == "standard library":
        with selectors.DefaultSelector() as selector:
            yield selector
        return
    poll = system_poll if request.param == "system" else SelectorPoll
    monkeypatch.setattr(loops, "system_poll", poll)
    with closing(Loop()) as loop:
        own: Any = loop
        asyncios = list(own._selector.get_map())
        for fd in asyncios:  # the pipe by which other threads wake the loop
            loop.remove_reader(fd)
        yield own._selector
        for fd in asyncios:
            loop.add_reader(fd, lambda: None)


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_a_key_is_found_by_file_object_and_by_descriptor(
    selector: BaseSelector, pair: Pair
) -> None:
    near, far = pair
    key = selector.register(near, EVENT_READ, "data")
    assert key == (near, near.fileno(), EVENT_READ, "data")
    mapping: Any = selector.get_map()
    for given in near, near.fileno():
        assert mapping[given] == mapping.get(given) == key
        assert selector.get_key(given) == key
        assert given in mapping
    for other in far, far.fileno():
        assert mapping.get(other) is None
        assert other not in mapping
        with pytest.raises(KeyError):
            mapping[other]
        with pytest.raises(KeyError):
            selector.get_key(other)
    assert list(mapping) == [near.fileno()]
    assert len(mapping) == 1


def test_the_mapping_follows_later_changes(selector: BaseSelector, pair: Pair) -> None:
    mapping = selector.get_map()
    key = selector.register(pair[0], EVENT_READ)
    assert list(mapping.values()) == [key]
    selector.unregister(pair[0])
    assert list(mapping.values()) == []


def test_registering_twice_fails_and_keeps_the_first(
    selector: BaseSelector, pair: Pair
) -> None:
    key = selector.register(pair[0], EVENT_READ, 1)
    for given in pair[0], pair[0].fileno():
        with pytest.raises(KeyError):
            selector.register(given, EVENT_WRITE, 2)
    assert selector.get_key(pair[0]) == key
    assert selector.select(0) == []


@pytest.mark.parametrize("events", [0, 4, 7])
def test_invalid_events_are_rejected(
    selector: BaseSelector, pair: Pair, events: int
) -> None:
    with pytest.raises(ValueError, match="Invalid events"):
        selector.register(pair[0], events)
    assert len(selector.get_map()) == 0


@pytest.mark.parametrize("given", [-1, "text", None, object()])
def test_an_invalid_file_object_is_rejected(selector: BaseSelector, given: Any) -> None:
    with pytest.raises(ValueError, match="Invalid file"):
        selector.register(given, EVENT_READ)
    with pytest.raises(ValueError, match="Invalid file"):
        selector.unregister(given)


def test_a_closed_socket_is_rejected(selector: BaseSelector, pair: Pair) -> None:
    pair[0].close()
    with pytest.raises(ValueError, match="Invalid file"):
        selector.register(pair[0], EVENT_READ)


def test_a_file_that_cannot_be_polled_is_rejected_and_not_kept(
    selector: BaseSelector, tmp_path: Path
) -> None:
    """epoll accepts no regular files; others do, and then keep the key."""
    with (tmp_path / "regular").open("wb") as file:
        try:
            selector.register(file, EVENT_READ)
        except PermissionError:
            assert file not in selector.get_map()
            with pytest.raises(KeyError):
                selector.unregister(file)
        else:
            assert file in selector.get_map()
            selector.unregister(file)


def test_modify_changes_events_and_data(selector: BaseSelector, pair: Pair) -> None:
    near, _ = pair
    selector.register(near, EVENT_READ, "before")
    changed = selector.modify(near, EVENT_READ, "data only")
    assert changed == selector.get_key(near) == (near, near.fileno(), 1, "data only")
    assert selector.select(0) == []
    changed = selector.modify(near.fileno(), BOTH, "both")
    assert changed[1:] == selector.get_key(near)[1:] == (near.fileno(), BOTH, "both")
    assert selector.select(0) == [(selector.get_key(near), EVENT_WRITE)]
    selector.modify(near, EVENT_READ)
    assert selector.select(0) == []
    assert selector.get_key(near).data is None


def test_modify_of_an_unknown_socket_fails(selector: BaseSelector, pair: Pair) -> None:
    with pytest.raises(KeyError):
        selector.modify(pair[0], EVENT_READ)


def test_unregister_returns_the_key_once(selector: BaseSelector, pair: Pair) -> None:
    key = selector.register(pair[0], EVENT_WRITE, "data")
    assert selector.unregister(pair[0]) == key
    assert selector.select(0) == []
    with pytest.raises(KeyError):
        selector.unregister(pair[0])
    assert selector.register(pair[0], EVENT_WRITE, "again").data == "again"


def test_a_socket_that_was_closed_first_can_be_unregistered(
    selector: BaseSelector, pair: Pair
) -> None:
    key = selector.register(pair[0], EVENT_READ)
    pair[0].close()
    assert selector.get_map()[pair[0]] == key
    assert selector.unregister(pair[0]) == key
    assert len(selector.get_map()) == 0


def test_select_reports_only_requested_events(
    selector: BaseSelector, pair: Pair
) -> None:
    near, far = pair
    keys = selector.register(near, EVENT_READ), selector.register(far, BOTH)
    assert selector.select(0) == [(keys[1], EVENT_WRITE)]
    far.send(b"x")
    ready = sorted(selector.select(None), key=lambda one: one[0].fileobj is far)
    assert ready == [(keys[0], EVENT_READ), (keys[1], EVENT_WRITE)]
    assert selector.select(-1)[0][1], "it stays ready until it is read"


def test_a_peer_that_is_gone_makes_both_events_ready(
    selector: BaseSelector, pair: Pair
) -> None:
    key = selector.register(pair[0], BOTH)
    pair[1].close()
    assert selector.select(None) == [(key, BOTH)]


def test_a_closed_selector_has_no_keys() -> None:
    loop: Any = Loop()
    selector = loop._selector
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        selector.get_key(0)

"""The history keeps leaks, newest first, within its limits."""

import gc
import tracemalloc
from dataclasses import replace
from typing import Final

import pytest

from pinwatch.observers import schemas
from pinwatch.observers.leak_history import Leak, Leaks
from tests.leaked import LEAK
from tests.pinned import PIN

FEW: Final = 200
LITTLE: Final = 200_000  # bytes, less than those of few leaks


def test_the_newest_are_first() -> None:
    leaks = Leaks()
    for event in (LEAK, PIN, replace(LEAK, client=2)):
        leaks(event)
    found = [(leak.id, leak.event.client) for leak in leaks.leaks()]
    assert found == [(2, 2), (1, 1)]


def test_leaks_are_limited() -> None:
    leaks = Leaks(max_leaks=3)
    for client in range(8):
        leaks(replace(LEAK, client=client))
    assert [leak.event.client for leak in leaks.leaks()] == [7, 6, 5]
    assert [leak.id for leak in leaks.leaks()] == [8, 7, 6]


@pytest.mark.parametrize("field", ["name", "value", "function", "path", "sql"])
def test_leaks_are_limited_by_their_memory(field: str) -> None:
    few, many = memory_of(FEW, field), memory_of(4 * FEW, field)
    assert many < 1.2 * few < 1.5 * LITTLE


def memory_of(count: int, field: str) -> int:
    """Return the bytes of a history after this many leaks with a long text each."""
    tracemalloc.start()
    try:
        leaks = Leaks(max_bytes=LITTLE)
        for number in range(count):
            text: dict[str, str] = {field: f"{number:02000}"}
            leaks(replace(LEAK, **text))  # type: ignore[arg-type]
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_a_listener_receives_each() -> None:
    leaks, received = Leaks(), list[Leak]()
    leaks.listeners.append(received.append)
    leaks(LEAK)
    assert received == leaks.leaks() == [Leak(1, LEAK)]


def test_the_document_has_every_field_of_the_event() -> None:
    answer = schemas.Leak.of(Leak(7, LEAK)).model_dump()
    own = {"id": 7, "state": "the setting app.tenant = '42'", "source": ""}
    assert answer == LEAK.values() | own

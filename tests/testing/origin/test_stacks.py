"""The stacks of threads that go on while they are looked at."""

import sys
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread
from types import FrameType

import pytest

from pinwatch.testing.origin.stacks import stacks
from tests.harness import PATIENCE

TIMES = 3


class Driver:
    """Waits by way of a generator, as psycopg does: outside of it, and inside."""

    def __init__(self) -> None:
        self.waiting: SimpleQueue[str] = SimpleQueue()
        self.go_on: SimpleQueue[None] = SimpleQueue()

    def wait(self) -> None:
        for _ in self._steps():
            self._wait("outside")

    def _steps(self) -> Iterator[None]:
        yield
        for _ in range(TIMES):
            self._wait("inside")
            yield

    def _wait(self, where: str) -> None:
        self.waiting.put(where)
        self.go_on.get(timeout=PATIENCE)


def test_a_generator_that_goes_on_in_the_meantime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has no caller any more when its frame is asked for one."""
    driver = Driver()
    thread = Thread(target=driver.wait)
    thread.start()
    now = sys._current_frames
    times = iter(range(TIMES))

    def a_moment_ago() -> dict[int, FrameType]:
        if next(times, None) is None:
            return now()
        driver.go_on.put(None)
        assert driver.waiting.get(timeout=PATIENCE) == "inside"
        frames = now()
        driver.go_on.put(None)
        assert driver.waiting.get(timeout=PATIENCE) == "outside"
        return frames

    assert driver.waiting.get(timeout=PATIENCE) == "outside"
    monkeypatch.setattr(sys, "_current_frames", a_moment_ago)
    try:
        found = [{frame.f_code for frame in stack.frames} for stack in stacks()]
    finally:
        for _ in range(2 * TIMES + 1):
            driver.go_on.put(None)
        thread.join()
    assert Driver.wait.__code__ in set().union(*found)

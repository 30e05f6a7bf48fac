"""The event log: a rotated file with one line of JSON per pin and per leak.

Owns the queue between the event loop, which never waits, and the thread that writes. If
the thread falls behind, lines are dropped; gaps in their ids show it.
"""

import logging
import os
import sys
from contextlib import suppress
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from queue import Full, Queue
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from pinwatch.errors import SettingError
from pinwatch.observers import schemas
from pinwatch.observers.leak_history import Leak
from pinwatch.observers.pin_history import Pin

log = logging.getLogger("pinwatch")

MAX_WAITING: Final = 10_000  # lines in the queue
WARNING_INTERVAL: Final = 60.0  # seconds between two warnings about failed writes
NOT_YET: Final = {"until", "pinned_seconds"}  # unknown when the pin begins


class EventLog:
    """A listener of both histories that appends to a file within its ``with`` block.

    Leaving the block writes all queued lines. Raises SettingError if the file cannot be
    opened.
    """

    def __init__(
        self, file: Path, max_bytes: int, backups: int, max_waiting: int = MAX_WAITING
    ) -> None:
        try:
            self._file = _File(file.expanduser(), max_bytes, backups)
        except OSError as error:
            raise SettingError(
                f"event_log is {file}, but must be a file that can be written to: "
                f"{error.strerror}."
            ) from None
        self._file.setFormatter(_Json())
        queue: Queue[Any] = Queue(max_waiting)
        self._queue = _Queue(queue)
        self._writer = _Writer(queue, self._file)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __call__(self, found: Pin | Leak) -> None:
        if isinstance(found, Leak) or found.until is None:
            self._queue.handle(logging.makeLogRecord({"msg": found}))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.stop()
        with suppress(OSError):  # reported when it was written
            self._file.close()
        if self._queue.left_out:
            log.warning("Event log: %d lines dropped.", self._queue.left_out)


class _Queue(QueueHandler):
    left_out = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave the record as it is: the writing thread formats it."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except Full:
            if not self.left_out:
                log.warning("Event log: the disk is too slow; dropping lines.")
            self.left_out += 1


class _Writer(QueueListener):
    queue: Queue[Any]

    def enqueue_sentinel(self) -> None:
        """Put the end marker after all queued lines; wait if the queue is full."""
        self.queue.put(None)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        found: object = record.msg
        if isinstance(found, Leak):
            return schemas.Leak.of(found).model_dump_json()
        assert isinstance(found, Pin)
        return schemas.Pin.of(found, found.since).model_dump_json(exclude=NOT_YET)


class _File(RotatingFileHandler):
    """A rotating file that logs at most one failure per minute.

    It holds SQL with constants: new files are for their owner only.
    """

    def __init__(self, file: Path, max_bytes: int, backups: int) -> None:
        _create(file)
        super().__init__(
            file, maxBytes=max_bytes, backupCount=backups, encoding="utf-8"
        )
        self._warn_at = 0.0  # monotonic seconds
        self._lost = 0

    def rotate(self, source: str, dest: str) -> None:
        super().rotate(source, dest)
        _create(source)

    def handleError(self, record: logging.LogRecord) -> None:
        self._lost += 1
        now = monotonic()
        if now >= self._warn_at:
            self._warn_at = now + WARNING_INTERVAL
            log.warning(
                "Event log: cannot write to %s: %s (lines lost: %d).",
                self.baseFilename,
                _reason(sys.exc_info()[1]),
                self._lost,
            )
            self._lost = 0


def _create(file: str | Path) -> None:
    """Create the file for its owner only, unless it exists."""
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600))


def _reason(error: BaseException | None) -> str:
    return getattr(error, "strerror", None) or str(error)

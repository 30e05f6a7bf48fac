"""Opens files from production: plain or gzip, in UTF-8 or UTF-16, or standard input."""

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from pinwatch.errors import PinwatchError, reason
from pinwatch.text import STANDARD_INPUT, input_name

BEGINNING: Final = 65_536  # bytes by which a format is recognised
GZIP: Final = b"\x1f\x8b"
MAX_PACKED: Final = 2  # times that a file may be packed
UTF_16: Final = {
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class InputError(PinwatchError):
    """A file cannot be read; the text is a sentence with the file and the line."""

    def __init__(self, file: str, problem: str, line: int = 0) -> None:
        name = input_name(file)
        super().__init__(f"{name}{f', line {line}' if line else ''}: {problem}")


@dataclass(frozen=True, slots=True)
class Input:
    """An open file; stream yields it unpacked, in UTF-8 without a byte order mark.

    beginning has up to its first 65,536 bytes, which stream yields, too.
    """

    name: str
    beginning: bytes
    stream: BinaryIO


def ignore(size: int) -> None:
    """Do nothing with the number of bytes that were read."""


@contextmanager
def opened(name: str, progress: Callable[[int], None] = ignore) -> Iterator[Input]:
    """Open a file; raises InputError if it cannot be read to its end.

    progress receives the number of bytes of each part of the stored file that is read.
    """
    with ExitStack() as stack:
        try:
            raw = _buffered(_Counted(_raw(name, stack), progress))
            beginning, stream = _peeked(_decoded(_unpacked(raw)), BEGINNING)
            yield Input(name, beginning, stream)
        except UnicodeError:
            raise InputError(name, "The text is cut off or damaged.") from None
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise InputError(name, "The gzip data is cut off or damaged.") from None
        except OSError as error:
            raise InputError(name, f"{reason(error)}.") from None


def repaired(stream: BinaryIO) -> BinaryIO:
    """Return the stream with U+FFFD in place of bytes that are not UTF-8."""
    return _buffered(_Transcoded(stream, "utf-8", "replace"))


def _raw(name: str, stack: ExitStack) -> BinaryIO:
    if name == STANDARD_INPUT:
        if sys.stdin is None:  # closed by the shell
            raise InputError(name, "It is closed.")
        return sys.stdin.buffer
    return stack.enter_context(open(name, "rb"))


def _unpacked(stream: BinaryIO) -> BinaryIO:
    """Return the stream unpacked; Firehose packs what CloudWatch packed already."""
    for _ in range(MAX_PACKED):
        beginning, stream = _peeked(stream, len(GZIP))
        if beginning == GZIP:
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    return stream


def _decoded(stream: BinaryIO) -> BinaryIO:
    beginning, stream = _peeked(stream, len(codecs.BOM_UTF8))
    for mark, encoding in UTF_16.items():
        if beginning.startswith(mark):
            stream.read(len(mark))
            return _buffered(_Transcoded(stream, encoding))
    if beginning == codecs.BOM_UTF8:
        stream.read(len(beginning))
    return stream


def _peeked(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """Return up to size bytes, and a stream that yields them and the rest."""
    beginning = stream.read(size)
    return beginning, _buffered(_Joined(beginning, stream))


def _buffered(raw: io.RawIOBase) -> BinaryIO:
    return io.BufferedReader(raw, BEGINNING)


class _Chunked(io.RawIOBase):
    """A stream made of the chunks that ``_chunk`` returns; an empty one ends it."""

    def __init__(self, left: bytes = b"") -> None:
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        self._left = self._left or self._chunk()
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def _chunk(self) -> bytes:
        raise NotImplementedError


class _Counted(_Chunked):
    """A stream whose reader's progress is reported."""

    def __init__(self, stream: BinaryIO, progress: Callable[[int], None]) -> None:
        super().__init__()
        self._stream = stream
        self._progress = progress

    def _chunk(self) -> bytes:
        data = self._stream.read(BEGINNING)
        self._progress(len(data))
        return data


class _Joined(_Chunked):
    """The beginning of a stream, and its rest."""

    def __init__(self, beginning: bytes, rest: BinaryIO) -> None:
        super().__init__(beginning)
        self._rest = rest

    def _chunk(self) -> bytes:
        return self._rest.read(BEGINNING)


class _Transcoded(_Chunked):
    """The UTF-8 of a stream with another encoding."""

    def __init__(self, stream: BinaryIO, encoding: str, errors: str = "strict") -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)

    def _chunk(self) -> bytes:
        while data := self._stream.read(BEGINNING):
            if text := self._decoder.decode(data):
                return text.encode()
        return self._decoder.decode(b"", final=True).encode()

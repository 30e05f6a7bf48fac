"""Keys pressed in a terminal, one at a time and without Enter.

Owns the terminal's mode and the decoding of keys. Does not know what keys mean.
"""

import codecs
import os
import re
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from select import select
from typing import Final

READ_SIZE: Final = 1_024  # bytes
KEY: Final = re.compile(r"\x1b[\[O][0-?]*[ -/]*[@-~]|.", re.DOTALL)
"""An escape sequence of a special key, or one character."""
NAMES: Final = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\b": "backspace",
    "\x1b": "escape",
}
"""Special keys by what a terminal sends; other keys are their own character."""


class Keys:
    """The keys of the terminal at a file descriptor, which is in cbreak mode."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def wait(self, seconds: float) -> list[str]:
        """Return the keys that were pressed, after at most this time.

        Raises EOFError if the terminal is gone.
        """
        ready, _, _ = select([self.descriptor], [], [], max(seconds, 0))
        if not ready:
            return []
        try:
            data = os.read(self.descriptor, READ_SIZE)
        except OSError:
            data = b""
        if not data:
            raise EOFError
        return list(keys(self._decoder.decode(data)))


def keys(text: str) -> Iterator[str]:
    """Yield the names of keys that a terminal sent, without unknown special keys."""
    for sent in KEY.findall(text):
        name = NAMES.get(sent, sent)
        if len(sent) == 1 or sent in NAMES:
            yield name


@contextmanager
def pressed(descriptor: int) -> Iterator[Keys]:
    """Report keys without Enter and without an echo; Ctrl-C still interrupts."""
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

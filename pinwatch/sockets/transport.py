"""A connection's two sides: the one that is written to, and the one that hears.

The methods are those of asyncio's Transport and Protocol, as many as are used here.
They are classes of our own so that the compiled build calls them directly.
"""

from abc import ABCMeta, abstractmethod

from mypy_extensions import mypyc_attr, trait


@mypyc_attr(allow_interpreted_subclasses=True)
class Transport(metaclass=ABCMeta):
    """Where bytes go; a write is never refused, and the receiver hears to pause."""

    __slots__ = ()

    @abstractmethod
    def write(self, data: bytes) -> None: ...

    @abstractmethod
    def write_eof(self) -> None:
        """Write nothing more, and go on reading."""

    @abstractmethod
    def pause_reading(self) -> None: ...

    @abstractmethod
    def resume_reading(self) -> None: ...

    @abstractmethod
    def is_closing(self) -> bool: ...

    @abstractmethod
    def close(self) -> None:
        """End it when all is written."""

    @abstractmethod
    def abort(self) -> None:
        """End it now."""

    @abstractmethod
    def ends(self) -> tuple[object, object]:
        """The addresses of this end and of the peer's, as ``socket`` has them."""


@mypyc_attr(allow_interpreted_subclasses=True)
@trait
class Receiver:
    """Who hears what happens on one transport; in the order in which it happens."""

    __slots__ = ()

    def connection_made(self, transport: Transport) -> None:
        """First of all."""

    def data_received(self, data: bytes) -> None:
        """Of at least one byte."""

    def eof_received(self) -> bool:
        """The peer will send nothing more.

        Return True to go on writing; otherwise the transport closes.
        """
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Last of all; never in the middle of another call."""

    def pause_writing(self) -> None:
        """More is written than the peer takes."""

    def resume_writing(self) -> None:
        """There is room again."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Listening(Receiver):
    """A receiver to inherit from where modules are not compiled; traits are not."""

    __slots__ = ()

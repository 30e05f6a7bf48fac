"""The two sides of a connection: a transport sends bytes, a receiver handles events.

The methods are those of asyncio's Transport and Protocol that the proxy uses. The
classes are separate from asyncio's so that the compiled build calls the methods
directly.
"""

from abc import ABCMeta, abstractmethod

from mypy_extensions import mypyc_attr, trait


@mypyc_attr(allow_interpreted_subclasses=True)
class Transport(metaclass=ABCMeta):
    """Sends bytes to the peer.

    A write always succeeds: bytes that the socket does not take are queued. When the
    queue grows long, the transport calls the receiver's ``pause_writing``.
    """

    __slots__ = ()

    @abstractmethod
    def write(self, data: bytes) -> None: ...

    @abstractmethod
    def write_eof(self) -> None:
        """Close the sending side once all is sent, and continue to read."""

    @abstractmethod
    def pause_reading(self) -> None: ...

    @abstractmethod
    def resume_reading(self) -> None: ...

    @abstractmethod
    def is_closing(self) -> bool: ...

    @abstractmethod
    def close(self) -> None:
        """Close the connection once all is sent."""

    @abstractmethod
    def abort(self) -> None:
        """Close the connection now, and drop what is not sent yet."""

    @abstractmethod
    def ends(self) -> tuple[object, object]:
        """Return the local and the peer's address, as ``socket`` gives them."""


@mypyc_attr(allow_interpreted_subclasses=True)
@trait
class Receiver:
    """Handles the events of one transport, in the order in which they occur."""

    __slots__ = ()

    def connection_made(self, transport: Transport) -> None:
        """Handle the start of the connection; this is the first call."""

    def data_received(self, data: bytes) -> None:
        """Handle at least one byte."""

    def eof_received(self) -> bool:
        """Handle the end of the peer's data.

        Return True to go on writing; otherwise the transport closes.
        """
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Handle the end of the connection; this is the last call.

        The event loop makes it, never a method of the transport. error is None after
        close, abort, or the end of the peer's data.
        """

    def pause_writing(self) -> None:
        """Stop writing: the peer takes data more slowly than it is written."""

    def resume_writing(self) -> None:
        """Write again: most of the queue has been sent."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Listening(Receiver):
    """The base class of receivers in interpreted modules.

    Interpreted classes cannot inherit from a compiled trait.
    """

    __slots__ = ()

"""Sockets for conversations that have none: the least that moves messages."""

import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Self

from pinwatch.auth.client import Conversation
from pinwatch.auth.refusals import AuthenticationFailed
from pinwatch.wire import messages
from pinwatch.wire.messages import HEADER, INT32


class Refused(Exception):
    """The ErrorResponse that ended a login."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(fields["M"])
        self.sqlstate = fields["C"]


def exactly(wire: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        if not (chunk := wire.recv(size - len(data))):
            raise EOFError
        data += chunk
    return bytes(data)


def message(wire: socket.socket) -> tuple[int, bytes]:
    kind, length = HEADER.unpack(exactly(wire, HEADER.size))
    return kind, exactly(wire, length - 4)


def packet(wire: socket.socket) -> bytes:
    """A message without type byte: the body of a startup packet."""
    (length,) = INT32.unpack(exactly(wire, INT32.size))
    return exactly(wire, length - 4)


def log_in(
    wire: socket.socket,
    user: str,
    conversation: Generator[bytes, bytes, None],
    hears: Callable[[bytes], bytes] = bytes,
) -> list[bytes]:
    """Log in to a real server; gives the conversation's answers.

    ``hears`` stands between: it changes what the server says.
    """
    answers = [next(conversation)]
    startup = {b"user": user.encode(), b"database": b"postgres"}
    wire.sendall(messages.startup(startup))
    while True:
        kind, body = message(wire)
        if kind == messages.ERROR_RESPONSE:
            raise Refused(messages.error_fields(body))
        if kind == messages.READY_FOR_QUERY:
            return answers
        if kind == messages.AUTHENTICATION:
            try:
                answers.append(conversation.send(hears(body)))
            except StopIteration:
                continue
            wire.sendall(answers[-1])


@dataclass
class Door:
    """A server on loopback that lets one client after the other log in, and no more.

    ``login`` takes the user and whether there is TLS.
    """

    login: Callable[[str, bool], Conversation]
    context: ssl.SSLContext | None = None
    failures: list[AuthenticationFailed] = field(default_factory=list)
    alpn: list[str | None] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):  # closed by __exit__
            while True:
                wire, _ = self._listener.accept()
                with ExitStack() as stack, suppress(OSError, EOFError):
                    wire.settimeout(10)
                    self._receive(stack, stack.enter_context(wire))

    def _receive(self, stack: ExitStack, wire: socket.socket) -> None:
        tls = wire.recv(1, socket.MSG_PEEK) == b"\x16"  # a ClientHello: direct TLS
        if tls:
            wire = self._encrypted(stack, wire)
        start = packet(wire)
        while (code := INT32.unpack_from(start)[0]) != messages.PROTOCOL_3_0:
            tls = code == messages.SSL_REQUEST_CODE and self.context is not None
            wire.sendall(b"S" if tls else b"N")
            if tls:
                wire = self._encrypted(stack, wire)
            start = packet(wire)
        words = start[INT32.size :].split(b"\0")
        user = words[words.index(b"user") + 1].decode()
        self._talk(wire, self.login(user, tls))

    def _encrypted(self, stack: ExitStack, wire: socket.socket) -> ssl.SSLSocket:
        assert self.context is not None
        encrypted = self.context.wrap_socket(wire, server_side=True)
        self.alpn.append(encrypted.selected_alpn_protocol())
        return stack.enter_context(encrypted)

    def _talk(self, wire: socket.socket, conversation: Conversation) -> None:
        try:
            wire.sendall(next(conversation))
            while True:
                kind, body = message(wire)
                assert kind == messages.PASSWORD
                wire.sendall(conversation.send(body))
        except AuthenticationFailed as error:
            self.failures.append(error)
            wire.sendall(
                messages.error_response(error.severity, error.sqlstate, error.text)
            )
        except StopIteration as done:
            parameters = {
                b"server_version": b"18.0",
                b"client_encoding": b"UTF8",
                b"standard_conforming_strings": b"on",
                b"integer_datetimes": b"on",
                b"TimeZone": b"UTC",
            }
            statuses = [messages.parameter_status(*pair) for pair in parameters.items()]
            ready = messages.ready_for_query(messages.IDLE)
            wire.sendall(done.value + b"".join(statuses) + ready)
            wire.recv(1)  # Terminate, or the end

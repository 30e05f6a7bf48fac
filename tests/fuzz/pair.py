"""One client, connected twice: directly to the server, and through pinwatch.

Owns both transcripts. The direct connection sends first, and shows how many messages
the other one has to receive.
"""

import socket
import struct
from collections.abc import Callable, Mapping
from typing import Final

from pinwatch.wire import messages
from tests.fuzz.actions import Action, query
from tests.fuzz.differences import intended
from tests.fuzz.guesses import ENDS, Guesses
from tests.fuzz.quiet import is_quiet
from tests.fuzz.script import Flight
from tests.fuzz.stage import Monitor
from tests.fuzz.transcript import (
    CLOSED,
    NOTHING,
    comparable,
    login_parameters,
    shown,
)
from tests.harness import PATIENCE, Endpoint
from tests.wireclient import TERMINATE, Message, WireClient

TIMEOUT: Final = 0.5  # seconds without a message, after which the proxy is checked
CHECKS: Final = 3  # checks that find it idle, after which a message is given up
READY: Final = Message(messages.READY_FOR_QUERY, bytes([messages.IDLE]))
MIDDLE: Final = 600  # bytes at each end of a flight that are sent in pieces
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close with a TCP reset


class DifferenceFound(Exception):
    """The two transcripts differ; the argument shows both."""


class IntendedDifference(Exception):
    """The transcripts differ in a way that is intended; its name is the argument."""


class Pair:
    """A client with both of its connections."""

    def __init__(
        self,
        number: int,
        endpoints: tuple[Endpoint, Endpoint],
        monitor: Monitor,
        parameters: Mapping[str, str],
        proxy_is_idle: Callable[[], bool],
    ) -> None:
        self.number = number
        self.proxy_is_idle = proxy_is_idle
        self.monitor = monitor
        self.log: list[tuple[list[str], list[str], list[str]]] = []
        self.open = True
        self.idle = True
        self.in_transaction = False
        self.guesses = Guesses()
        self.sent = 0  # bytes of the next flight that the proxy received early
        self.direct = WireClient(endpoints[0])
        self.proxied = WireClient(endpoints[1])
        try:
            self._log_in(parameters)
        except BaseException:
            self.vanish()
            raise

    def _log_in(self, parameters: Mapping[str, str]) -> None:
        for client in self.direct, self.proxied:
            client.socket.settimeout(PATIENCE)
        logins = [one.start(**parameters) for one in (self.direct, self.proxied)]
        self.process = process(logins[0].messages)
        first, second = (login_parameters(login.messages) for login in logins)
        self._compare(f"login {dict(parameters)}", first, second)
        self.direct.socket.setblocking(False)
        self.proxied.socket.settimeout(TIMEOUT)
        self.proxied.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fly(self, flight: Flight, table: str) -> None:
        """Send a flight by both connections, and compare the replies."""
        data = flight.encode(table)
        for action in flight.actions:
            self.guesses.sent(action)
        self._send_directly(data)
        expected = self._receive_directly()
        if any(message.kind == messages.ERROR_RESPONSE for message in expected):
            self.guesses.failed()
        self._send(data[self.sent :], flight.pieces)
        self.sent = 0
        received = self._receive(len(expected))
        self._compare(lines(flight.actions), expected, received)
        last = flight.actions[-1].name if flight.actions else ""
        self.idle = last in ENDS and expected[-1:] == [READY]
        if self.idle:
            self.guesses.is_idle()
        for message in expected:
            if message.kind == messages.READY_FOR_QUERY:
                self.in_transaction = message != READY

    def send_early(self, data: bytes) -> None:
        """Send the next flight through the proxy, while it cannot be served."""
        self._send(data, 0)
        self.sent = len(data)

    def cut(self, flight: Flight, table: str, percent: int, reset: bool) -> None:
        """Send a part of a flight by both connections and close them."""
        data = flight.encode(table)
        part = data[: len(data) * percent // 100]
        self._send_directly(part)
        self._send(part[self.sent :], flight.pieces)
        if reset:
            for client in self.direct, self.proxied:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.vanish()

    def leave(self) -> None:
        """Send Terminate by both connections; compare what comes before the end."""
        self._send_directly(TERMINATE)
        expected = self._receive_directly()
        self._send(TERMINATE, 0)
        self._compare("Terminate", expected, self._receive(len(expected)))
        self.vanish()

    def vanish(self) -> None:
        """Close both connections."""
        for client in self.direct, self.proxied:
            client.vanish()
        self.open = False

    def transcripts(self) -> str:
        """Return both transcripts; the second only where it differs."""
        text = ""
        for sent, expected, received in self.log:
            text += "".join(f"  > {line}\n" for line in sent)
            if expected == received:
                text += "".join(f"  < {line}\n" for line in expected)
            else:
                text += "".join(f"  < directly: {line}\n" for line in expected)
                text += "".join(f"  < pinwatch: {line}\n" for line in received)
        return text

    def _compare(
        self, sent: str | list[str], expected: list[Message], received: list[Message]
    ) -> None:
        name = [sent] if isinstance(sent, str) else sent
        both = list(map(shown, expected)), list(map(shown, received))
        self.log.append((name, *both))
        if expected[-1:] == [CLOSED]:
            self.open = False
        if expected == received:
            return
        reason = intended(expected, received, self.guesses.reasons)
        if reason is not None and self.open:
            raise IntendedDifference(reason)
        if reason is None:
            text = f"client {self.number}:\n{self.transcripts()}"
            raise DifferenceFound(text)

    # The direct connection.

    def _send_directly(self, data: bytes) -> None:
        self.direct.socket.setblocking(True)
        self.direct.socket.settimeout(PATIENCE)
        try:
            self.direct.send(data)
        except ConnectionError:
            pass  # the server has closed the connection; its last words are read below
        finally:
            self.direct.socket.setblocking(False)

    def _receive_directly(self) -> list[Message]:
        """Receive all messages that the server sends before it waits for more."""
        received: list[Message] = []
        while True:
            quiet = is_quiet(self.direct.socket, self.process, self.monitor)
            closed = self._drain()
            received += complete(self.direct.received)
            if closed:
                return [*received, CLOSED]
            if quiet:
                return received

    def _drain(self) -> bool:
        """Read what has arrived; return True if the connection is closed."""
        try:
            while data := self.direct.socket.recv(1 << 20):
                self.direct.received += data
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        return True

    # The connection through pinwatch.

    def _send(self, data: bytes, pieces: int) -> None:
        try:
            for part in split(data, pieces):
                self.proxied.send(part)
        except ConnectionError:
            pass  # the replies before the end are still compared

    def _receive(self, count: int) -> list[Message]:
        """Receive count messages; fewer if the proxy becomes idle before."""
        received: list[Message] = []
        checks = 0
        while len(received) < count and checks < CHECKS:
            try:
                received.append(comparable(self.proxied.receive()))
            except (EOFError, ConnectionError):
                return [*received, CLOSED]
            except TimeoutError:
                checks = checks + 1 if self.proxy_is_idle() else 0
        if len(received) < count:
            received.append(NOTHING)
        return received


def process(login: list[Message]) -> int:
    """Return the server process of BackendKeyData."""
    (key,) = (one.body for one in login if one.kind == messages.BACKEND_KEY_DATA)
    number: int = messages.INT32.unpack_from(key)[0]
    return number


def complete(received: bytearray) -> list[Message]:
    """Remove the complete messages from received, and return them."""
    found: list[Message] = []
    at = 0
    while at + 5 <= len(received):
        kind, size = messages.HEADER.unpack_from(received, at)
        if at + size + 1 > len(received):
            break
        body = bytes(received[at + 5 : at + size + 1])
        found.append(comparable(Message(kind, body)))
        at += size + 1
    del received[:at]
    return found


def split(data: bytes, size: int) -> list[bytes]:
    """Return pieces of size bytes; the middle of a long text is one piece."""
    if not size:
        return [data]
    pieces: list[bytes] = []
    middle = len(data) - MIDDLE
    at = 0
    while at < len(data):
        end = middle if MIDDLE <= at < middle else at + size
        pieces.append(data[at:end])
        at = end
    return pieces


def lines(actions: tuple[Action, ...]) -> list[str]:
    return [repr(action) for action in actions]


END: Final = Flight((query("SELECT 'the end'"),))

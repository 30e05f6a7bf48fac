"""A relay to PostgreSQL between the proxy and its target, for answers of its own."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class Relay:
    """Passes all bytes on, at ``port``, until a part of them is answered."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self._run(self._serve)

    def answers(self, data: bytes, source: socket.socket, drain: socket.socket) -> bool:
        """Return True if the connection ends with this part, which is not passed on."""
        return False

    def _run(self, work: Callable[..., None], *args: socket.socket) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                proxy, _ = self.listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{self.server}/.s.PGSQL.5432")
                self._run(self._pass_on, proxy, server)
                self._run(self._pass_on, server, proxy)

    def _pass_on(self, source: socket.socket, drain: socket.socket) -> None:
        with suppress(OSError), source, drain:
            while data := source.recv(65_536):
                if self.answers(data, source, drain):
                    return
                drain.sendall(data)

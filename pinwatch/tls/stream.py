"""One end of a TLS connection, without a socket.

Owns the handshake and the records. The caller passes in the bytes that it received and
sends the bytes that it gets back.
"""

import contextlib
import ssl
from typing import Final

MAX_RECORD: Final = 16_384  # bytes of plain text in a TLS record


def failure(error: ssl.SSLError) -> str:
    """Return the error text, with OpenSSL's reason for a refused certificate."""
    why = getattr(error, "verify_message", None) or error.reason or error
    return f"TLS failed: {why}".rstrip(".")


class EncryptedStream:
    """TLS over one connection; methods raise ssl.SSLError if TLS fails."""

    __slots__ = ("_incoming", "_outgoing", "_tls", "ended", "established")

    def __init__(
        self,
        context: ssl.SSLContext,
        server_side: bool,
        server_hostname: str | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side, server_hostname
        )
        self.established = False
        self.ended = False  # the peer sent close_notify

    @property
    def protocol(self) -> str | None:
        """The protocol that ALPN selected."""
        return self._tls.selected_alpn_protocol()

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's certificate in DER form."""
        return self._tls.getpeercert(binary_form=True)

    def start(self) -> bytes:
        """Return the first bytes to send, on the client's side."""
        self._shake_hands()
        return self._outgoing.read()

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the decrypted data, and the bytes that TLS has to send."""
        self._incoming.write(data)
        if not self.established:
            self._shake_hands()
        plain = self._decrypt() if self.established else b""
        return plain, self._outgoing.read()

    def alert(self) -> bytes:
        """Return the alert to send after a failed handshake."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Return data as TLS records. Before the handshake is complete, drop it."""
        if not self.established:
            return b""
        for at in range(0, len(data), MAX_RECORD):
            self._tls.write(data[at : at + MAX_RECORD])
        return self._outgoing.read()

    def end(self) -> bytes:
        """Return the close_notify record; this side sends nothing after it."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.established = True

    def _decrypt(self) -> bytes:
        chunks: list[bytes] = []
        try:
            while self._incoming.pending or self._tls.pending():
                chunk = self._tls.read(MAX_RECORD)
                if not chunk:
                    self.ended = True
                    break
                chunks.append(chunk)
        except ssl.SSLWantReadError:
            pass
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

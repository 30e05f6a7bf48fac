"""One end of a TLS connection, in memory: encrypts and decrypts bytes.

Owns the handshake and the records. Does not know sockets: the caller passes in received
bytes and sends the returned ones.
"""

import contextlib
import ssl
from typing import Final

MAX_RECORD: Final = 16_384  # bytes in one TLS record


def failure(error: ssl.SSLError) -> str:
    """Return why TLS failed; for a refused certificate, OpenSSL's own reason."""
    why = getattr(error, "verify_message", None) or error.reason or error
    return f"TLS failed: {why}".rstrip(".")


class EncryptedStream:
    """TLS over one connection; raises ssl.SSLError when the peer breaks it."""

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
        self.ended = False  # the peer will send nothing more

    @property
    def protocol(self) -> str | None:
        """The protocol that ALPN chose."""
        return self._tls.selected_alpn_protocol()

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's certificate in DER form."""
        return self._tls.getpeercert(binary_form=True)

    def start(self) -> bytes:
        """Start the client's handshake; return the bytes to send."""
        self._shake_hands()
        return self._outgoing.read()

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the decrypted bytes, and the bytes that TLS itself has to send."""
        self._incoming.write(data)
        if not self.established:
            self._shake_hands()
        plain = self._decrypt() if self.established else b""
        return plain, self._outgoing.read()

    def alert(self) -> bytes:
        """Return the bytes to send after a failure."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Return the records for data; b"" before the handshake is complete."""
        if not self.established:
            return b""
        for at in range(0, len(data), MAX_RECORD):
            self._tls.write(data[at : at + MAX_RECORD])
        return self._outgoing.read()

    def end(self) -> bytes:
        """Return the closing alert; nothing can be encrypted after it."""
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

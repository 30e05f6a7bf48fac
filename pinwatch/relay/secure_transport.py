"""A transport with TLS, between a session or database connection and its socket."""

from pinwatch.sockets.transport import Transport
from pinwatch.tls.stream import EncryptedStream


class SecureTransport(Transport):
    """TLS over another transport.

    Writes are encrypted. The receiver must pass received bytes to ``decrypt`` itself.
    """

    __slots__ = ("plain", "stream")

    def __init__(self, plain: Transport, stream: EncryptedStream) -> None:
        self.plain = plain
        self.stream = stream

    def decrypt(self, data: bytes) -> bytes:
        """Return the decrypted bytes, and send the replies of TLS itself.

        Raises ssl.SSLError after it has sent the alert.
        """
        try:
            decrypted, answer = self.stream.receive(data)
        except OSError:  # ssl.SSLError is one
            self.plain.write(self.stream.alert())
            raise
        if answer:
            self.plain.write(answer)
        return decrypted

    def write(self, data: bytes) -> None:
        self.plain.write(self.stream.encrypt(data))

    def write_eof(self) -> None:
        self.plain.write_eof()

    def pause_reading(self) -> None:
        self.plain.pause_reading()

    def resume_reading(self) -> None:
        self.plain.resume_reading()

    def is_closing(self) -> bool:
        return self.plain.is_closing()

    def close(self) -> None:
        if not self.plain.is_closing():
            self.plain.write(self.stream.end())
        self.plain.close()

    def abort(self) -> None:
        self.plain.abort()

    def ends(self) -> tuple[object, object]:
        return self.plain.ends()

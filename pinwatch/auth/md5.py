"""PostgreSQL's MD5 passwords: the manual's chapter "Message Flow", MD5Password."""

from hashlib import md5


def stored(user: str, password: str) -> bytes:
    """What a server keeps: 32 hexadecimal digits of md5(password, user)."""
    return _hexdigest(password.encode() + user.encode())


def answer(stored: bytes, salt: bytes) -> bytes:
    """What a client sends for the server's 4 bytes of salt: "md5" and 32 digits."""
    return b"md5" + _hexdigest(stored + salt)


def _hexdigest(data: bytes) -> bytes:
    return md5(data, usedforsecurity=False).hexdigest().encode()

"""PostgreSQL's MD5 passwords: the manual's chapter "Message Flow", MD5Password."""

from hashlib import md5


def stored(user: str, password: str) -> bytes:
    """Return the hash that a server stores: md5(password + user) in hexadecimal."""
    return _hexdigest(password.encode() + user.encode())


def answer(stored: bytes, salt: bytes) -> bytes:
    """Return a client's answer to a 4-byte salt: "md5" and 32 hexadecimal digits."""
    return b"md5" + _hexdigest(stored + salt)


def _hexdigest(data: bytes) -> bytes:
    return md5(data, usedforsecurity=False).hexdigest().encode()

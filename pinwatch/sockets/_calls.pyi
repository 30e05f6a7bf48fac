from typing import Any

SMALL_READ: int

def receive(fd: int, most: int, /) -> bytes: ...
def send_all(pieces: list[Any], /) -> list[tuple[Any, bytes, int]]: ...
def wait(epoll: int, timeout: float, /) -> list[int]:
    """Linux alone has this."""

from typing import Any, final

SMALL_READ: int

def receive(fd: int, size: int, /) -> bytes: ...

@final
class Sender:
    def __new__(cls) -> Sender: ...
    def send(self, pieces: list[Any], /) -> list[tuple[Any, bytes, int]]: ...
    def close(self) -> None: ...

def wait(epoll: int, timeout: float, /) -> list[int]:
    """Exists on Linux only."""

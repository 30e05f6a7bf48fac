"""The stack that waits on a client's socket."""

from pinwatch.origin.frame import Frame


def origin(port: int, sql: str) -> tuple[Frame, ...]:
    return ()

"""One way to the database: direct, or through a proxy with rivals to swap with."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, Final

import psycopg

from tests.harness import Endpoint
from tests.live.rivals import Rivals

BIG_DIGEST: Final = "685fb48b7a85623bd385365656c19feb"
UNICODE: Final = "Zażółć gęślą jaźń, 漢字, עברית, 🐘 e\u0301 \u200d '\"\\ \t\r\n%s $1"


@cache
def big() -> bytes:
    """A value of 50 MB, whose MD5 digest is BIG_DIGEST."""
    return Random(2).randbytes(50_000_000)


@dataclass(frozen=True, slots=True)
class Route:
    """The endpoint of a driver, and a direct connection of the test to the database."""

    endpoint: Endpoint
    direct: psycopg.Connection[Any]
    rivals: Rivals | None

    def swap(self) -> None:
        """The next transaction gets another database connection, if by the proxy."""
        if self.rivals is not None:
            self.rivals.swap()

    def check_servers(self, pids: Iterable[int | str]) -> None:
        """pids are the server processes that served a session with swaps."""
        assert len(set(pids)) == (1 if self.rivals is None else 2)

    def balances(self) -> list[int]:
        """Return the committed balances."""
        rows = self.direct.execute("SELECT balance FROM account ORDER BY id")
        return [balance for (balance,) in rows]

"""Clients of one proxy."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.harness import RunningProxy
from tests.live.rivals import Rivals, rivals
from tests.wireclient import WireClient


@dataclass(frozen=True, slots=True)
class Clients:
    """Connects clients to a proxy, and disconnects them at the end of the test."""

    proxy: RunningProxy
    stack: ExitStack = field(repr=False)

    def __call__(self, **parameters: str) -> WireClient:
        """Return a client that has logged in with these startup parameters."""
        client = WireClient.login(self.proxy.endpoint(), **parameters)
        return self.stack.enter_context(client)

    def stranger(self) -> WireClient:
        """Return a client that is connected and has sent nothing."""
        return self.stack.enter_context(WireClient(self.proxy.endpoint()))

    def rivals(self) -> Rivals:
        return self.stack.enter_context(rivals(self.proxy.endpoint()))


def running(direct: psycopg.Connection[Any], text: str) -> int | None:
    """Return the server process that runs text."""
    row = direct.execute(
        "SELECT pid FROM pg_stat_activity WHERE query = %s AND state = 'active'",
        (text,),
    ).fetchone()
    return None if row is None else int(row[0])

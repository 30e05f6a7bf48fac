"""Clients of one proxy."""

from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.harness import RunningProxy
from tests.live.rivals import Rivals, rivals
from tests.wireclient import WireClient


@dataclass(frozen=True, slots=True)
class Clients:
    """They vanish at the end of the test, unless they left before."""

    proxy: RunningProxy
    stack: ExitStack = field(repr=False)

    def __call__(self, **parameters: str) -> WireClient:
        """A new one, logged in with these startup parameters."""
        client = WireClient.login(self.proxy.endpoint(), **parameters)
        return self.stack.enter_context(client)

    def stranger(self) -> WireClient:
        """One that has only connected."""
        return self.stack.enter_context(WireClient(self.proxy.endpoint()))

    def rivals(self) -> Rivals:
        return self.stack.enter_context(rivals(self.proxy.endpoint()))

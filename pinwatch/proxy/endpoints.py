"""Endpoints: the addresses where clients connect, and the pool that serves each.

Owns the listening socket, and what clients are greeted with there. Which target serves
is the target group's to say.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from pinwatch.config.model import DEFAULT, Address, TargetRole
from pinwatch.counters import EndpointCounters
from pinwatch.errors import cannot_listen
from pinwatch.pool.interfaces import Key, Lender
from pinwatch.relay import client_session
from pinwatch.relay.client_session import ClientSession, Greeted
from pinwatch.relay.parameters import APPLICATION_NAME, Values, nameless, plain_name
from pinwatch.sockets.connect import Listener, listen
from pinwatch.sockets.loop import running
from pinwatch.targets.connections import reason

MAX_GREETINGS: Final = 10_000


class Endpoint(client_session.Endpoint):
    """One of a proxy; lender serves its clients until it is replaced."""

    def __init__(
        self, name: str, role: TargetRole, lender: Lender, counters: EndpointCounters
    ) -> None:
        self.name = name
        self.counters = counters
        self.role = role
        self.lender = lender
        self._greetings: OrderedDict[tuple[Key, Values], Greeted] = OrderedDict()
        self._listener: Listener | None = None

    async def listen(
        self, address: Address, accept: Callable[["Endpoint"], ClientSession]
    ) -> None:
        """Raises ListenError."""
        try:
            self._listener = await listen(
                running(), address.host, address.port, lambda: accept(self)
            )
        except OSError as error:
            option = "--listen" if self.name == DEFAULT else f"{self.name}'s listen"
            raise cannot_listen(str(address), error, reason(error), option) from None

    @property
    def address(self) -> Address:
        """Where clients connect, with the port that port 0 became."""
        assert self._listener is not None
        return Address(*self._listener.address)

    def close(self) -> None:
        """No new clients."""
        if self._listener is not None:
            self._listener.close()

    def greeting(self, key: Key, parameters: Values) -> Greeted | None:
        found = self._greetings.get((key, nameless(parameters)))
        name = plain_name(parameters)
        if found is None or name is None:
            return found
        return Greeted(found.key, found.told.changed(APPLICATION_NAME, name))

    def keep_greeting(self, key: Key, parameters: Values, told: Values) -> None:
        self._greetings[key, nameless(parameters)] = Greeted(key, told)
        if len(self._greetings) > MAX_GREETINGS:
            self._greetings.popitem(last=False)

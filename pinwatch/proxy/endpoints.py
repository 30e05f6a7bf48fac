"""Endpoints: the addresses that clients connect to, and the pool that serves each.

Owns the listening socket. The target group decides which target serves an endpoint.
"""

from collections.abc import Callable

from pinwatch.config.model import DEFAULT, Address, TargetRole
from pinwatch.counters import EndpointCounters
from pinwatch.errors import cannot_listen
from pinwatch.pool.interfaces import ConnectionSource, Key
from pinwatch.proxy.parameter_cache import ParameterCache
from pinwatch.relay import client_login
from pinwatch.relay.client_login import CachedParameters
from pinwatch.relay.client_session import ClientSession
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.relay.parameters import Values
from pinwatch.sockets.acceptor import Acceptor
from pinwatch.sockets.connect import listen
from pinwatch.sockets.loop import running


class Endpoint(client_login.Endpoint):
    """An endpoint; source serves its clients and may be replaced."""

    def __init__(
        self,
        name: str,
        role: TargetRole,
        source: ConnectionSource[DatabaseConnection],
        counters: EndpointCounters,
    ) -> None:
        self.name = name
        self.counters = counters
        self.role = role
        self.source = source
        self._cached_parameters = ParameterCache()
        self._listener: Acceptor | None = None

    async def listen(
        self, address: Address, accept: Callable[["Endpoint"], ClientSession]
    ) -> None:
        """Listen on the address; raises ListenError."""
        try:
            self._listener = await listen(
                running(), address.host, address.port, lambda: accept(self)
            )
        except OSError as error:
            option = "--listen" if self.name == DEFAULT else f"{self.name}'s listen"
            raise cannot_listen(str(address), error, option) from None

    @property
    def address(self) -> Address:
        """The address that clients connect to, with the real port in place of 0."""
        assert self._listener is not None
        return Address(*self._listener.address)

    def serve_from(self, source: ConnectionSource[DatabaseConnection]) -> None:
        """Borrow from source from now on; drop cached parameters of another source."""
        if source is not self.source:
            self.source = source
            self._cached_parameters.clear()

    def close(self) -> None:
        """Accept no more clients."""
        if self._listener is not None:
            self._listener.close()

    def cached_parameters(
        self, key: Key, parameters: Values
    ) -> CachedParameters | None:
        return self._cached_parameters.get(key, parameters)

    def cache_parameters(self, parameters: Values, cached: CachedParameters) -> None:
        self._cached_parameters.put(parameters, cached)

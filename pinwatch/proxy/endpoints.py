"""Endpoints: the addresses that clients connect to, and the pool that serves each.

Owns the listening socket. The target group decides which target serves an endpoint.
"""

import logging
import zlib
from collections.abc import Callable
from errno import EADDRINUSE
from typing import Final, TypeAlias

from pinwatch.config.model import DEFAULT, Address, TargetRole
from pinwatch.counters import EndpointCounters
from pinwatch.errors import ListenError, cannot_listen
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

log = logging.getLogger("pinwatch")

STABLE_PORTS: Final = range(20_000, 30_000)
"""Ports that neither Linux nor macOS gives to clients' sockets."""
MAX_PORTS: Final = 20  # ports that are tried
PORT_TAKEN: Final = (
    "The port %d of the endpoint %s is taken: it listens on %s. listen in its "
    "[[endpoints]] entry chooses another port."
)

Accept: TypeAlias = Callable[["Endpoint"], ClientSession]


def stable_port(proxy: str, endpoint: str) -> int:
    """Return the port of an endpoint without an address: the same at each start."""
    name = f"{proxy}/{endpoint}".encode()
    return STABLE_PORTS[zlib.crc32(name) % len(STABLE_PORTS)]


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

    async def listen(self, address: Address, accept: Accept) -> None:
        """Listen on the address; raises ListenError."""
        try:
            await self._open(address, accept)
        except OSError as error:
            raise self._cannot_listen(address, error) from None

    async def listen_near(self, address: Address, accept: Accept) -> None:
        """Listen on the address, or, if its port is taken, on a port after it.

        Log which port it is in place of the first. Raises ListenError.
        """
        for port in range(address.port, address.port + MAX_PORTS):
            near = address._replace(port=port)
            try:
                await self._open(near, accept)
            except OSError as error:
                last = error
                if error.errno != EADDRINUSE:
                    break
            else:
                if near != address:
                    log.warning(PORT_TAKEN, address.port, self.name, near)
                return
        raise self._cannot_listen(near, last)

    async def _open(self, address: Address, accept: Accept) -> None:
        """Listen on the address; raises OSError."""
        self._listener = await listen(
            running(), address.host, address.port, lambda: accept(self)
        )

    def _cannot_listen(self, address: Address, error: OSError) -> ListenError:
        option = "--listen" if self.name == DEFAULT else f"{self.name}'s listen"
        return cannot_listen(str(address), error, option)

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

"""The CPU time of the processes of a load."""

from __future__ import annotations

from dataclasses import dataclass

from bench import process
from bench.subjects import Endpoint


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds so far of the proxy, the load, the server and the whole machine."""

    proxy: float
    load: float
    server: float
    machine: float

    def cores(self, later: Usage, span: float) -> dict[str, float]:
        """Return the metrics for the ``span`` seconds from this to a later usage.

        ``other_cores`` are those used by other programs and by the machine's host.
        """
        proxy, load = later.proxy - self.proxy, later.load - self.load
        server, machine = later.server - self.server, later.machine - self.machine
        return {
            "proxy_cores": proxy / span,
            "load_cores": load / span,
            "server_cores": server / span,
            "other_cores": max(machine - proxy - load - server, 0.0) / span,
        }


def usage(endpoint: Endpoint, load: float) -> Usage:
    """Return the present usage; ``load`` is the CPU seconds of the load generator."""
    return Usage(
        proxy=0.0 if endpoint.pid is None else process.cpu_seconds(endpoint.pid),
        load=load,
        server=process.server_seconds(endpoint.server_pid),
        machine=process.machine_seconds(),
    )

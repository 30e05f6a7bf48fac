"""PostgreSQL in Docker's official images, where a Docker engine answers."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from testcontainers.community.postgres import PostgresContainer

from tests.harness import Endpoint, Postgres

NO_ENGINE = "no Docker engine answers"


@cache
def engine_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return not subprocess.run([docker, "info"], capture_output=True).returncode


@contextmanager
def postgres_containers() -> Iterator[Callable[[int], Postgres]]:
    """Gives the server of a major version, which is started at its first use."""
    with ExitStack() as stack:

        @cache
        def started(version: int) -> Postgres:
            one = stack.enter_context(PostgresContainer(f"postgres:{version}"))
            host, port = one.get_container_host_ip(), int(one.get_exposed_port(5432))
            server = Endpoint(host, port, one.username, one.dbname, one.password)
            return Postgres(server, any_role=False)

        yield started

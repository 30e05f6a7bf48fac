"""The place of a soak: ports, roles, and what visits draw from at random."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bench.server import DATABASE
from bench.soak.books import Books
from pinwatch.observers.digests import MAX_DIGESTS

MD5_ROLES: Final = ("soak_md5_a", "soak_md5_b")
"""Roles of the clients of single messages."""

SCRAM_ROLES: Final = ("soak_scram_a", "soak_scram_b", "soak_scram_c")
"""Roles of the drivers."""

PASSWORD: Final = "correct-horse"
WRONG_PASSWORD: Final = "battery-staple"

SHARE_WITH_TLS: Final = 0.15
SHARE_OF_READERS: Final = 0.15

PARAMETERS: Final[tuple[dict[str, str], ...]] = (
    {"application_name": "soak"},
    {"application_name": "soak", "TimeZone": "Europe/Berlin"},
    {"TimeZone": "Asia/Tokyo", "DateStyle": "German"},
    {"search_path": "pg_catalog, public"},
    {"extra_float_digits": "0", "client_encoding": "UTF8"},
    {},
)
"""Startup parameters that drivers and applications set."""

LETTERS: Final = "abcdefghijklmnopqrst"

SETUP: Final = (
    *(f"CREATE ROLE {r} LOGIN PASSWORD '{PASSWORD}'" for r in MD5_ROLES + SCRAM_ROLES),
    "CREATE TABLE ledger (row bigint NOT NULL, client int NOT NULL)",
    f"GRANT ALL ON ledger TO {', '.join(MD5_ROLES + SCRAM_ROLES)}",
    f"GRANT TEMP ON DATABASE {DATABASE} TO PUBLIC",
)
"""SQL for a new server; the roles need no password there, only at the proxy."""


@dataclass(slots=True)
class Site:
    """The running proxy and the books of its clients.

    ``think`` is the mean of the seconds between two requests of a client.
    """

    port: int
    readers_port: int
    books: Books
    tls: ssl.SSLContext
    think: float
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _names: int = 0

    async def pause(self, chance: Random) -> None:
        """Wait as a client that thinks."""
        await asyncio.sleep(chance.expovariate(1 / self.think))

    def choose_port(self, chance: Random) -> int:
        """Return the port of the reader endpoint, or mostly of the default one."""
        readers = chance.random() < SHARE_OF_READERS
        return self.readers_port if readers else self.port

    def choose_tls(self, chance: Random) -> ssl.SSLContext | None:
        return self.tls if chance.random() < SHARE_WITH_TLS else None


def tls_context() -> ssl.SSLContext:
    """Return a client's context that does not verify: the certificate is local."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def word(chance: Random, letters: int = 3) -> str:
    """Return one of 20 ** letters words without digits."""
    return "".join(chance.choices(LETTERS, k=letters))


KINDS_OF_PINS: Final = 4
PIN_NAMES: Final = MAX_DIGESTS // KINDS_OF_PINS
"""Names in statements that pin: no more digests than pinwatch keeps, so that its store
of digests does not shrink and grow again."""


def pinning_statement(chance: Random) -> str:
    """Return a statement that pins and leaves nothing that a later one stumbles on."""
    number = chance.randrange(PIN_NAMES)
    name = "".join(LETTERS[int(digit)] for digit in str(number))
    kind = chance.randrange(KINDS_OF_PINS)
    if kind == 0:
        return f"SET soak.{name} = '{chance.random()}'"
    if kind == 1:
        return f"SELECT set_config('soak.{name}', '{chance.random()}', false)"
    if kind == 2:
        return f"SELECT pg_advisory_lock_shared({number}) AS {name}"
    return f"LISTEN {name}"

"""The sources of secrets: the configuration, files, and AWS Secrets Manager.

Owns reading them and deciding when to read again. A secret is JSON with ``username``
and ``password``; other keys (engine, host, port, dbname) are ignored, as by RDS Proxy.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

from pinwatch.extras import AWS, install_command

RETRY_INTERVAL: Final = (
    5.0  # seconds until Secrets Manager is read again after a failure
)
TIMEOUT: Final = 3.0  # seconds to connect to Secrets Manager, and to read its answer


@dataclass(frozen=True, slots=True)
class Secret:
    """A role of the database and its password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A secret that cannot be read: its file, ARN or name, and why; no value."""

    name: str
    reason: str


class Source(Protocol):
    """A source of secrets."""

    def stale(self) -> bool:
        """Return whether a login must read() first; never waits for a network."""
        ...

    def read(self) -> list[Secret | Unreadable]:
        """Read the present secrets; may block for seconds."""
        ...


class Given:
    """A secret from the configuration or from the target's URL."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._unread = True

    def stale(self) -> bool:
        return self._unread

    def read(self) -> list[Secret | Unreadable]:
        self._unread = False
        return [self._secret]


class Files:
    """A file with one secret, or a folder of such files (dot files are ignored)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state_read: object = None

    def stale(self) -> bool:
        return self._state() != self._state_read

    def read(self) -> list[Secret | Unreadable]:
        self._state_read = self._state()
        try:
            return [self._read(path) for path in self._files()]
        except OSError as error:
            return [Unreadable(str(self._path), str(error.strerror))]

    def _read(self, path: Path) -> Secret | Unreadable:
        try:
            return _parsed(str(path), path.read_bytes())
        except OSError as error:
            return Unreadable(str(path), str(error.strerror))

    def _files(self) -> list[Path]:
        if not self._path.is_dir():
            return [self._path]
        return sorted(p for p in self._path.iterdir() if not p.name.startswith("."))

    def _state(self) -> object:
        """Return a value that changes if a file is added, removed or written."""
        try:
            files = [(path, path.stat()) for path in self._files()]
        except OSError as error:
            return error.errno
        return [(p, s.st_ino, s.st_mtime_ns, s.st_size) for p, s in files]


class SecretsManager:
    """AWS Secrets Manager, or a server with its API at ``endpoint_url``, by boto3.

    Without ``endpoint_url`` and ``region`` boto3's own configuration applies. An ARN
    contains its region. A secret stays fresh for ``refresh_interval`` seconds.
    """

    def __init__(
        self,
        endpoint_url: str | None = None,
        region: str | None = None,
        refresh_interval: float = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refresh_interval = refresh_interval
        self.clock = clock
        self._endpoint_url = endpoint_url
        self._region = region
        self._client = lru_cache(self._new_client)

    def get(self, secret_id: str) -> Secret | Unreadable:
        """Return the secret of an ARN or a name; blocks for a few seconds at most."""
        try:
            import boto3  # noqa: F401
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            how = install_command(AWS)
            return Unreadable(secret_id, f"boto3 is missing: install it by {how}")
        region = secret_id.split(":")[3] if ":" in secret_id else self._region
        try:
            answer = self._client(region).get_secret_value(SecretId=secret_id)
        except (BotoCoreError, ClientError, ValueError) as error:
            return Unreadable(secret_id, str(error).rstrip("."))
        return _parsed(secret_id, answer.get("SecretString", ""))

    def _new_client(self, region: str | None) -> Any:
        import boto3
        from botocore.config import Config

        # botocore's DEBUG lines contain the answers, which contain the secrets.
        logging.getLogger("botocore.parsers").setLevel(logging.INFO)
        return boto3.session.Session().client(
            "secretsmanager",
            region_name=region,
            endpoint_url=self._endpoint_url,
            config=Config(
                connect_timeout=TIMEOUT,
                read_timeout=TIMEOUT,
                retries={"total_max_attempts": 1},
            ),
        )


class ManagedSecret:
    """One secret of Secrets Manager, read again after ``refresh_interval``."""

    def __init__(self, manager: SecretsManager, secret_id: str) -> None:
        self._manager = manager
        self._secret_id = secret_id
        self._due = manager.clock()

    def stale(self) -> bool:
        return self._manager.clock() >= self._due

    def read(self) -> list[Secret | Unreadable]:
        interval = self._manager.refresh_interval
        # Set before the answer, so that only one login waits for it.
        self._due = self._manager.clock() + min(RETRY_INTERVAL, interval)
        found = self._manager.get(self._secret_id)
        if isinstance(found, Secret):
            self._due = self._manager.clock() + interval
        return [found]


def _parsed(name: str, text: str | bytes) -> Secret | Unreadable:
    try:
        match json.loads(text):
            case {"username": str(username), "password": str(password)} if (
                username and password
            ):
                (username + password).encode()  # JSON can contain a lone surrogate
                return Secret(username, password)
    except ValueError:
        pass
    return Unreadable(name, "it is not JSON with username and password")

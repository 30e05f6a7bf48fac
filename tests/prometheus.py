"""A Prometheus of Debian's, and what it answers."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import psutil

from tests.harness import PATIENCE, eventually

PROGRAM: Final = shutil.which("prometheus")
INTERVAL: Final = "500ms"  # between scrapes


class Prometheus:
    """One that runs, and what it answers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ready(self) -> bool:
        """Return True once it has read its files; until then it refuses all queries."""
        try:
            with urlopen(f"{self.url}/-/ready", timeout=PATIENCE):
                return True
        except HTTPError:
            return False

    def get(self, path: str, **parameters: str) -> Any:
        url = f"{self.url}/api/v1/{path}?{urlencode(parameters)}"
        with urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def has_numbers(self, expression: str) -> bool:
        """Return True if the expression has any finite value now."""
        found = self.get("query", query=expression)["result"]
        return any(isfinite(float(series["value"][1])) for series in found)

    def values(self, label: str, series: str) -> list[str]:
        """Return the label's values, as Grafana's label_values requests them."""
        parameters = {"match[]": series, "start": str(time.time() - 3600)}
        found: list[str] = self.get(f"label/{label}/values", **parameters)
        return found


@contextmanager
def running(file: Path) -> Iterator[Prometheus]:
    """Run Prometheus with a configuration file, and its data beside the file."""
    assert PROGRAM is not None
    command = [
        PROGRAM,
        f"--config.file={file}",
        f"--storage.tsdb.path={file.parent / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--log.level=warn",
    ]
    with subprocess.Popen(command, cwd=file.parent) as process:
        try:
            port = eventually(lambda: listening(process))
            found = Prometheus(f"http://127.0.0.1:{port}")
            eventually(found.ready)
            yield found
        finally:
            process.terminate()


def listening(process: subprocess.Popen[bytes]) -> int:
    """The port, or 0 before there is one."""
    assert process.poll() is None, "Prometheus has ended"
    connections = psutil.Process(process.pid).net_connections("tcp")
    return next((c.laddr.port for c in connections if c.status == "LISTEN"), 0)

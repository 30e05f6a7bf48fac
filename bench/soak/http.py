"""Requests to pinwatch's HTTP API, and the observers that read it during a soak."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

PATIENCE: Final = 30.0
METRICS_INTERVAL: Final = 1.0
PAGE_INTERVAL: Final = 3.0
PATHS: Final = (
    "/",
    "/api/pins?limit=200",
    "/api/digests",
    "/api/pool",
    "/api/sessions",
    "/api/targets",
    "/readyz",
)
"""The requests of a browser that shows the live page, and a few more."""

SAMPLE: Final = re.compile(r"^(?P<name>[a-z_]+)(?:\{.*\})? (?P<value>\S+)$", re.M)


class HttpError(Exception):
    """A response is not a success."""


class Http:
    """A client of the HTTP API, with a connection for each request."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def request(self, method: str, path: str, body: object = None) -> bytes:
        """Return the body of the response. Raises HttpError and OSError."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(self._head(method, path, body))
                head, _, content = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
        status = head.split(b" ", 2)[1]
        if status != b"200" and status != b"201" and status != b"204":
            raise HttpError(f"{method} {path}: {status.decode()} {content.decode()}")
        return content

    def _head(self, method: str, path: str, body: object) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        lines = (
            f"{method} {path} HTTP/1.0",
            "Host: localhost",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            "Connection: close",
        )
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    async def get(self, path: str) -> Any:
        """Return the JSON at this path."""
        return json.loads(await self.request("GET", path))

    async def metrics(self) -> dict[str, float]:
        """Return the sum of each metric over its labels."""
        text = (await self.request("GET", "/metrics")).decode()
        sums: dict[str, float] = {}
        for found in SAMPLE.finditer(text):
            name = found["name"]
            sums[name] = sums.get(name, 0.0) + float(found["value"])
        return sums

    async def events(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield the name and the data of each event of the stream of pins."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(self._head("GET", "/api/pins/stream", None))
            await reader.readuntil(b"\r\n\r\n")
            name = ""
            async for line in reader:
                if line.startswith(b"event: "):
                    name = line[7:].decode().strip()
                elif line.startswith(b"data: "):
                    yield name, json.loads(line[6:])
        finally:
            writer.close()


class Observers:
    """The readers of the HTTP API: of the page, of metrics, of the stream of pins."""

    def __init__(self, http: Http) -> None:
        self.http = http
        self.requests = 0
        self.events: Counter[str] = Counter()
        self.missed = 0
        self.first_id = 0
        self.last_id = 0

    async def scrape(self) -> None:
        while True:
            await self.http.metrics()
            self.requests += 1
            await asyncio.sleep(METRICS_INTERVAL)

    async def browse(self) -> None:
        while True:
            for path in PATHS:
                await self.http.request("GET", path)
                self.requests += 1
            await asyncio.sleep(PAGE_INTERVAL)

    async def follow(self) -> None:
        async for name, data in self.http.events():
            self.events[name] += 1
            if name == "missed":
                self.missed += data["events"]
            elif name == "pin":
                self.first_id = self.first_id or data["id"]
                self.last_id = data["id"]

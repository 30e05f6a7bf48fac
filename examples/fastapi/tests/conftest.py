"""Connect the application to the proxy. Nothing else changes."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from shop.app import create_app

import pinwatch


@pytest.fixture(scope="session")
def client(pinwatch_proxy: pinwatch.Proxy) -> Iterator[TestClient]:
    with TestClient(create_app(pinwatch_proxy.url())) as client:
        yield client

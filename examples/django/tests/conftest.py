"""Connect Django to the proxy, through which it creates and drops its test database."""

from collections.abc import Iterator

import pytest
from django.db import connection, connections

import pinwatch


@pytest.fixture(scope="session")
def django_db_modify_db_settings(pinwatch_proxy: pinwatch.Proxy) -> None:
    connection.settings_dict.update(
        HOST=pinwatch_proxy.host, PORT=pinwatch_proxy.port, USER=pinwatch_proxy.user
    )


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, pinwatch_proxy: pinwatch.Proxy
) -> Iterator[None]:
    """Close the proxy's connections, so that Django can drop its test database."""
    yield
    connections.close_all()
    pinwatch_proxy.release()

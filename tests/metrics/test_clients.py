"""Metrics of client connections."""

import ssl
from typing import Final

import pytest

from pinwatch.wire.messages import (
    INT32,
    SSL_REQUEST_CODE,
    cancel_request,
    sasl_initial_response,
)
from tests.harness import state_folder
from tests.metrics.conftest import Measure
from tests.metrics.scrape import Measured
from tests.wireclient import WireClient, query, startup

SSL_REQUEST: Final = INT32.pack(8) + INT32.pack(SSL_REQUEST_CODE)
SECRET: Final = {"username": "postgres", "password": "s3cret"}
LOGIN: Final = startup({"user": "postgres", "database": "postgres"})
FAILED: Final = "client_connections_setup_failed_auth_total"


def encrypted(proxy: Measured) -> WireClient:
    """A client with TLS that is not logged in."""
    client = proxy.clients.stranger()
    client.send(SSL_REQUEST)
    assert client.read(1) == b"S"
    context = ssl.create_default_context(cafile=state_folder() / "tls" / "ca.pem")
    client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
    return client


def test_from_their_first_byte_to_their_last(measure: Measure) -> None:
    proxy = measure()
    first, _ = proxy(), proxy()
    proxy.clients.stranger()
    proxy.comes_to_tell(3, "client_connections")
    now = proxy.scrape()
    assert now("client_connections_received_total") == 3
    assert now("client_connections_setup_succeeded_total") == 2
    assert now("client_connections_closed_total") == 0
    first.leave()
    proxy.comes_to_tell(2, "client_connections")
    now = proxy.scrape()
    assert now("client_connections_received_total") == 3
    assert now("client_connections_setup_succeeded_total") == 2
    assert now("client_connections_closed_total") == 1
    assert now(FAILED) == 0


def test_the_labels_are_the_proxy_and_its_endpoint(measure: Measure) -> None:
    proxy = measure()
    labels = {"proxy": "pinwatch", "endpoint": "default"}
    (sample,) = [
        sample
        for sample in proxy.scrape().samples
        if sample.name == "pinwatch_client_connections"
    ]
    assert sample.labels == labels


def test_with_tls_and_without(measure: Measure) -> None:
    proxy = measure()
    plain, secret = proxy(), encrypted(proxy)
    secret.start()
    plain.query("SELECT 1")
    secret.query("SELECT 1")
    secret.query("SELECT 2")
    now = proxy.scrape()
    assert now("client_connections_tls") == 1
    assert now("client_connections_no_tls") == 1
    assert now("client_connections") == 2
    assert now("query_requests_tls_total") == 2
    assert now("query_requests_no_tls_total") == 1
    assert now("query_requests_total") == 3
    secret.leave()
    proxy.comes_to_tell(0, "client_connections_tls")


def test_a_cancel_request_is_no_login(measure: Measure) -> None:
    proxy = measure()
    proxy.clients.stranger().send(cancel_request(1, b"key!"))
    proxy.comes_to_tell(1, "client_connections_closed_total")
    now = proxy.scrape()
    assert now("client_connections_received_total") == 1
    assert now("client_connections_setup_succeeded_total") == 0
    assert now(FAILED) == 0


def test_one_that_has_to_use_tls_and_does_not(measure: Measure) -> None:
    proxy = measure(require_tls=True)
    client = proxy.clients.stranger()
    client.send(LOGIN)
    assert client.rest().errors[0][1] == "28000"
    assert proxy.tells(FAILED) == 1


def test_one_that_proves_nothing(measure: Measure) -> None:
    proxy = measure(auth=[SECRET])
    client = proxy.clients.stranger()
    client.send(LOGIN)
    client.receive()
    client.send(sasl_initial_response(b"OAUTHBEARER", b"n,,"))
    assert client.rest().errors[0][1] == "28000"
    assert proxy.tells(FAILED) == 1


def test_one_whose_role_the_database_does_not_know(measure: Measure) -> None:
    proxy = measure()
    client = proxy.clients.stranger()
    client.send(startup({"user": "nobody", "database": "postgres"}))
    assert client.rest().errors[0][1] == "28P01"
    now = proxy.scrape()
    assert now(FAILED) == 1
    assert now("database_connections_setup_failed_total") == 1


def test_one_that_breaks_tls(measure: Measure) -> None:
    proxy = measure()
    client = proxy.clients.stranger()
    client.send(SSL_REQUEST)
    assert client.read(1) == b"S"
    client.send(b"no handshake")
    proxy.comes_to_tell(1, FAILED)


def test_one_that_does_not_trust_the_certificate(measure: Measure) -> None:
    proxy = measure()
    client = proxy.clients.stranger()
    client.send(SSL_REQUEST)
    assert client.read(1) == b"S"
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(
            client.socket, server_hostname="localhost"
        )
    proxy.comes_to_tell(1, FAILED)


@pytest.mark.parametrize(
    "packet",
    [startup({"user": "ann"}, version=2 << 16), b"\0\0\0\1", query("SELECT 1")],
)
def test_what_fails_otherwise_is_not_authentication(
    measure: Measure, packet: bytes
) -> None:
    proxy = measure()
    client = proxy.clients.stranger()
    client.send(packet)
    client.vanish()
    proxy.comes_to_tell(1, "client_connections_closed_total")
    assert proxy.tells(FAILED) == 0

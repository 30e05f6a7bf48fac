"""Errors of refused logins, as docs/behaviour.md quotes them, to the letter.

Those of a startup packet alone are in test_startup, a borrow timeout in test_lifecycle.
"""

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from pinwatch import events
from pinwatch.wire.messages import sasl_initial_response
from tests.live.conftest import Serve
from tests.wireclient import Reply, WireClient, startup

SECRET = {"username": "postgres", "password": "s3cret"}
IAM = {**SECRET, "iam_auth": "REQUIRED"}
METHODS = "RDS Proxy supports only IAM, MD5, or SCRAM authentication."


def asked(client: WireClient) -> Reply:
    """Send a startup packet; return the first message of the reply."""
    client.send(startup({"user": "postgres", "database": "postgres"}))
    return Reply([client.receive()])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"require_tls": True}, "This RDS Proxy requires TLS connections"),
        (
            {"auth": [IAM]},
            "IAM authentication is allowed only with SSL connections.",
        ),
    ],
)
def test_without_tls(serve: Serve, settings: dict[str, Any], text: str) -> None:
    client = serve(1, **settings).stranger()
    assert asked(client).errors == [("FATAL", "28000", text)]


def test_another_authentication_method(serve: Serve) -> None:
    client = serve(1, auth=[SECRET]).stranger()
    assert asked(client).kinds == "R"
    client.send(sasl_initial_response(b"OAUTHBEARER", b"n,,"))
    assert client.rest().errors == [("FATAL", "28000", METHODS)]


def test_a_role_whose_secret_the_database_refuses(
    serve: Serve, direct: psycopg.Connection[Any], database: str
) -> None:
    """The proxy has credentials for the role, which the database refuses."""
    direct.execute(f"CREATE ROLE {database} NOLOGIN")
    try:
        proxy = serve(1, auth=[SECRET | {"username": database}]).proxy
        login = replace(proxy.endpoint(), user=database, password=SECRET["password"])
        with pytest.raises(psycopg.OperationalError) as refused:
            psycopg.connect(login.dsn)
    finally:
        direct.execute(f"DROP ROLE {database}")
    text = f'role "{database}" is not permitted to log in'
    assert f"FATAL:  Request returned an error: {text}" in str(refused.value)


def test_a_role_in_two_entries(serve: Serve) -> None:
    """The role cannot log in, and only the log has the reason."""
    clients = serve(1, auth=[SECRET, {**SECRET, "password": "other"}])
    client = clients.stranger()
    assert asked(client).kinds == "R"
    client.send(sasl_initial_response(b"SCRAM-SHA-256", b"n,,n=,r=abcdefghijklmnop"))
    client.receive()
    client.vanish()
    assert not clients.proxy.happened(events.ClientWelcomed)

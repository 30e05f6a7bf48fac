"""Logins, from the first packet to the first ReadyForQuery."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

import psycopg
import pytest

from pinwatch.events import CancelRequested
from pinwatch.proxy.proxy import MAX_WITHOUT_STARTUP
from pinwatch.wire import messages
from pinwatch.wire.messages import (
    GSSENC_REQUEST_CODE,
    INT32,
    SSL_REQUEST_CODE,
    cancel_request,
)
from tests.harness import Postgres, Proxies, eventually
from tests.live.clients import Clients
from tests.live.conftest import Serve
from tests.wireclient import Reply, WireClient, query, startup

SSL_REQUEST: Final = INT32.pack(8) + INT32.pack(SSL_REQUEST_CODE)
GSSENC_REQUEST: Final = INT32.pack(8) + INT32.pack(GSSENC_REQUEST_CODE)
NEWEST: Final = 196608 + 9999
PREFIX: Final = "Feature not supported: RDS Proxy "


@pytest.fixture
def clients(serve: Serve) -> Clients:
    return serve(2)


def refusal(client: WireClient, packet: bytes) -> tuple[str, str, str]:
    """Send a packet; return the error that is the reply to it."""
    client.send(packet)
    reply = client.rest()
    assert reply.kinds in ("E", "RE")
    return reply.errors[0]


def test_login_replies(clients: Clients) -> None:
    """As on RDS Proxy, there is no BackendKeyData."""
    reply = clients.stranger().start()
    assert reply.kinds == f"R{'S' * len(reply.statuses)}Z"
    assert reply.status == "I"


def test_parameter_statuses_are_the_server_s(
    clients: Clients, postgres: Postgres, database: str
) -> None:
    with WireClient(postgres.endpoint(database)) as direct:
        expected = direct.start().statuses
    assert clients.stranger().start().statuses == expected
    assert expected["server_version"].startswith("18.")


def test_gss_encryption_is_declined(clients: Clients) -> None:
    client = clients.stranger()
    client.send(GSSENC_REQUEST)
    assert client.read(1) == b"N"
    client.start()
    assert client.query("SELECT 1").value == "1"


def test_gss_encryption_is_declined_and_tls_taken(clients: Clients) -> None:
    client = clients.stranger()
    client.send(GSSENC_REQUEST)
    assert client.read(1) == b"N"
    client.send(SSL_REQUEST)
    assert client.read(1) == b"S"


def test_packets_may_come_in_any_pieces(clients: Clients) -> None:
    client = clients.stranger()
    client.send(GSSENC_REQUEST[:3])
    client.send(GSSENC_REQUEST[3:])
    assert client.read(1) == b"N"
    login = {"user": client.endpoint.user, "database": client.endpoint.database}
    for byte in startup(login) + query("SELECT 1"):
        client.send(bytes((byte,)))
    assert client.reply().status == "I"
    assert client.reply().value == "1"


def test_query_with_the_startup_packet(clients: Clients) -> None:
    """A client may send requests before the login is complete."""
    client = clients.stranger()
    login = {"user": client.endpoint.user, "database": client.endpoint.database}
    client.send(startup(login) + query("SELECT 1") + query("SELECT 2"))
    assert client.reply().status == "I"
    assert [client.reply().value for _ in range(2)] == ["1", "2"]


def negotiate(client: WireClient, version: int, **options: str) -> Reply:
    login = {"user": client.endpoint.user, "database": client.endpoint.database}
    client.send(startup(login | options, version))
    return client.reply()


@pytest.mark.parametrize(
    ("version", "options"),
    [
        (NEWEST, {}),
        (196608, {"_pq_.one": "1", "_pq_.two": ""}),
        (NEWEST, {"_pq_.one": "1"}),
    ],
)
def test_newer_protocol_is_negotiated(
    clients: Clients,
    postgres_16: Postgres,
    version: int,
    options: dict[str, str],
) -> None:
    """NegotiateProtocolVersion has the bytes that PostgreSQL 16 sends."""
    with WireClient(postgres_16.endpoint("postgres")) as direct:
        expected = negotiate(direct, version, **options).messages
    client = clients.stranger()
    reply = negotiate(client, version, **options)
    (offer,) = [message for message in expected if message.kind == ord("v")]
    assert [m for m in reply.messages if m.kind == ord("v")] == [offer]
    assert reply.status == "I"
    assert client.query("SELECT 1").value == "1"


def test_newest_libpq(clients: Clients) -> None:
    """libpq requests its newest protocol version, and accepts 3.0."""
    if psycopg.pq.version() < 180000:
        pytest.skip("this libpq cannot ask for a newer protocol")
    dsn = f"{clients.proxy.endpoint().dsn} max_protocol_version=latest"
    with closing(psycopg.connect(dsn)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("version", [1 << 16, 2 << 16, 4 << 16, (2 << 16) + 1])
def test_other_protocol_is_refused(clients: Clients, version: int) -> None:
    packet = startup({"user": "postgres", "database": "postgres"}, version)
    assert refusal(clients.stranger(), packet) == (
        "FATAL",
        "0A000",
        f"{PREFIX}supports only version 3.0 of the PostgreSQL messaging protocol.",
    )


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("options", "-c jit=off", "currently doesn't support command-line options."),
        (
            "replication",
            "database",
            "currently doesn't support streaming replication mode.",
        ),
        (
            "statement_timeout",
            "1000",
            "currently doesn't support the option statement_timeout.",
        ),
        ("jit", "off", "currently doesn't support the option jit."),
        ("żółw", "1", "currently doesn't support the option żółw."),
    ],
)
def test_other_parameter_is_refused(
    clients: Clients, name: str, value: str, text: str
) -> None:
    login = {"user": "postgres", "database": "postgres", name: value}
    assert refusal(clients.stranger(), startup(login)) == (
        "FATAL",
        "0A000",
        f"{PREFIX}{text}",
    )


@pytest.mark.parametrize("login", [{}, {"database": "postgres"}, {"user": ""}])
def test_missing_user(clients: Clients, login: dict[str, str]) -> None:
    assert refusal(clients.stranger(), startup(login)) == (
        "FATAL",
        "28000",
        "A user name is missing from the connection startup packet."
        " Provide a user name for this connection.",
    )


@pytest.fixture
def role(direct: psycopg.Connection[Any], database: str) -> Iterator[str]:
    """A role with the database's name."""
    direct.execute(f"CREATE ROLE {database} LOGIN")
    yield database
    direct.execute(f"DROP ROLE {database}")


@pytest.mark.parametrize("given", [{}, {"database": ""}])
def test_missing_database_means_the_user_s(
    clients: Clients, role: str, given: dict[str, str]
) -> None:
    client = clients.stranger()
    client.send(startup({"user": role} | given))
    assert client.reply().status == "I"
    row = client.query("SELECT current_user, current_database()").rows
    assert row == [(role, role)]


def test_unknown_database(clients: Clients) -> None:
    login = {"user": "postgres", "database": "nowhere"}
    for _ in range(2):
        assert refusal(clients.stranger(), startup(login)) == (
            "FATAL",
            "3D000",
            'Request returned an error: database "nowhere" does not exist',
        )


NO_CREDENTIALS: Final = (
    "FATAL",
    "28P01",
    "This RDS proxy has no credentials for the role ada. Check the credentials for"
    " this role and try again.",
)


def test_unknown_role(clients: Clients) -> None:
    login = {"user": "ada", "database": "postgres"}
    assert refusal(clients.stranger(), startup(login)) == NO_CREDENTIALS


def test_only_the_target_s_own_role(
    postgres: Postgres, database: str, proxy: Proxies, role: str
) -> None:
    """Unless any_role is set, other roles cannot log in without credentials."""
    proxy.postgres = replace(postgres, any_role=False)
    endpoint = proxy(1).endpoint()
    with WireClient.login(endpoint) as client:
        assert client.query("SELECT current_user").value == "postgres"
    with WireClient(endpoint) as client:
        severity, sqlstate, text = refusal(client, startup({"user": role}))
        assert (severity, sqlstate) == NO_CREDENTIALS[:2]
        assert text == NO_CREDENTIALS[2].replace("ada", role)


@pytest.mark.parametrize("name", ["worker-17", "", "a" * 63])
def test_another_application_name_waits_for_no_connection(
    serve: Serve, name: str
) -> None:
    """The cached parameters serve, apart from the name itself."""
    clients = serve(1)
    holder = clients(application_name="worker-16")
    holder.query("BEGIN")
    client = clients.stranger()
    reported = client.start(application_name=name).statuses
    assert reported["application_name"] == name
    holder.query("COMMIT")
    answer = client.query("SHOW application_name")
    assert (answer.value, answer.statuses) == (name, {})


@pytest.mark.parametrize("name", ["a" * 64, "z\u00fcrich"])
def test_an_application_name_as_the_server_has_it(serve: Serve, name: str) -> None:
    clients = serve(1)
    clients(application_name="first")
    with WireClient(clients.proxy.endpoint()) as client:
        reported = client.start(application_name=name).statuses["application_name"]
        assert reported != name
        answer = client.query("SHOW application_name")
        assert (answer.value, answer.statuses) == (reported, {})


SETTINGS: Final = (
    "SELECT current_setting('application_name'), current_setting('client_encoding'),"
    " current_setting('DateStyle'), current_setting('TimeZone'),"
    " current_setting('extra_float_digits'), current_setting('search_path')"
)
CHOSEN: Final = [
    {},
    {
        "application_name": 'it\'s \\ "one"',
        "client_encoding": "LATIN1",
        "DateStyle": "German, DMY",
        "TimeZone": "Asia/Tokyo",
        "extra_float_digits": "-2",
        "search_path": '"$user", other, public',
    },
    {"timezone": "America/Lima", "datestyle": "SQL, MDY", "Search_Path": "a, b"},
    {"application_name": "two", "client_encoding": "'utf8'"},
    {"application_name": ""},
]


@pytest.mark.parametrize("pool", [1, 2])
def test_parameters_of_clients_that_share(
    serve: Serve, postgres: Postgres, database: str, pool: int
) -> None:
    """Each client sees its own values on any connection, as without a proxy."""
    clients = serve(pool)
    pairs = []
    for chosen in CHOSEN:
        with WireClient.login(postgres.endpoint(database), **chosen) as direct:
            expected = direct.query(SETTINGS).rows
        with WireClient(postgres.endpoint(database)) as direct:
            statuses = direct.start(**chosen).statuses
        client = clients.stranger()
        assert client.start(**chosen).statuses == statuses
        pairs.append((client, expected))
    rivals = clients.rivals() if pool == 2 else None
    for _ in range(2):
        for client, expected in [*pairs, *reversed(pairs)]:
            reply = client.query(SETTINGS)
            assert (reply.kinds, reply.rows) == ("TDCZ", expected)
            if rivals is not None:
                rivals.swap()


@pytest.mark.parametrize(
    ("name", "value", "sqlstate"),
    [
        ("TimeZone", "Nowhere/Land", "22023"),
        ("client_encoding", "KLINGON", "22023"),
        ("extra_float_digits", "99", "22023"),
    ],
)
def test_impossible_parameter(
    clients: Clients,
    postgres: Postgres,
    database: str,
    name: str,
    value: str,
    sqlstate: str,
) -> None:
    """The client receives the server's own error; other clients are not affected."""
    login = {"user": "postgres", "database": database, name: value}
    with WireClient(postgres.endpoint(database)) as direct:
        expected = refusal(direct, startup(login))
    assert expected[:2] == ("FATAL", sqlstate)
    bystander = clients(TimeZone="Asia/Tokyo")
    for _ in range(3):
        assert refusal(clients.stranger(), startup(login)) == expected
        assert bystander.query("SHOW TimeZone").value == "Asia/Tokyo"


def test_cancel_request_is_closed(clients: Clients) -> None:
    """As on RDS Proxy, a CancelRequest is read and logged, and cancels nothing."""
    client = clients.stranger()
    client.send(cancel_request(1234, b"5678"))
    assert client.rest().messages == []
    proxy = clients.proxy
    (event,) = eventually(lambda: proxy.happened(CancelRequested))
    assert isinstance(event, CancelRequested)
    assert not event.forwarded


def test_too_many_clients(serve: Serve) -> None:
    clients = serve(1, max_client_connections=2)
    first, _second = clients(), clients()
    packet = startup({"user": "postgres", "database": "postgres"})
    assert refusal(clients.stranger(), packet) == (
        "FATAL",
        "53300",
        "The maximum number of client connections to the proxy exceeded 2.",
    )
    first.leave()
    eventually(lambda: clients.proxy.clients == 1)
    assert clients().query("SELECT 1").value == "1"


def test_silent_connections_take_no_client_s_place(serve: Serve) -> None:
    clients = serve(1, max_client_connections=2)
    for _ in range(5):
        clients.stranger()
    eventually(lambda: clients.proxy.clients == 5)
    first, second = clients(), clients()
    packet = startup({"user": "postgres", "database": "postgres"})
    severity, sqlstate, _ = refusal(clients.stranger(), packet)
    assert (severity, sqlstate) == ("FATAL", "53300")
    assert first.query("SELECT 1").value == second.query("SELECT 1").value == "1"


def test_a_client_that_has_not_proven_itself_takes_a_place(serve: Serve) -> None:
    clients = serve(
        1,
        max_client_connections=1,
        auth=[{"username": "postgres", "password": "secret"}],
    )
    packet = startup({"user": "postgres", "database": "postgres"})
    asked = clients.stranger()
    asked.send(packet)
    assert asked.receive().kind == messages.AUTHENTICATION
    severity, sqlstate, _ = refusal(clients.stranger(), packet)
    assert (severity, sqlstate) == ("FATAL", "53300")


def test_too_many_silent_connections(serve: Serve) -> None:
    """The one that has been silent for longest gives way to the newest."""
    clients = serve(1, max_client_connections=1)
    client = clients()
    silent = [clients.stranger() for _ in range(MAX_WITHOUT_STARTUP)]
    eventually(lambda: clients.proxy.clients == 1 + MAX_WITHOUT_STARTUP)
    silent[0].send(GSSENC_REQUEST)
    assert silent[0].read(1) == b"N"
    last = clients.stranger()
    (error,) = silent[0].rest().errors
    assert error == (
        "FATAL",
        "53300",
        "The maximum number of client connections to the proxy exceeded 1.",
    )
    packet = startup({"user": "postgres", "database": "postgres"})
    assert refusal(last, packet) == error
    client.leave()
    eventually(lambda: clients.proxy.clients == MAX_WITHOUT_STARTUP - 1)
    assert silent[1].start(user="postgres").status == "I"


def test_client_that_never_logs_in(serve: Serve) -> None:
    clients = serve(1, authentication_timeout=0.1)
    client = clients.stranger()
    client.send(GSSENC_REQUEST)
    assert client.read(1) == b"N"
    (error,) = client.rest().errors
    assert error == (
        "FATAL",
        "57014",
        "canceling authentication due to timeout",
    )

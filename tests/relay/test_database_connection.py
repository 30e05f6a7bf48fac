"""A database connection's login, the proxy's queries on it, and its end."""

from hashlib import md5

import pytest

from pinwatch import events
from pinwatch.errors import ClientError
from pinwatch.relay.database_connection import DatabaseConnection, Phase
from pinwatch.relay.statements import Registry
from pinwatch.wire import messages
from pinwatch.wire.messages import authentication, error_response, message
from tests.stage import AUTHENTICATED, READY, Server, Stage, complete, row


def connect(stage: Stage, password: str | None = None) -> Server:
    """A server that has received a StartupMessage and has not replied."""
    connection = DatabaseConnection(
        9, (b"app", b"shop"), password, Registry(b"p_"), 100, stage
    )
    stage.pool.opening[connection.key] += 1
    return Server(connection)


def test_login_begins_with_user_and_database_alone() -> None:
    server = connect(Stage())
    assert server.read() == messages.startup({b"user": b"app", b"database": b"shop"})


def test_login_by_trust() -> None:
    server = connect(Stage())
    server.greet({b"TimeZone": b"UTC"})
    assert server.connection.phase is Phase.READY
    assert server.connection.stream.reported_parameters.values == {b"TimeZone": b"UTC"}
    assert server.connection.backend_key == (7, b"key!")


def test_login_by_md5_in_chunks() -> None:
    server = connect(Stage(), password="secret")
    server.read()
    asked = authentication(messages.AUTHENTICATION_MD5_PASSWORD, b"salt")
    for at in range(len(asked)):
        server.send(asked[at : at + 1])
    inner = md5(b"secretapp").hexdigest().encode()
    digest = b"md5" + md5(inner + b"salt").hexdigest().encode()
    assert server.read() == messages.password(digest)
    server.send(AUTHENTICATED, READY)
    assert server.connection.phase is Phase.READY


def test_refused_login_fails_with_the_server_s_words() -> None:
    stage = Stage()
    server = connect(stage)
    server.send(error_response("FATAL", "3D000", 'database "shop" does not exist'))
    (failure,) = stage.failures
    assert (failure.sqlstate, failure.text) == (
        "3D000",
        'database "shop" does not exist',
    )
    assert server.wire.closed


def test_login_fails_without_the_requested_password() -> None:
    stage = Stage()
    server = connect(stage)
    server.send(authentication(messages.AUTHENTICATION_MD5_PASSWORD, b"salt"))
    (failure,) = stage.failures
    assert failure.sqlstate == "28000"
    assert "password" in failure.text


def test_server_lost_during_the_login() -> None:
    stage = Stage()
    connect(stage).vanish()
    (failure,) = stage.failures
    assert failure.sqlstate == "08006"


def test_notice_during_the_login_is_ignored() -> None:
    server = connect(Stage())
    server.send(message(messages.NOTICE_RESPONSE, b"SNOTICE\0Mhello\0\0"))
    server.greet()
    assert server.connection.phase is Phase.READY


@pytest.mark.parametrize("before_login", [True, False])
def test_protocol_violation_of_the_server_closes_the_connection(
    before_login: bool,
) -> None:
    stage = Stage()
    server = connect(stage)
    if not before_login:
        server.greet()
    server.send(b"R\0\0\0\3")
    assert server.wire.closed


def test_query_of_the_proxy_receives_its_last_row() -> None:
    server = connect(Stage())
    server.greet()
    answers: list[tuple[list[bytes | None], ClientError | None]] = []
    server.connection.ask(b"SHOW max_connections", lambda *one: answers.append(one))
    server.send(row(b"100"), complete(b"SHOW"), READY)
    assert answers == [([b"100"], None)]


def test_query_of_the_proxy_receives_its_error() -> None:
    server = connect(Stage())
    server.greet()
    errors: list[ClientError | None] = []
    server.connection.ask(b"SHOW nothing", lambda _row, error: errors.append(error))
    server.send(error_response("ERROR", "42704", "unrecognized parameter"), READY)
    (error,) = errors
    assert error is not None
    assert error.sqlstate == "42704"


def test_reason_of_a_close_is_the_server_s() -> None:
    stage = Stage()
    server = connect(stage)
    server.greet()
    server.send(error_response("FATAL", "57P01", "terminating connection"))
    server.vanish()
    assert stage.events[-1] == events.DatabaseClosed(
        9, "The database ended it: terminating connection"
    )


def test_close_sends_terminate_and_reports_its_reason_once() -> None:
    stage = Stage()
    server = connect(stage)
    server.greet()
    server.read()
    server.connection.close("No longer needed.")
    server.connection.close("Again.")
    assert server.read() == messages.TERMINATE_MESSAGE
    server.send(READY)
    server.vanish()
    assert stage.events[-1] == events.DatabaseClosed(9, "No longer needed.")

"""The proxy's login, to real PostgreSQL servers and to servers that lie."""

import socket
import ssl
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from pinwatch.auth.database import LoginRefused, login
from pinwatch.tls import certificates as tls
from pinwatch.wire import messages
from pinwatch.wire.messages import INT32, SSL_REQUEST_CODE

from .passwords import PASSWORDS
from .servers import SOCKET, embedded, postgresql, with_tls
from .wires import Refused, log_in

HBA = """
local all postgres trust
local all trusted trust
local all clear_plain,clear_mapped,clear_control,clear_unassigned password
local all /^md5_ md5
local all all scram-sha-256
"""


def create_roles(folder: Path, port: int = 5432) -> None:
    """Roles named after password and method."""
    with psycopg.connect(
        host=str(folder), port=port, user="postgres", autocommit=True
    ) as database:
        database.execute("CREATE ROLE trusted LOGIN")
        for prefix in ("", "clear_", "md5_"):
            encryption = "md5" if prefix == "md5_" else "scram-sha-256"
            database.execute(f"SET password_encryption = '{encryption}'".encode())
            for name, password in PASSWORDS.items():
                create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                database.execute(create.format(sql.Identifier(prefix + name), password))


def mechanism(answer: bytes) -> bytes:
    """The mechanism that a SASLInitialResponse names."""
    return answer[5:].partition(b"\0")[0]


@pytest.fixture(scope="module", params=[16, 18])
def wire_path(request: pytest.FixtureRequest) -> Iterator[str]:
    """The Unix socket of a PostgreSQL that asks each role in its own way."""
    with postgresql(embedded(request.param), HBA, "listen_addresses = ''") as folder:
        create_roles(folder)
        yield str(folder / SOCKET)


@pytest.fixture
def wire(wire_path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(10)
        wire.connect(wire_path)
        yield wire


def test_trust(wire: socket.socket) -> None:
    assert log_in(wire, "trusted", login("trusted", None)) == [b""]


@pytest.mark.parametrize("name", PASSWORDS)
def test_scram(wire: socket.socket, name: str) -> None:
    answers = log_in(wire, name, login(name, PASSWORDS[name]))
    assert mechanism(answers[1]) == b"SCRAM-SHA-256"


@pytest.mark.parametrize("name", PASSWORDS)
def test_md5(wire: socket.socket, name: str) -> None:
    role = f"md5_{name}"
    _, answer = log_in(wire, role, login(role, PASSWORDS[name]))
    assert answer[5:8] == b"md5"


@pytest.mark.parametrize("name", ["plain", "mapped", "control", "unassigned"])
def test_cleartext_where_it_is_hidden(wire: socket.socket, name: str) -> None:
    role, password = f"clear_{name}", PASSWORDS[name]
    answers = log_in(wire, role, login(role, password, encrypted=True))
    assert answers == [b"", messages.password(password.encode())]


@pytest.mark.parametrize("role", ["plain", "md5_plain"])
def test_a_wrong_password_is_the_servers_to_refuse(
    wire: socket.socket, role: str
) -> None:
    with pytest.raises(Refused) as refused:
        log_in(wire, role, login(role, "wrong"))
    assert refused.value.sqlstate == "28P01"


@pytest.mark.parametrize(
    ("role", "password", "text"),
    [
        ("clear_plain", "s3cret", "in cleartext and the connection has no TLS"),
        ("clear_plain", None, 'password of the role "clear_plain"'),
        ("md5_plain", None, 'password of the role "md5_plain"'),
        ("plain", None, 'password of the role "plain"'),
    ],
)
def test_what_a_server_may_not_ask(
    wire: socket.socket, role: str, password: str | None, text: str
) -> None:
    with pytest.raises(LoginRefused, match=text):
        log_in(wire, role, login(role, password))


def test_binding_where_the_server_has_no_tls(wire: socket.socket) -> None:
    conversation = login("plain", PASSWORDS["plain"], channel_binding=bytes(32))
    answers = log_in(wire, "plain", conversation)
    assert mechanism(answers[1]) == b"SCRAM-SHA-256"
    assert b"y,,n=" in answers[1]


class Encrypted(NamedTuple):
    wire: ssl.SSLSocket
    binding: bytes


@pytest.fixture(scope="module")
def tls_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    binaries = with_tls()
    if binaries is None:
        pytest.skip("no PostgreSQL on the PATH, and the embedded one has no TLS")
    pem = tls.generated(tmp_path_factory.mktemp("certificates"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with postgresql(
        binaries,
        "local all postgres trust\n"
        "hostssl all clear_plain 127.0.0.1/32 password\n"
        "hostssl all all 127.0.0.1/32 scram-sha-256\n",
        f"port = {port}",
        "listen_addresses = '127.0.0.1'",
        "ssl = on",
        "ssl_key_file = 'server.crt'",
        files={"server.crt": pem},
    ) as folder:
        create_roles(folder, port)
        yield port


@pytest.fixture
def encrypted(tls_port: int) -> Iterator[Encrypted]:
    context = tls.client("require")
    assert context is not None
    with socket.create_connection(("127.0.0.1", tls_port), 10) as plain:
        plain.sendall(INT32.pack(8) + INT32.pack(SSL_REQUEST_CODE))
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain) as wire:
            certificate = wire.getpeercert(binary_form=True)
            assert certificate is not None
            binding = tls.channel_binding(certificate)
            assert binding is not None
            yield Encrypted(wire, binding)


def test_cleartext_under_tls(encrypted: Encrypted) -> None:
    conversation = login("clear_plain", PASSWORDS["plain"], encrypted=True)
    assert len(log_in(encrypted.wire, "clear_plain", conversation)) == 2


def test_scram_plus(encrypted: Encrypted) -> None:
    conversation = login("plain", PASSWORDS["plain"], channel_binding=encrypted.binding)
    answers = log_in(encrypted.wire, "plain", conversation)
    assert mechanism(answers[1]) == b"SCRAM-SHA-256-PLUS"


def test_scram_without_the_binding_it_could_have(encrypted: Encrypted) -> None:
    answers = log_in(encrypted.wire, "plain", login("plain", PASSWORDS["plain"]))
    assert mechanism(answers[1]) == b"SCRAM-SHA-256"
    assert b"n,,n=" in answers[1]


def test_another_certificate_than_the_servers(encrypted: Encrypted) -> None:
    conversation = login("plain", PASSWORDS["plain"], channel_binding=bytes(32))
    with pytest.raises(Refused, match="channel binding check failed"):
        log_in(encrypted.wire, "plain", conversation)


def test_a_server_finds_out_that_its_offer_was_cut(encrypted: Encrypted) -> None:
    conversation = login("plain", PASSWORDS["plain"], channel_binding=encrypted.binding)
    with pytest.raises(Refused, match="channel binding negotiation error"):
        log_in(
            encrypted.wire,
            "plain",
            conversation,
            hears=lambda body: body.replace(b"SCRAM-SHA-256-PLUS\0", b""),
        )


def body(method: int, data: bytes = b"") -> bytes:
    return INT32.pack(method) + data


SASL = body(messages.AUTHENTICATION_SASL, b"SCRAM-SHA-256\0\0")
CONTINUE = body(messages.AUTHENTICATION_SASL_CONTINUE)
SALT = b"s=c2FsdHNhbHRzYWx0c2FsdA=="


@pytest.mark.parametrize(
    ("bodies", "text"),
    [
        ([b""], "cut short"),
        ([body(7)], "not supported: GSSAPI"),
        ([body(99)], "not supported: 99"),
        ([body(messages.AUTHENTICATION_MD5_PASSWORD, b"salt"), SASL], "10 where 0"),
        ([body(messages.AUTHENTICATION_SASL, b"OTHER\0\0")], "mechanism.*: OTHER"),
        ([body(messages.AUTHENTICATION_SASL)], "no SASL mechanism"),
        ([SASL, body(messages.AUTHENTICATION_OK)], "0 where 11"),
        ([SASL, b"\0"], "cut short"),
        ([SASL, CONTINUE], "SCRAM message is wrong"),
        ([SASL, CONTINUE + b"\xff"], "SCRAM message is wrong"),
        ([SASL, CONTINUE + b"e=other-error"], "returned an error"),
        ([SASL, CONTINUE + b"r=mine," + SALT + b",i=4096"], "nonce doesn't match"),
        ([SASL, CONTINUE + b"r=%r," + SALT + b",i=4096"], "longer than the client"),
        ([SASL, CONTINUE + b"r=%rx,s=c2FsdA==,i=4096"], "at least 12 bytes"),
        ([SASL, CONTINUE + b"r=%rx," + SALT + b",i=4095"], "must not be < 4096"),
        ([SASL, CONTINUE + b"r=%rx," + SALT + b",i=99999999"], "must not be >"),
        (
            [
                SASL,
                CONTINUE + b"r=%rx," + SALT + b",i=4096",
                body(messages.AUTHENTICATION_SASL_FINAL, b"v=" + b"A" * 43 + b"="),
            ],
            "server signature doesn't match",
        ),
        (
            [
                SASL,
                CONTINUE + b"r=%rx," + SALT + b",i=4096",
                body(messages.AUTHENTICATION_OK),
            ],
            "0 where 12",
        ),
    ],
)
def test_a_server_that_lies(bodies: list[bytes], text: str) -> None:
    conversation = login("role", "password")
    assert next(conversation) == b""
    *honest, lie = bodies
    nonce = b""
    for each in honest:
        answer = conversation.send(each.replace(b"%r", nonce))
        nonce = answer.partition(b"r=")[2] or nonce
    with pytest.raises(LoginRefused, match=text):
        conversation.send(lie.replace(b"%r", nonce))


@given(
    st.lists(
        st.builds(
            body,
            st.sampled_from([0, 3, 5, 10, 11, 12, 99]),
            st.one_of(st.binary(max_size=40), st.just(b"SCRAM-SHA-256\0\0")),
        ),
        max_size=4,
    )
)
def test_any_messages_are_answered_or_refused(bodies: list[bytes]) -> None:
    conversation = login("role", "password", encrypted=True)
    next(conversation)
    with suppress(LoginRefused, StopIteration):
        for each in bodies:
            conversation.send(each)


SERVER_FIRST = st.sampled_from(
    [b"r=%r", b"r=%rx", b"r=", SALT, b"s=", b"i=4096", b"i=-1", b"i=x", b"m=ext", b"e="]
)
SERVER_FINAL = st.sampled_from([b"v=" + b"A" * 43 + b"=", b"v=", b"e=no", b""])


@settings(deadline=None)
@given(
    st.lists(SERVER_FIRST | st.binary(max_size=8), max_size=5),
    SERVER_FINAL | st.binary(max_size=50),
)
@example([b"r=%rx", SALT, b"i=4096"], b"v=")
def test_a_server_that_does_not_know_the_password_is_refused(
    fields: list[bytes], final: bytes
) -> None:
    conversation = login("role", "password")
    next(conversation)
    nonce = conversation.send(SASL).partition(b"r=")[2]
    first = b",".join(fields).replace(b"%r", nonce)
    last = body(messages.AUTHENTICATION_SASL_FINAL, final)
    with pytest.raises(LoginRefused):
        send_all(conversation, [CONTINUE + first, last])


def send_all(conversation: Generator[bytes, bytes, None], bodies: list[bytes]) -> None:
    for each in bodies:
        conversation.send(each)

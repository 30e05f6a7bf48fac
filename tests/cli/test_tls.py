"""pinwatch up before a target whose certificate it must verify."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
import trustme

from pinwatch.config.model import Address
from tests.cli.command import pinwatch


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def target(ca: trustme.CA) -> Iterator[Address]:
    """A server that only presents a certificate for another name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("db.example").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=_show, args=(listening, context), daemon=True).start()
        yield Address(*listening.getsockname())


def _show(listening: socket.socket, context: ssl.SSLContext) -> None:
    with listening.accept()[0] as client:
        client.recv(8)
        client.sendall(b"S")
        with suppress(OSError):
            context.wrap_socket(client, server_side=True).close()


@pytest.mark.parametrize(
    ("is_trusted", "why"),
    [
        (False, "unable to get local issuer certificate"),
        (True, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_why_a_targets_certificate_is_refused(
    is_trusted: bool, why: str, ca: trustme.CA, target: Address, tmp_path: Path
) -> None:
    root = tmp_path / "root.pem"
    (ca if is_trusted else trustme.CA()).cert_pem.write_to_path(root)
    where = f"sslmode=verify-full&sslrootcert={quote(str(root))}"
    ended = pinwatch("up", "--target", f"postgresql://ann@{target}/app?{where}")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"pinwatch: The target {target} cannot be used: TLS failed: {why}.\n"
    )

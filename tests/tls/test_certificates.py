"""TLS contexts, tested by handshakes in memory, and generated certificates."""

import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha384
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from pinwatch.errors import SettingError
from pinwatch.tls import certificates as tls

NOW = datetime.now(UTC)


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext | None, name: str = "localhost"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Return both ends of a connection after the handshake."""
    assert client is not None
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    busy = [here, there]
    while busy:
        for end in list(busy):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            busy.remove(end)
    return there, here


class TestGenerated:
    NAMES = ("Proxy.Example.com", "10.1.2.3", "bücher.example")

    @pytest.mark.parametrize("name", [*tls.LOCAL_NAMES, "proxy.example.com", *NAMES])
    def test_the_certificate_has_the_names(self, tmp_path: Path, name: str) -> None:
        server = tls.server(tls.generated(tmp_path, self.NAMES))
        client = tls.client("verify-full", tmp_path / "ca.pem")
        handshake(server.context, client, name)

    def test_a_name_that_is_missing_is_rejected(self, tmp_path: Path) -> None:
        server = tls.server(tls.generated(tmp_path))
        client = tls.client("verify-full", tmp_path / "ca.pem")
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(server.context, client, "example.com")

    def test_keys_are_private(self, tmp_path: Path) -> None:
        tls.generated(tmp_path / "state" / "tls")
        for path in (tmp_path / "state" / "tls").glob("*.pem"):
            private = b"PRIVATE KEY" in path.read_bytes()
            assert stat.S_IMODE(path.stat().st_mode) == (0o600 if private else 0o644)

    def test_the_certificate_is_reused(self, tmp_path: Path) -> None:
        pem = tls.generated(tmp_path, self.NAMES, NOW)
        made = pem.read_bytes()
        assert tls.generated(tmp_path, self.NAMES[:1], NOW) == pem
        tls.generated(tmp_path, self.NAMES, NOW + tls.LIFETIME - tls.RENEWAL * 1.1)
        assert pem.read_bytes() == made

    def test_the_certificate_is_renewed_near_its_end(self, tmp_path: Path) -> None:
        pem = tls.generated(tmp_path, now=NOW)
        ca = (tmp_path / "ca.pem").read_bytes()
        made = pem.read_bytes()
        tls.generated(tmp_path, now=NOW + tls.LIFETIME - tls.RENEWAL * 0.9)
        assert pem.read_bytes() != made
        assert (tmp_path / "ca.pem").read_bytes() == ca

    def test_the_certificate_is_replaced_for_another_name(self, tmp_path: Path) -> None:
        made = tls.generated(tmp_path).read_bytes()
        assert tls.generated(tmp_path, self.NAMES).read_bytes() != made

    @pytest.mark.parametrize("file", ["server.pem", "ca-key.pem", "ca.pem"])
    @pytest.mark.parametrize("content", [None, b"", b"nonsense"])
    def test_a_file_that_is_lost_or_broken(
        self, tmp_path: Path, file: str, content: bytes | None
    ) -> None:
        tls.generated(tmp_path)
        if content is None:
            (tmp_path / file).unlink()
        else:
            (tmp_path / file).write_bytes(content)
        server = tls.server(tls.generated(tmp_path))
        handshake(server.context, tls.client("verify-full", tmp_path / "ca.pem"))

    def test_a_certificate_of_another_ca(self, tmp_path: Path) -> None:
        pem = tls.generated(tmp_path)
        other = trustme.CA(organization_name="pinwatch").issue_cert(*tls.LOCAL_NAMES)
        other.private_key_and_cert_chain_pem.write_to_path(pem)
        server = tls.server(tls.generated(tmp_path))
        handshake(server.context, tls.client("verify-full", tmp_path / "ca.pem"))

    @pytest.mark.parametrize("name", ["my_db", "a..b", ""])
    def test_a_name_that_no_certificate_can_have(
        self, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(SettingError, match="Cannot create a certificate"):
            tls.generated(tmp_path, [name])

    def test_a_folder_that_can_not_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(SettingError) as raised:
            tls.generated(tmp_path / "file")
        assert str(raised.value) == (
            f"Cannot create a certificate in {tmp_path}/file: File exists."
        )

    def test_processes_that_start_at_once(self, tmp_path: Path) -> None:
        program = (
            "import sys; from pathlib import Path;"
            "from pinwatch.tls import certificates as tls;"
            "print(tls.server(tls.generated(Path(sys.argv[1]))).channel_binding.hex())"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE
            )
            for _ in range(4)
        ]
        bindings = {process.communicate()[0] for process in processes}
        assert len(bindings) == 1
        assert len(bindings.pop().strip()) == 64


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, ca: trustme.CA) -> Path:
    """Files with a server's certificate, its key, its CA, and an unrelated CA."""
    folder = tmp_path_factory.mktemp("tls")
    issued = ca.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "server.crt")
    issued.private_key_pem.write_to_path(folder / "server.key")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    other = trustme.CA()
    other.cert_pem.write_to_path(folder / "other.pem")
    other.private_key_pem.write_to_path(folder / "other.key")
    another = other.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    another.private_key_pem.write_to_path(folder / "rsa.key")
    (folder / "encrypted.key").write_bytes(encrypted(issued.private_key_pem.bytes()))
    weak = rsa.generate_private_key(65_537, 1_024)
    (folder / "weak").write_bytes(self_signed(weak, SHA256(), Encoding.PEM))
    (folder / "binary").write_bytes(b"0\x82\xff\xfe")
    (folder / "broken").write_text(f"{ssl.PEM_HEADER}\nAAAA\n{ssl.PEM_FOOTER}\n")
    return folder


def self_signed(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey,
    algorithm: HashAlgorithm | None,
    encoding: Encoding = Encoding.DER,
) -> bytes:
    name = x509.Name([])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    return built.sign(key, algorithm).public_bytes(encoding)  # type: ignore[arg-type]


def encrypted(pem: bytes) -> bytes:
    key = load_pem_private_key(pem, password=None)
    with_password = BestAvailableEncryption(b"password")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, with_password)


@pytest.fixture(scope="module")
def server(folder: Path) -> tls.ServerTls:
    return tls.server(folder / "server.crt", folder / "server.key")


class TestServer:
    @pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
    def test_versions(self, server: tls.ServerTls, version: str) -> None:
        client = tls.client("require")
        assert client is not None
        client.maximum_version = ssl.TLSVersion[version]
        _, here = handshake(server.context, client)
        assert here.version() == version.replace("_", ".")
        assert here.session is None or not here.session.has_ticket

    def test_no_older_version(self, server: tls.ServerTls) -> None:
        assert server.context.minimum_version is ssl.TLSVersion.TLSv1_2
        client = tls.client("require")
        assert client is not None
        assert client.minimum_version is ssl.TLSVersion.TLSv1_2

    @pytest.mark.parametrize(
        ("offered", "selected"),
        [([], None), (["h2"], None), (["h2", "postgresql"], "postgresql")],
    )
    def test_alpn(
        self, server: tls.ServerTls, offered: list[str], selected: str | None
    ) -> None:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_mode = ssl.CERT_NONE
        if offered:
            client.set_alpn_protocols(offered)
        there, _ = handshake(server.context, client)
        assert there.selected_alpn_protocol() == selected

    def test_channel_binding_is_that_of_the_shown_certificate(
        self, server: tls.ServerTls
    ) -> None:
        _, here = handshake(server.context, tls.client("require"))
        certificate = here.getpeercert(binary_form=True)
        assert certificate is not None
        assert server.channel_binding == sha256(certificate).digest()

    @pytest.mark.parametrize(
        ("certificate", "key", "sentence"),
        [
            (
                "absent",
                "server.key",
                "Cannot read {folder}/absent: No such file or directory.",
            ),
            (
                "server.crt",
                "absent",
                "Cannot read {folder}/absent: No such file or directory.",
            ),
            (
                "server.key",
                "server.key",
                "{folder}/server.key is not a certificate in PEM.",
            ),
            ("binary", "server.key", "{folder}/binary is not a certificate in PEM."),
            (
                "weak",
                "server.key",
                "The certificate {folder}/weak can't be used: ee key too small.",
            ),
            ("broken", "server.key", "{folder}/broken is not a certificate in PEM."),
            ("server.crt", "ca.pem", "{folder}/ca.pem is not a private key in PEM."),
            ("server.crt", None, "{folder}/server.crt is not a private key in PEM."),
            (
                "server.crt",
                "other.key",
                "The key {folder}/other.key does not belong to the certificate "
                "{folder}/server.crt.",
            ),
            (
                "server.crt",
                "rsa.key",
                "The key {folder}/rsa.key does not belong to the certificate "
                "{folder}/server.crt.",
            ),
            (
                "server.crt",
                "encrypted.key",
                "The key {folder}/encrypted.key is encrypted, but must not be.",
            ),
        ],
    )
    def test_files_that_can_not_be_used(
        self, folder: Path, certificate: str, key: str | None, sentence: str
    ) -> None:
        with pytest.raises(SettingError) as raised:
            tls.server(folder / certificate, folder / key if key else None)
        assert str(raised.value) == sentence.format(folder=folder)


class TestClient:
    def test_disable(self) -> None:
        assert tls.client("disable") is None

    @pytest.mark.parametrize(
        ("sslmode", "sslrootcert", "name", "passes"),
        [
            ("prefer", None, "other.example", True),
            ("prefer", "other.pem", "other.example", True),
            ("require", None, "other.example", True),
            ("require", "ca.pem", "other.example", True),
            ("require", "other.pem", "localhost", False),
            ("verify-ca", None, "localhost", False),
            ("verify-ca", "ca.pem", "other.example", True),
            ("verify-ca", "other.pem", "localhost", False),
            ("verify-full", None, "localhost", False),
            ("verify-full", "ca.pem", "localhost", True),
            ("verify-full", "ca.pem", "other.example", False),
            ("verify-full", "other.pem", "localhost", False),
        ],
    )
    def test_verification_by_sslmode(
        self,
        server: tls.ServerTls,
        folder: Path,
        sslmode: str,
        sslrootcert: str | None,
        name: str,
        passes: bool,
    ) -> None:
        client = tls.client(sslmode, folder / sslrootcert if sslrootcert else None)
        if passes:
            handshake(server.context, client, name)
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                handshake(server.context, client, name)

    @pytest.mark.parametrize("sslrootcert", [None, "system"])
    @pytest.mark.parametrize("sslmode", ["verify-ca", "verify-full"])
    def test_the_systems_trust_store(
        self,
        monkeypatch: pytest.MonkeyPatch,
        server: tls.ServerTls,
        folder: Path,
        sslmode: str,
        sslrootcert: str | None,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        handshake(server.context, tls.client(sslmode, sslrootcert))

    def test_alpn_protocol_is_postgresql(self, server: tls.ServerTls) -> None:
        there, _ = handshake(server.context, tls.client("prefer"))
        assert there.selected_alpn_protocol() == "postgresql"

    @pytest.mark.parametrize(
        ("sslrootcert", "sentence"),
        [
            ("absent", "Cannot read {}: No such file or directory."),
            ("server.key", "{} is not a certificate in PEM."),
        ],
    )
    def test_a_root_that_can_not_be_used(
        self, folder: Path, sslrootcert: str, sentence: str
    ) -> None:
        with pytest.raises(SettingError) as raised:
            tls.client("verify-full", folder / sslrootcert)
        assert str(raised.value) == sentence.format(folder / sslrootcert)


class TestChannelBinding:
    """RFC 5929, section 4.1. test_database checks the same with a real server."""

    def test_the_hash_is_that_of_the_signature(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        der = self_signed(key, SHA256())
        assert tls.channel_binding(der) == sha256(der).digest()
        der = self_signed(key, SHA384())
        assert tls.channel_binding(der) == sha384(der).digest()

    def test_a_signature_without_a_hash(self) -> None:
        der = self_signed(ed25519.Ed25519PrivateKey.generate(), None)
        assert tls.channel_binding(der) is None

    @pytest.mark.parametrize("der", [b"", b"nonsense", b"\x30\x00"])
    def test_invalid_der_has_no_hash(self, der: bytes) -> None:
        assert tls.channel_binding(der) is None

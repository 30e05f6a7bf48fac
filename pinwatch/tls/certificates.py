"""TLS contexts for both sides of the proxy, and their certificates.

Owns contexts and certificate files. Knows no sockets; the session decides when a
handshake starts.
"""

import hashlib
import os
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Final, NamedTuple

from pinwatch.errors import SettingError

if TYPE_CHECKING:  # slow to import, and needed to make certificates only
    from trustme import CA

ALPN: Final = "postgresql"  # the protocol ID that IANA registered for PostgreSQL
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
LIFETIME: Final = timedelta(days=397)  # of a generated server certificate
RENEWAL: Final = timedelta(days=30)  # remaining lifetime at which it is replaced

NO_CERTIFICATE: Final = "is not a certificate in PEM."
KEY_MISMATCH_REASONS: Final = (
    "KEY_VALUES_MISMATCH",
    "KEY_TYPE_MISMATCH",
    "NO_CERTIFICATE_ASSIGNED",
)
"""OpenSSL's reasons for a key that does not belong to the certificate."""


class ServerTls(NamedTuple):
    """The server side of TLS towards clients.

    ``channel_binding`` is the tls-server-end-point hash of the certificate, or None if
    its signature has no hash of its own (Ed25519).
    """

    context: ssl.SSLContext
    channel_binding: bytes | None


def server(certificate: Path, key: Path | None = None) -> ServerTls:
    """Build the context for TLS 1.2 and 1.3 from a PEM certificate with its chain.

    Without ``key``, the certificate's file must have the key, too, as ``generated``
    writes it.
    A client with direct TLS must select ALPN; the caller checks the SSLObject's
    selected_alpn_protocol(). Raises SettingError.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    # As in PostgreSQL's be-secure-openssl.c: no resumption and no renegotiation.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    pem = _read(certificate)
    _load(context, certificate, key or certificate)
    first = pem[pem.index(ssl.PEM_HEADER) :]
    first = first[: first.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)]
    return ServerTls(context, channel_binding(ssl.PEM_cert_to_DER_cert(first)))


def client(
    sslmode: str, sslrootcert: Path | str | None = None
) -> ssl.SSLContext | None:
    """Build the context for connections to the database; None for ``disable``.

    sslmode is disable, prefer, require, verify-ca or verify-full.

    As in libpq, ``require`` verifies the CA if sslrootcert is given, and sslrootcert
    ``system`` means the system's trust store. If a certificate must be verified,
    sslrootcert None means that store, too. Raises SettingError.
    """
    if sslmode == "disable":
        return None
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = sslmode == "verify-full"
    if sslmode == "prefer" or (sslmode == "require" and sslrootcert is None):
        context.verify_mode = ssl.CERT_NONE
    elif sslrootcert is None or str(sslrootcert) == "system":
        context.load_default_certs()
    else:
        root = Path(sslrootcert)
        _read(root)
        if not _is_certificate(root, context):
            raise SettingError(f"{root} {NO_CERTIFICATE}")
    return context


def _read(file: Path) -> str:
    """Read a text, with undecodable bytes replaced; raises SettingError."""
    try:
        return file.read_text(errors="replace")
    except OSError as error:
        raise SettingError(f"Cannot read {file}: {error.strerror}.") from None


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load certificate and key; raises SettingError."""

    def password() -> bytes:
        raise SettingError(f"The key {key} is encrypted, but must not be.")

    _read(key)
    try:
        context.load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        raise SettingError(_unusable(certificate, key, error)) from None


def _unusable(certificate: Path, key: Path, error: ssl.SSLError) -> str:
    """Return the reason with the file, which OpenSSL does not name."""
    if error.reason in KEY_MISMATCH_REASONS:
        return f"The key {key} does not belong to the certificate {certificate}."
    if not _is_certificate(certificate, _context(ssl.PROTOCOL_TLS_CLIENT)):
        return f"{certificate} {NO_CERTIFICATE}"
    if error.reason:
        why = error.reason.replace("_", " ").lower()
        return f"The certificate {certificate} can't be used: {why}."
    return f"{key} is not a private key in PEM."


def _is_certificate(file: Path, context: ssl.SSLContext) -> bool:
    """Return True if the file is a certificate; the context then trusts it."""
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        return False
    return True


def channel_binding(der: bytes) -> bytes | None:
    """Return a certificate's tls-server-end-point hash (RFC 5929, section 4.1).

    Return None for a certificate without such a hash, as with Ed25519. PostgreSQL
    cannot bind to such a certificate either.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        algorithm = x509.load_der_x509_certificate(der).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:
        return None
    weak = algorithm.name in ("md5", "sha1")
    return hashlib.new("sha256" if weak else algorithm.name, der).digest()


def generated(
    folder: Path, names: Iterable[str] = (), now: datetime | None = None
) -> Path:
    """Return a file with a local server certificate and its key, creating it if needed.

    The certificate is for LOCAL_NAMES and ``names`` (DNS names or addresses). It is
    renewed before it expires or if a name is missing. Clients verify it with ``ca.pem``
    in the same folder. Files with a private key have mode 0600. Several processes may
    call this at once. Raises SettingError.
    """
    from filelock import FileLock

    now = now or datetime.now(UTC)
    certificate = folder / "server.pem"
    try:
        wanted = {_identity(name) for name in (*LOCAL_NAMES, *names)}
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            authority = _authority(folder)
            if not _usable(certificate, authority, wanted, now + RENEWAL):
                issued = authority.issue_cert(
                    *sorted(wanted),
                    organization_name="pinwatch",
                    not_after=now + LIFETIME,
                )
                _write(certificate, issued.private_key_and_cert_chain_pem.bytes())
    except (OSError, ValueError) as error:
        raise SettingError(
            f"Cannot create a certificate in {folder}: {_why(error)}."
        ) from error
    return certificate


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _identity(name: str) -> str:
    """Return the name in the form that a certificate has."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name.encode("idna").decode().lower()


def _authority(folder: Path) -> "CA":
    """Return the folder's CA, creating it if needed; its certificate is in ca.pem."""
    from trustme import CA

    kept, public = folder / "ca-key.pem", folder / "ca.pem"
    try:
        pem = kept.read_bytes()
        authority = CA.from_pem(pem, pem)
    except (FileNotFoundError, ValueError):
        authority = CA(organization_name="pinwatch")
        _write(kept, authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    if not public.exists() or public.read_bytes() != authority.cert_pem.bytes():
        _write(public, authority.cert_pem.bytes(), mode=0o644)
    return authority


def _usable(
    certificate: Path, authority: "CA", wanted: set[str], until: datetime
) -> bool:
    """Return True if the CA issued it for all wanted names, valid beyond until."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
        found.verify_directly_issued_by(issuer)
    except (FileNotFoundError, ValueError, InvalidSignature):
        return False
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.not_valid_after_utc > until and wanted <= {str(n.value) for n in names}


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the file atomically, so that no reader sees a part of it."""
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:  # mode 0600
        file.write(content)
    os.chmod(file.name, mode)
    os.replace(file.name, path)


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN])
    return context

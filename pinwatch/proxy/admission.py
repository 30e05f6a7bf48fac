"""Admission of clients: TLS, credentials and tokens, made from the settings.

Owns the credentials of clients, and reads them again when they are stale. Does not know
the client's socket, nor the messages of a login.
"""

import functools
import logging
from collections.abc import Callable, Iterable

from pinwatch.auth.client import Conversation, TokenCheck, login
from pinwatch.auth.credentials import Credentials
from pinwatch.auth.iam import no_verifier, verifier
from pinwatch.auth.refusals import no_credentials
from pinwatch.auth.secrets import Secret, SecretsManager
from pinwatch.config.model import Settings
from pinwatch.config.target import Target
from pinwatch.sockets.threads import in_thread
from pinwatch.tls.certificates import LOCAL_NAMES, ServerTls, generated, server

log = logging.getLogger("pinwatch")


class Admission:
    """The TLS context, credentials and token check of one proxy."""

    def __init__(self, settings: Settings, target: Target) -> None:
        self.settings = settings
        self.target = target
        self.tls: ServerTls | None = None
        self._credentials = credentials(settings, target)
        self._verify_token: TokenCheck = no_verifier

    async def start(self) -> None:
        """Read certificates and secrets, in a thread; raises SettingError."""
        self.tls = await in_thread(functools.partial(server_tls, self.settings))
        await self.refresh()
        for sentence in self._credentials.problems:
            log.warning("%s: each of its logins will fail.", sentence)

    def listening(self, ports: Callable[[], Iterable[int]]) -> None:
        """Accept tokens for the ports of the endpoints only; raises SettingError."""
        self._verify_token = token_check(self.settings, ports)

    async def refresh(self, everything: bool = True) -> None:
        """Read the secrets again, in a thread: Secrets Manager may take seconds."""
        read = functools.partial(self._credentials.refresh, everything=everything)
        for sentence in await in_thread(read):
            log.warning("%s", sentence)

    def password(self, target: Target, user: str) -> str | None:
        """Return the password for a login to the target as user."""
        if user == target.user and target.password is not None:
            return target.password
        return self._credentials.cached(user).password

    @property
    def role(self) -> str | None:
        """A role that may log in, preferably the target's; None if there is none."""
        user = self.target.user
        if not self._credentials.cached(user).problem:
            return user
        return next(iter(self._credentials.usable), None)

    def stale(self) -> bool:
        """Return True if ``refresh`` is due before the next login."""
        return self._credentials.stale()

    def conversation(self, user: str, encrypted: bool) -> Conversation:
        """Return the authentication exchange for user; raises ClientError."""
        known = self.target.any_role or user == self.target.user
        if self._credentials.trusting and not known:
            raise no_credentials(user)
        binding = self.tls.channel_binding if self.tls and encrypted else None
        return login(
            self._credentials.cached(user),
            self._verify_token,
            tls=encrypted,
            channel_binding=binding,
        )


def credentials(settings: Settings, target: Target) -> Credentials:
    """Return the credentials of all roles; if there are none, all are trusted."""
    checked = settings.auth or settings.default_auth_scheme == "IAM_AUTH"
    secret = None
    if target.password is not None and checked:
        secret = Secret(target.user, target.password)
    manager = settings.secrets_manager
    return Credentials(
        settings.auth,
        target=secret,
        default_auth_scheme=settings.default_auth_scheme,
        secrets_manager=SecretsManager(
            manager.endpoint_url,
            manager.region,
            manager.refresh_interval / settings.time_scale,
        ),
    )


def token_check(settings: Settings, ports: Callable[[], Iterable[int]]) -> TokenCheck:
    """Return the check of IAM tokens; raises SettingError."""
    wanted = settings.default_auth_scheme == "IAM_AUTH" or any(
        entry.iam_auth == "REQUIRED" for entry in settings.auth
    )
    if not wanted:
        return no_verifier
    hosts = (settings.listen.host, *LOCAL_NAMES, *settings.tls.names)
    return verifier(settings.iam, hosts, ports)


def server_tls(settings: Settings) -> ServerTls:
    """Return the TLS context for clients; raises SettingError."""
    shown = settings.tls
    certificate = shown.certificate or generated(
        settings.state_folder / "tls", shown.names
    )
    return server(certificate, shown.key)

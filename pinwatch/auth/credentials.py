"""The roles that may log in, and their methods.

Owns the credentials of all sources, and the stand-ins for unknown roles. Does not know
the messages of a login.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from secrets import token_bytes
from threading import Lock
from typing import TYPE_CHECKING, Final

from pinwatch.auth.keys import Keys, derived, unmatched
from pinwatch.auth.secrets import (
    Files,
    Given,
    ManagedSecret,
    Secret,
    SecretsManager,
    Source,
    Unreadable,
)

if TYPE_CHECKING:  # pydantic is slow to import, and not needed to read its models
    from pinwatch.config.auth import AuthEntry, DefaultAuthScheme

# The second is RDS Proxy's own sentence; the others follow its style.
UNKNOWN: Final = (
    'The database user "{}" was not found in any DB proxy authentication entry'
)
DUPLICATE: Final = (
    'The database user "{}" was found in multiple DB proxy authentication entries'
)
UNREADABLE: Final = (
    "Credentials couldn't be retrieved. The secret {} couldn't be read: {}"
)


class Method(Enum):
    """The method of a client's authentication; the values are those of the settings."""

    TRUST = "trust"
    SCRAM_SHA_256 = "POSTGRES_SCRAM_SHA_256"
    MD5 = "POSTGRES_MD5"
    IAM = "IAM_AUTH"


@dataclass(frozen=True, slots=True)
class Credential:
    """The credentials of a role.

    ``password`` is for the database, or None if the proxy has none. ``problem`` is the
    sentence for the log if the role must be refused in any case, or empty.
    """

    user: str
    method: Method
    keys: Keys = field(repr=False)
    password: str | None = field(default=None, repr=False)
    problem: str = ""


class Credentials:
    """The roles of all ``[[auth]]`` entries and of the target's URL.

    A login checks ``stale()``. If it is true, the login runs ``refresh()`` in a thread,
    because Secrets Manager may take seconds. Then it reads ``cached(user)``. ``stale``
    and ``cached`` never wait, and none of the three depends on the role, so that timing
    reveals no roles. One refresh serves all logins that wait for it. The start and
    SIGHUP call ``refresh(everything=True)``.

    An entry overrides the target's URL. Without entries, a password of the target, and
    IAM, every client is trusted.
    """

    def __init__(
        self,
        entries: "Sequence[AuthEntry]" = (),
        *,
        target: Secret | None = None,
        default_auth_scheme: "DefaultAuthScheme" = "NONE",
        secrets_manager: SecretsManager | None = None,
    ) -> None:
        iam = default_auth_scheme == "IAM_AUTH"
        manager = secrets_manager or SecretsManager()
        self._entries = [_Entry(_source(e, manager), _method(e)) for e in entries]
        self._target = None
        if target is not None:
            method = Method.IAM if iam else Method.SCRAM_SHA_256
            self._target = _Entry(Given(target), method)
            self._entries.append(self._target)
        methods = [entry.method for entry in self._entries]
        if iam:
            self._method = Method.IAM
        else:
            # Unknown roles get the most common method.
            self._method = max(methods, key=methods.count, default=Method.TRUST)
        self._unknown = "" if iam or self.trusting else UNKNOWN
        self._seed = token_bytes(32)
        self._lock = Lock()
        self._known: dict[str, Credential] = {}

    @property
    def trusting(self) -> bool:
        """True if clients are not checked."""
        return self._method is Method.TRUST

    @property
    def usable(self) -> list[str]:
        """The roles that may log in, if clients are checked."""
        return [role for role, known in self._known.items() if not known.problem]

    @property
    def problems(self) -> list[str]:
        """The log's sentences about known roles that may not log in."""
        return [known.problem for known in self._known.values() if known.problem]

    def stale(self) -> bool:
        """Return whether a login must refresh() first; it looks at local files only."""
        return any(entry.source.stale() for entry in self._entries)

    def cached(self, user: str) -> Credential:
        """Return the role's credential, or a stand-in for an unknown role."""
        unknown = self._unmatched(user, self._method, self._unknown)
        return self._known.get(user, unknown)

    def refresh(self, *, everything: bool = False) -> list[str]:
        """Read the stale sources, or all; may block for seconds.

        Returns the log's sentences about secrets that could not be read. Such a secret
        is not used, even if an earlier read succeeded.
        """
        unreadable = []
        with self._lock:
            for entry in self._entries:
                if everything or entry.source.stale():
                    entry.found = entry.source.read()
                    unreadable += [
                        UNREADABLE.format(found.name, found.reason)
                        for found in entry.found
                        if isinstance(found, Unreadable)
                    ]
            self._known = self._gathered()
        return unreadable

    def _gathered(self) -> dict[str, Credential]:
        """Return the credentials by role from the last read of each source."""
        by_role: dict[str, list[tuple[Secret, Method]]] = {}
        for entry in self._entries:
            for found in entry.found:
                if isinstance(found, Secret) and not (
                    entry is self._target and found.username in by_role
                ):
                    by_role.setdefault(found.username, []).append((found, entry.method))
        return {role: self._credential(role, found) for role, found in by_role.items()}

    def _credential(self, role: str, found: list[tuple[Secret, Method]]) -> Credential:
        """Return the role's credential; keys are derived only for a new password."""
        secret, method = found[0]
        if len(found) > 1:
            return self._unmatched(role, method, DUPLICATE)
        last = self._known.get(role)
        if last is not None and last.password == secret.password:
            return replace(last, method=method)
        return Credential(role, method, derived(role, secret.password), secret.password)

    def _unmatched(self, role: str, method: Method, problem: str) -> Credential:
        keys = unmatched(role, self._seed)
        return Credential(role, method, keys, problem=problem.format(role))


@dataclass(slots=True)
class _Entry:
    source: Source
    method: Method
    found: Sequence[Secret | Unreadable] = ()


def _source(entry: "AuthEntry", manager: SecretsManager) -> Source:
    if entry.username is not None and entry.password is not None:
        return Given(Secret(entry.username, entry.password.get_secret_value()))
    if entry.secret_file is not None:
        return Files(entry.secret_file)
    assert entry.secret_arn is not None  # an entry has one of the three
    return ManagedSecret(manager, entry.secret_arn)


def _method(entry: "AuthEntry") -> Method:
    if entry.iam_auth == "REQUIRED":
        return Method.IAM
    return Method(entry.client_password_auth_type)

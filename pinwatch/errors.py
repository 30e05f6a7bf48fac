"""What can go wrong, as one tree, and the errors that a client can see, as one table.

::

    PinwatchError
    ├── SettingError        a setting that cannot be used
    ├── ListenError         an address that cannot be listened on
    ├── TargetError         a target that cannot be reached, or that refuses the proxy
    ├── FailoverError       a failover that cannot be
    ├── FaultError          a fault on demand that cannot be
    ├── ReleaseError        a release of connections to a database that is unknown
    ├── ProtocolViolation   bytes from a client or the server that are not the protocol
    │   └── NotAStartupPacket   the first bytes of a client, which get no answer
    └── ClientError         a refusal that the client reads as an ErrorResponse
        └── BorrowTimeout   a borrow that waited for too long

``str()`` of the first three is one sentence for the person at the terminal.
"""

import errno
from typing import Final

ERROR: Final = "ERROR"
FATAL: Final = "FATAL"


class PinwatchError(Exception):
    """Base of all."""


class SettingError(PinwatchError):
    """Names the setting, its value and what is allowed."""


class ListenError(PinwatchError):
    """Names the address and why it cannot be listened on."""


def cannot_listen(where: str, error: OSError, why: str, option: str) -> ListenError:
    """why in a few words; option chooses another port."""
    taken = error.errno == errno.EADDRINUSE
    hint = f" Another pinwatch may be running; {option} chooses another port."
    return ListenError(f"Cannot listen on {where}: {why}.{hint if taken else ''}")


class TargetError(PinwatchError):
    """Names the target and what it, or the network, answered."""


class FailoverError(PinwatchError):
    """Says why there is no target to fail over to."""


class FaultError(PinwatchError):
    """Says why the fault cannot be put on, or removed."""


class ReleaseError(PinwatchError):
    """Names the unknown database, and those that are known."""


class ProtocolViolation(PinwatchError):
    """Bytes that are not the protocol; the text says what was wrong with them."""


class NotAStartupPacket(ProtocolViolation):
    """Bytes in place of a startup packet; PostgreSQL logs them and sends no answer."""


class ClientError(PinwatchError):
    """An ErrorResponse for one client.

    severity is ERROR (the client stays) or FATAL (it is closed); sqlstate has five
    characters, as in the manual's appendix "PostgreSQL Error Codes". log is what the
    proxy's own log says instead of text, where that is more.
    """

    log = ""

    def __init__(self, text: str, sqlstate: str, severity: str = FATAL) -> None:
        super().__init__(text)
        self.text = text
        self.sqlstate = sqlstate
        self.severity = severity


class BorrowTimeout(ClientError):
    """For a client that waited for a database connection until the borrow timeout."""


# The texts are Amazon RDS Proxy's own where its documentation or a user's log has
# them (docs/behaviour.md), PostgreSQL's otherwise.


def protocol_violation(what: str) -> ClientError:
    return ClientError(what, "08P01")


def borrow_timeout(severity: str = ERROR) -> BorrowTimeout:
    text = "Timed-out waiting to acquire database connection."
    return BorrowTimeout(text, "08000", severity)


def request_error(text: str, sqlstate: str, severity: str = ERROR) -> ClientError:
    """What the database answered when the proxy opened a connection to it."""
    return ClientError(f"Request returned an error: {text}", sqlstate, severity)


def connection_failure(text: str) -> ClientError:
    """The database connection that served this client is gone."""
    return ClientError(text, "08006")


def unreachable(text: str) -> ClientError:
    """The database could not be connected to."""
    return ClientError(text, "08001")


def no_reader() -> ClientError:
    """On an endpoint that is READ_ONLY."""
    return request_error("The target group has no reader.", "08000")


def idle_client_timeout() -> ClientError:
    text = "terminating connection due to idle-session timeout"
    return ClientError(text, "57P05")


def client_lifetime() -> ClientError:
    text = "terminating connection: it was open for 24 hours"
    return ClientError(text, "57P05")


def admin_shutdown() -> ClientError:
    text = "terminating connection due to administrator command"
    return ClientError(text, "57P01")


def authentication_timeout() -> ClientError:
    return ClientError("canceling authentication due to timeout", "57014")


def missing_user() -> ClientError:
    text = (
        "A user name is missing from the connection startup packet. "
        "Provide a user name for this connection."
    )
    return ClientError(text, "28000")


def unsupported(feature: str) -> ClientError:
    return ClientError(f"Feature not supported: RDS Proxy {feature}", "0A000")


def unsupported_protocol() -> ClientError:
    return unsupported(
        "supports only version 3.0 of the PostgreSQL messaging protocol."
    )


def unsupported_option(name: str) -> ClientError:
    return unsupported(f"currently doesn't support the option {name}.")


def invalid_parameter(name: str, value: bytes) -> ClientError:
    shown = value.decode("utf-8", "backslashreplace")
    return ClientError(f'invalid value for parameter "{name}": "{shown}"', "22023")


def unsupported_command_line_options() -> ClientError:
    return unsupported("currently doesn't support command-line options.")


def unsupported_replication() -> ClientError:
    return unsupported("currently doesn't support streaming replication mode.")


def too_many_clients(limit: int) -> ClientError:
    text = f"The maximum number of client connections to the proxy exceeded {limit}."
    return ClientError(text, "53300")

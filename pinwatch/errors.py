"""All exceptions as one tree, and the errors that clients receive as one table.

::

    PinwatchError
    ├── SettingError        a setting that cannot be used
    ├── ListenError         an address that cannot be listened on
    ├── TargetError         a target that cannot be reached, or that refuses the proxy
    ├── FailoverError       a failover that is not possible
    ├── FaultError          a fault that cannot be added or removed
    ├── ReleaseError        a release for a database that is unknown
    ├── ProtocolViolation   bytes that break PostgreSQL's protocol
    │   └── NotAStartupPacket   first bytes of a client that get no answer
    └── ClientError         an error that is sent to the client as an ErrorResponse
        └── BorrowTimeout   a wait for a database connection that timed out

From SettingError to ReleaseError, ``str()`` returns whole sentences for the terminal.
"""

import errno
import os
from typing import Final

ERROR: Final = "ERROR"
FATAL: Final = "FATAL"


class PinwatchError(Exception):
    """The base class of all exceptions of pinwatch."""


class SettingError(PinwatchError):
    """A setting cannot be used; the text has its name, value and limits."""


class ListenError(PinwatchError):
    """An address cannot be listened on; the text has the address and the reason."""


def cannot_listen(address: str, error: OSError, option: str) -> ListenError:
    """Return the error; ``option`` is the name of the setting that has the port."""
    taken = error.errno == errno.EADDRINUSE
    hint = f" Another pinwatch may be running; {option} chooses another port."
    text = f"Cannot listen on {address}: {reason(error)}.{hint if taken else ''}"
    return ListenError(text)


def reason(error: OSError) -> str:
    """Return the reason in a few words: the system's own text, if it has one."""
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")


class TargetError(PinwatchError):
    """A target cannot be used; the text has its name and the reason."""


class FailoverError(PinwatchError):
    """A failover is not possible; the text has the reason."""


class FaultError(PinwatchError):
    """A fault cannot be added or removed; the text has the reason."""


class ReleaseError(PinwatchError):
    """The database to release is unknown; the text lists the known ones."""


class ProtocolViolation(PinwatchError):
    """Received bytes break the protocol; the text has the reason."""


class NotAStartupPacket(ProtocolViolation):
    """The first bytes are no startup packet.

    PostgreSQL logs an error then, and sends no answer.
    """


class ClientError(PinwatchError):
    """An ErrorResponse for one client.

    ``severity`` is ERROR (the session goes on) or FATAL (it is closed). ``sqlstate``
    has five characters, as in the manual's appendix "PostgreSQL Error Codes". ``log``,
    if not empty, is logged in place of the text, and has more detail.
    """

    log = ""

    def __init__(self, text: str, sqlstate: str, severity: str = FATAL) -> None:
        super().__init__(text)
        self.text = text
        self.sqlstate = sqlstate
        self.severity = severity


class BorrowTimeout(ClientError):
    """A client waited for a database connection until the borrow timeout."""


# The texts are Amazon RDS Proxy's own if its documentation or a published log has them
# (docs/behaviour.md), and PostgreSQL's otherwise.


def protocol_violation(text: str) -> ClientError:
    return ClientError(text, "08P01")


def borrow_timeout(severity: str = ERROR) -> BorrowTimeout:
    text = "Timed-out waiting to acquire database connection."
    return BorrowTimeout(text, "08000", severity)


def request_error(text: str, sqlstate: str, severity: str = ERROR) -> ClientError:
    """Return the error for a connection attempt that the database refused."""
    return ClientError(f"Request returned an error: {text}", sqlstate, severity)


def connection_failure(text: str) -> ClientError:
    """Return the error for a session whose database connection was lost."""
    return ClientError(text, "08006")


def unreachable(text: str) -> ClientError:
    """Return the error for a database that cannot be reached."""
    return ClientError(text, "08001")


def planned_outage(seconds: float) -> ClientError:
    """Return the health check's error during a failover on demand."""
    return unreachable(f"A planned outage of {seconds:g} s is in progress.")


def no_reader() -> ClientError:
    """Return the error of a READ_ONLY endpoint without a reader."""
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

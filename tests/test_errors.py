"""The errors that a client can see, as RDS Proxy or PostgreSQL words them."""

import inspect
import re

import pytest

from pinwatch import errors
from pinwatch.auth.refusals import no_credentials
from pinwatch.errors import ClientError, PinwatchError

TABLE = [
    (errors.protocol_violation("what"), "FATAL", "08P01", "what"),
    (
        errors.borrow_timeout(),
        "ERROR",
        "08000",
        "Timed-out waiting to acquire database connection.",
    ),
    (
        errors.borrow_timeout(errors.FATAL),
        "FATAL",
        "08000",
        "Timed-out waiting to acquire database connection.",
    ),
    (
        errors.request_error("no such database", "3D000"),
        "ERROR",
        "3D000",
        "Request returned an error: no such database",
    ),
    (errors.connection_failure("gone"), "FATAL", "08006", "gone"),
    (
        errors.admin_shutdown(),
        "FATAL",
        "57P01",
        "terminating connection due to administrator command",
    ),
    (
        errors.authentication_timeout(),
        "FATAL",
        "57014",
        "canceling authentication due to timeout",
    ),
    (
        no_credentials("ada"),
        "FATAL",
        "28P01",
        "This RDS proxy has no credentials for the role ada. "
        "Check the credentials for this role and try again.",
    ),
    (errors.unreachable("Connection refused"), "FATAL", "08001", "Connection refused"),
    (
        errors.no_reader(),
        "ERROR",
        "08000",
        "Request returned an error: The target group has no reader.",
    ),
    (
        errors.idle_client_timeout(),
        "FATAL",
        "57P05",
        "terminating connection due to idle-session timeout",
    ),
    (
        errors.client_lifetime(),
        "FATAL",
        "57P05",
        "terminating connection: it was open for 24 hours",
    ),
    (
        errors.missing_user(),
        "FATAL",
        "28000",
        "A user name is missing from the connection startup packet. "
        "Provide a user name for this connection.",
    ),
    (
        errors.unsupported_protocol(),
        "FATAL",
        "0A000",
        "Feature not supported: RDS Proxy supports only version 3.0 of the "
        "PostgreSQL messaging protocol.",
    ),
    (
        errors.unsupported_option("work_mem"),
        "FATAL",
        "0A000",
        "Feature not supported: RDS Proxy currently doesn't support the option "
        "work_mem.",
    ),
    (
        errors.unsupported_command_line_options(),
        "FATAL",
        "0A000",
        "Feature not supported: RDS Proxy currently doesn't support command-line "
        "options.",
    ),
    (
        errors.unsupported_replication(),
        "FATAL",
        "0A000",
        "Feature not supported: RDS Proxy currently doesn't support streaming "
        "replication mode.",
    ),
    (
        errors.too_many_clients(3),
        "FATAL",
        "53300",
        "The maximum number of client connections to the proxy exceeded 3.",
    ),
]


@pytest.mark.parametrize(
    ("error", "severity", "sqlstate", "text"), TABLE, ids=[row[2] for row in TABLE]
)
def test_what_a_client_reads(
    error: ClientError, severity: str, sqlstate: str, text: str
) -> None:
    assert (error.severity, error.sqlstate, error.text) == (severity, sqlstate, text)
    assert str(error) == text
    assert error.log == ""


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"(\w+)  ", errors.__doc__ or "")
    real = [
        name
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, PinwatchError) and value is not PinwatchError
    ]
    assert sorted(drawn) == sorted(real)

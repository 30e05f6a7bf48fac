"""The rows of section 4.3 of the behaviour page that a login can meet."""

import pytest

from pinwatch.auth import refusals
from pinwatch.auth.refusals import AuthenticationFailed, Refusal
from pinwatch.errors import FATAL

WRONG_PASSWORD = (
    "Proxy authentication with PostgreSQL native password authentication failed for "
    'user "ann" with TLS on. Reason: Invalid credentials. If you provide an IAM '
    "token, make sure to either use the correct password or enable IAM "
    "authentication."
)


@pytest.mark.parametrize(
    ("refusal", "sqlstate", "text"),
    [
        (refusals.TLS_REQUIRED, "28000", "This RDS Proxy requires TLS connections"),
        (
            refusals.METHOD,
            "28000",
            "RDS Proxy supports only IAM, MD5, or SCRAM authentication.",
        ),
        (
            refusals.NO_CREDENTIALS,
            "28P01",
            "This RDS proxy has no credentials for the role ann. "
            "Check the credentials for this role and try again.",
        ),
        (
            refusals.WRONG_PASSWORD,
            "28P01",
            "The password that was provided for the role ann is wrong.",
        ),
        (
            refusals.IAM_WITHOUT_TLS,
            "28000",
            "IAM authentication is allowed only with SSL connections.",
        ),
        (
            refusals.IAM_FAILED,
            "28P01",
            "The IAM authentication failed for the role ann. "
            "Check the IAM token for this role and try again.",
        ),
    ],
)
def test_what_the_client_reads(refusal: Refusal, sqlstate: str, text: str) -> None:
    error = AuthenticationFailed(refusal, "ann", tls=True)
    assert (error.severity, error.sqlstate, error.text) == (FATAL, sqlstate, text)


def test_what_the_log_says() -> None:
    error = AuthenticationFailed(refusals.WRONG_PASSWORD, "ann", tls=True)
    assert error.log == WRONG_PASSWORD


@pytest.mark.parametrize(
    "refusal", [each for each in vars(refusals).values() if isinstance(each, Refusal)]
)
def test_a_roles_name_is_no_format(refusal: Refusal) -> None:
    error = AuthenticationFailed(refusal, "{x}{}", tls=False, reason="{0}")
    assert ("{}" in refusal.text) == ("{x}{}" in error.text)
    assert ("{reason}" in refusal.log) == ("{0}" in error.log)

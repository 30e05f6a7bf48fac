import pytest
from puresasl.client import SASLClient

from pinwatch.auth.scram import prepared


@pytest.mark.parametrize(
    ("password", "hashed"),
    [
        ("", ""),
        ("tab\t", "tab\t"),  # ASCII is left alone, control characters as well
        ("\N{LATIN SMALL LIGATURE FI}", "fi"),
        ("\N{SOFT HYPHEN}", "\N{SOFT HYPHEN}"),  # nothing would be left
        ("\N{KEY}", "\N{KEY}"),  # not assigned in Unicode 3.2
    ],
)
def test_a_password_is_prepared_as_by_postgresql(password: str, hashed: str) -> None:
    assert prepared(password) == hashed.encode()


def test_the_mechanisms_are_known_to_pure_sasl() -> None:
    sasl = SASLClient("", password="s3cret", channel_binding=bytes(32))
    sasl.choose_mechanism(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
    assert sasl.mechanism == "SCRAM-SHA-256-PLUS"
    assert sasl.process().startswith(b"p=tls-server-end-point,,n=*,r=")
    assert not sasl.complete

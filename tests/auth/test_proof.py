"""The example of RFC 7677, section 3; test_client has what is refused."""

from base64 import b64decode

import pytest

from pinwatch.auth import keys, proof, refusals

FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> proof.Proof:
    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    monkeypatch.setattr(keys, "token_bytes", lambda _: salt)
    monkeypatch.setattr("scramp.core.token_hex", lambda: NONCE)
    return proof.Proof("SCRAM-SHA-256", keys.derived("user", "pencil"), None)


def test_the_example(example: proof.Proof) -> None:
    assert example.first(FIRST) == (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert example.final(FINAL) == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_another_proof(example: proof.Proof) -> None:
    example.first(FIRST)
    with pytest.raises(proof.ProofRefused) as refused:
        example.final(FINAL.replace(b"p=dH", b"p=eH"))
    assert refused.value.refusal is refusals.WRONG_PASSWORD

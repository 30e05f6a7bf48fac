"""Tokens made by boto3 and by the AWS command line, and what is wrong with others."""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pinwatch.auth.iam import (
    Accepted,
    AccessKey,
    TokenVerifier,
    no_verifier,
    verifier,
    verify,
)
from pinwatch.auth.iam_token import TokenRefused
from pinwatch.config.auth import IamAccessKey, IamSettings
from pinwatch.errors import SettingError

NOW = datetime(2026, 5, 4, 12, 30, 15, tzinfo=UTC)
LASTING = AccessKey("AKIALASTING", "s/ecret+1")
TEMPORARY = AccessKey("ASIATEMPORARY", "s/ecret+2", "se/ssion+token==")
KEYS = {key.access_key_id: key for key in (LASTING, TEMPORARY)}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An AWS environment with nothing in it."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's clock stands at NOW."""
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None)
    )


def token(
    user: str = "ann",
    host: str = "localhost",
    port: int = 5432,
    region: str = "eu-west-1",
    key: AccessKey = LASTING,
) -> str:
    """As boto3 makes it."""
    made: str = rds(key).generate_db_auth_token(host, port, user, region)
    return made


@cache
def rds(key: AccessKey) -> Any:
    """A client of the RDS API with the key; it makes tokens without a connection."""
    return boto3.session.Session(
        key.access_key_id, key.secret_access_key, key.session_token, "us-east-2"
    ).client("rds")


def check(
    made: str, user: str = "ann", now: datetime = NOW, region: str = "eu-west-1"
) -> None:
    hosts = ("localhost", "127.0.0.1", "::1", "Proxy.Example.com")
    verify(made, user, Accepted(hosts, (5432,), region, KEYS), now)


def refused(made: str, now: datetime = NOW) -> str:
    with pytest.raises(TokenRefused) as raised:
        check(made, now=now)
    return str(raised.value)


@pytest.mark.usefixtures("at")
class TestBoto3:
    @pytest.mark.parametrize("key", [LASTING, TEMPORARY])
    def test_a_good_token(self, key: AccessKey) -> None:
        check(token(key=key))

    @pytest.mark.parametrize(
        "host",
        ["LOCALHOST", "127.0.0.1", "[::1]", "proxy.example.com", "PROXY.example.com"],
    )
    def test_each_name_of_the_endpoint(self, host: str) -> None:
        check(token(host=host))

    @pytest.mark.parametrize("user", ["a b", "a+b", "a&b=c", "é%", "ann@x/y"])
    def test_any_user(self, user: str) -> None:
        check(token(user=user), user=user)

    @pytest.mark.parametrize("seconds", [-300, 0, 900])
    def test_a_token_in_its_time(self, seconds: int) -> None:
        check(token(), now=NOW + timedelta(seconds=seconds))

    def test_the_order_of_its_fields_does_not_matter(self) -> None:
        start, query = token().split("?")
        check(f"{start}?{'&'.join(reversed(query.split('&')))}")

    @pytest.mark.parametrize(
        ("made", "reason"),
        [
            (
                {"user": "bob"},
                "The token is for the user bob, but the client logs in as ann: create "
                "the token for that user.",
            ),
            (
                {"host": "db.example.com"},
                "The token is for the host db.example.com, but must be for localhost, "
                "127.0.0.1, [::1] or Proxy.Example.com: create it for one of them, or "
                "add its host to iam.hosts.",
            ),
            (
                {"port": 5433},
                "The token is for the port 5433, but must be for 5432: create it for "
                "that port, or set iam.port to its port.",
            ),
            (
                {"region": "us-east-1"},
                "The token is for the region us-east-1, but must be for eu-west-1: "
                "create it for that region, or set iam.region to its region.",
            ),
            (
                {"key": AccessKey("AKIAOTHER", "x")},
                "The token's access key AKIAOTHER is not known to the proxy, which "
                "knows AKIALASTING, ASIATEMPORARY: add it to iam.access_keys, or to "
                "the AWS environment of pinwatch.",
            ),
            ({"key": AccessKey("AKIALASTING", "x")}, "signature is wrong"),
            (
                {"key": AccessKey("AKIALASTING", "s/ecret+1", "token")},
                "session token is not that of its access key",
            ),
            (
                {"key": AccessKey("ASIATEMPORARY", "s/ecret+2")},
                "session token is not that of its access key",
            ),
            (
                {"key": AccessKey("ASIATEMPORARY", "s/ecret+2", "é")},
                "session token is not that of its access key",
            ),
        ],
    )
    def test_a_token_for_something_else(
        self, made: dict[str, Any], reason: str
    ) -> None:
        assert reason in refused(token(**made))

    @pytest.mark.parametrize(
        ("seconds", "reason"),
        [
            (
                -301,
                "The token is from the future: it was signed 5 minutes after the "
                "proxy's time, 2026-05-04T12:25:14Z. Set the clocks of both machines.",
            ),
            (
                901,
                "The token expired 1 second ago. Create a token for each connection: "
                "none is valid for more than 15 minutes.",
            ),
        ],
    )
    def test_a_token_out_of_its_time(self, seconds: int, reason: str) -> None:
        assert reason in refused(token(), now=NOW + timedelta(seconds=seconds))

    def test_the_refusal_says_what_the_token_is_for(self) -> None:
        made = token(user="bob", host="db", port=1, region="us-east-1", key=TEMPORARY)
        assert refused(made).endswith(
            " The token says: host db, port 1, user bob, region us-east-1, access key "
            "ASIATEMPORARY, signed at 2026-05-04T12:30:15Z, valid until "
            "2026-05-04T12:45:15Z."
        )

    def test_the_refusal_has_no_secret(self) -> None:
        made = token(user="bob", key=TEMPORARY)
        signature = made.rpartition("=")[2]
        assert len(signature) == 64
        assert signature not in refused(made)
        assert "ssion" not in refused(made).replace("session token", "")

    def test_a_long_field_is_cut(self) -> None:
        assert len(refused(token(user="b" * 10_000))) < 1_000

    @pytest.mark.parametrize(
        ("pattern", "text", "reason"),
        [
            # Each of these is refused for what it says...
            (".*", "", "is empty"),
            (".*", "s3cret", "malformed"),
            (".*", "[", "malformed"),
            (".*", "localhost:5432/", "malformed"),
            (".*", "localhost:5432/?Action=connect", "malformed"),
            ("$", "#fragment", "malformed"),
            ("/[?]", "/x?", "malformed"),
            ("/[?]", "?", "malformed"),
            ("&X-Amz-Date=[^&]*", "", "malformed"),
            ("&X-Amz-Signature=[^&]*", "", "malformed"),
            ("&X-Amz-Signature=[^&]*", "&X-Amz-Signature=", "malformed"),
            ("$", "&DBUser=ann", "malformed"),
            ("$", "&Other=1", "malformed"),
            ("$", "&", "malformed"),
            ("HMAC-SHA256", "HMAC-SHA512", "malformed"),
            ("SignedHeaders=host", "SignedHeaders=host%3Bdate", "malformed"),
            ("Date=2026", "Date=26", "malformed"),
            ("Date=20260504T123015Z", "Date=now", "malformed"),
            ("Expires=900", "Expires=x", "malformed"),
            ("Expires=900", "Expires=-1", "malformed"),
            ("Expires=900", "Expires=%D9%A9", "malformed"),
            ("Expires=900", "Expires=9999999999", "malformed"),
            ("^localhost", "ann@localhost", "must be for localhost"),
            ("^localhost:5432", "localhost", "for the port \\(none\\)"),
            ("connect", "drop", "for the action drop"),
            ("rds-db", "rds", "credential scope is"),
            ("aws4_request", "aws3_request", "credential scope is"),
            ("%2F20260504", "%2F20260505", "credential scope is"),
            ("Credential=[^&]*", "Credential=AKIALASTING", "credential scope is"),
            # ...and these because they are not what was signed.
            ("T123015Z", "T123016Z", "signature is wrong"),
            ("Expires=900", "Expires=901", "signature is wrong"),
            ("Signature=.", "Signature=x", "signature is wrong"),
            ("Signature=.", "Signature=%C3%A9", "signature is wrong"),
            ("Signature=(.*).$", r"Signature=\1", "signature is wrong"),
        ],
    )
    def test_a_spoilt_token(self, pattern: str, text: str, reason: str) -> None:
        spoilt, count = re.subn(pattern, text, token(), count=1)
        assert count == 1
        with pytest.raises(TokenRefused, match=reason):
            check(spoilt)

    @pytest.mark.parametrize(
        ("expires", "seconds", "passes"),
        [
            (60, 60, True),
            (60, 61, False),
            (3600, 900, True),
            (3600, 901, False),
            (0, 0, True),
            (0, 1, False),
        ],
    )
    def test_a_life_of_its_own(self, expires: int, seconds: int, passes: bool) -> None:
        """It may be shorter than 15 minutes, not longer."""
        request = AWSRequest("GET", "https://localhost:5432/?Action=connect&DBUser=ann")
        credentials = Credentials(LASTING.access_key_id, LASTING.secret_access_key)
        SigV4QueryAuth(credentials, "rds-db", "eu-west-1", expires).add_auth(request)
        made = request.url.removeprefix("https://")
        if passes:
            check(made, now=NOW + timedelta(seconds=seconds))
        else:
            with pytest.raises(TokenRefused, match="expired"):
                check(made, now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "password", ["s3cret", "s3cret/?s3cret", "s3cret/?s3cret=s3cret", "s3cret#s3cret"]
)
def test_a_password_in_place_of_a_token_is_not_shown(password: str) -> None:
    assert "s3cret" not in refused(password)
    assert "aws rds generate-db-auth-token prints" in refused(password)


@given(st.one_of(st.text(), st.from_regex(r"\Alocalhost:5432/[?]([A-Za-z-]+=.*&?)+")))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(TokenRefused):
        check(text)


@pytest.mark.parametrize("key", [LASTING, TEMPORARY])
def test_the_aws_command_line(monkeypatch: pytest.MonkeyPatch, key: AccessKey) -> None:
    bin_folder = str(Path(sys.executable).parent)
    aws = shutil.which("aws", path=f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    if aws is None:
        pytest.skip("the AWS command line is not installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret_access_key)
    if key.session_token is not None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", key.session_token)
    arguments = "--hostname localhost --port 5432 --username ann --region eu-west-1"
    made = subprocess.run(
        [aws, "rds", "generate-db-auth-token", *arguments.split()],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    check(made, now=datetime.now(UTC))
    with pytest.raises(TokenRefused, match="expired"):
        check(made, now=datetime.now(UTC) + timedelta(minutes=15, seconds=1))


class TestVerifier:
    """An endpoint accepts tokens by its settings and by the AWS environment."""

    @pytest.mark.usefixtures("at")
    def test_it_verifies(self) -> None:
        accepted = Accepted(("localhost",), (6432, 5432), "eu-west-1", KEYS)
        endpoint = TokenVerifier(lambda: accepted, lambda: NOW)
        endpoint("ann", token())
        with pytest.raises(TokenRefused):
            endpoint("bob", token())

    def test_it_goes_by_the_clock(self) -> None:
        verifies = verifier(
            IamSettings(region="eu-west-1"), ["localhost"], lambda: [5432]
        )
        verifies.accepted().keys["AKIALASTING"] = LASTING  # type: ignore[index]
        verifies("ann", token())

    def test_the_settings(self) -> None:
        found = verifier(
            IamSettings(
                region="eu-west-1",
                hosts=("proxy.example.com",),
                port=15432,
                access_keys=(
                    IamAccessKey(
                        access_key_id="AKIALASTING",
                        secret_access_key=SecretStr("s/ecret+1"),
                    ),
                    IamAccessKey(
                        access_key_id="ASIATEMPORARY",
                        secret_access_key=SecretStr("s/ecret+2"),
                        session_token=SecretStr("se/ssion+token=="),
                    ),
                ),
            ),
            ["localhost"],
            lambda: [5432],
        ).accepted()
        assert found.hosts == ("localhost", "proxy.example.com")
        assert found.ports == (15432,)
        assert found.region == "eu-west-1"
        assert found.keys == KEYS

    def test_without_any(self) -> None:
        found = verifier(IamSettings(), ["localhost"], lambda: [5432]).accepted()
        assert (found.ports, found.region, found.keys) == ((5432,), "us-east-1", {})

    def test_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Profiles of the shared files, and variables before them."""
        (tmp_path / "config").write_text(
            "[default]\nregion = eu-west-3\n[profile sso]\nsso_region = eu-west-3\n"
        )
        (tmp_path / "credentials").write_text(
            "[default]\naws_access_key_id = AKIALASTING\n"
            "aws_secret_access_key = s/ecret+1\n"
            "[other]\naws_access_key_id = ASIATEMPORARY\n"
            "aws_secret_access_key = old\n"
        )
        found = verifier(IamSettings(), [], lambda: [5432]).accepted()
        assert found.region == "eu-west-3"
        old = AccessKey("ASIATEMPORARY", "old")
        assert found.keys == {"AKIALASTING": LASTING, "ASIATEMPORARY": old}

        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", TEMPORARY.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", TEMPORARY.secret_access_key)
        monkeypatch.setenv("AWS_SESSION_TOKEN", TEMPORARY.session_token or "")
        found = verifier(IamSettings(), [], lambda: [5432]).accepted()
        assert found.region == "eu-west-1"
        assert found.keys == KEYS

    @pytest.mark.parametrize(
        ("variable", "value"),
        [("AWS_PROFILE", "absent"), ("AWS_CONFIG_FILE", "broken")],
    )
    def test_shared_files_that_can_not_be_used(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        variable: str,
        value: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "broken").write_text("no section")
        monkeypatch.setenv(variable, value)
        with pytest.raises(SettingError, match="AWS's settings can't be used"):
            verifier(IamSettings(), [], lambda: [5432])

    def test_without_botocore(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "botocore.session", None)
        with pytest.raises(SettingError, match=r"pip install 'boto3>="):
            verifier(IamSettings(), [], lambda: [5432])

    def test_none(self) -> None:
        with pytest.raises(TokenRefused):
            no_verifier("ann", "token")


def test_nothing_secret_is_shown() -> None:
    settings = IamSettings(
        access_keys=(
            IamAccessKey(
                access_key_id="AKIALASTING", secret_access_key=SecretStr("s/ecret+1")
            ),
        )
    )
    shown = (
        f"{settings!r} {settings.model_dump_json()} {verifier(settings, [], list)!r}"
    )
    assert "AKIALASTING" in shown
    assert "s/ecret" not in shown

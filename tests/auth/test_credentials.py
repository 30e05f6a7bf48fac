"""Credentials: known roles, their methods, and the time to read secrets again."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from pinwatch.auth import credentials as module
from pinwatch.auth.credentials import Credentials, Method
from pinwatch.auth.keys import Keys, derived
from pinwatch.auth.secrets import Secret, SecretsManager
from pinwatch.config.auth import AuthEntry, ClientPasswordAuthType, IamAuth


def given(
    user: str,
    password: str = "s3cret",
    iam_auth: IamAuth = "DISABLED",
    client_password_auth_type: ClientPasswordAuthType = "POSTGRES_SCRAM_SHA_256",
) -> AuthEntry:
    return AuthEntry(
        username=user,
        password=SecretStr(password),
        iam_auth=iam_auth,
        client_password_auth_type=client_password_auth_type,
    )


def write(path: Path, user: str, password: str) -> None:
    """A new file in the old one's place, so that no coarse clock hides it."""
    new = path.with_name(f".{path.name}")
    new.write_text(json.dumps({"username": user, "password": password}))
    new.rename(path)


def read(credentials: Credentials) -> Credentials:
    assert credentials.stale()
    assert credentials.refresh() == []
    assert not credentials.stale()
    return credentials


class TestMethods:
    def test_of_an_entry(self) -> None:
        credentials = read(
            Credentials(
                [
                    given("ann"),
                    given("bob", client_password_auth_type="POSTGRES_MD5"),
                    given("eve", iam_auth="REQUIRED"),
                ]
            )
        )
        known = {user: credentials.cached(user) for user in ("ann", "bob", "eve")}
        assert [each.method for each in known.values()] == [
            Method.SCRAM_SHA_256,
            Method.MD5,
            Method.IAM,
        ]
        assert {each.password for each in known.values()} == {"s3cret"}
        assert {each.problem for each in known.values()} == {""}

    def test_of_an_unknown_role(self) -> None:
        """It is asked for what most others are asked for."""
        md5 = given("bob", client_password_auth_type="POSTGRES_MD5")
        credentials = read(Credentials([given("ann"), md5, md5]))
        unknown = credentials.cached("eve")
        assert unknown.method is Method.MD5
        assert unknown.password is None
        assert unknown.problem == (
            'The database user "eve" was not found in any DB proxy authentication entry'
        )

    def test_with_the_targets_password_alone(self) -> None:
        credentials = read(Credentials(target=Secret("ann", "s3cret")))
        assert credentials.cached("ann").method is Method.SCRAM_SHA_256
        assert credentials.cached("ann").password == "s3cret"
        assert credentials.cached("bob").method is Method.SCRAM_SHA_256
        assert credentials.cached("bob").problem

    def test_with_nothing(self) -> None:
        credentials = Credentials()
        assert credentials.trusting
        assert not credentials.stale()
        assert credentials.cached("ann").method is Method.TRUST
        assert credentials.cached("ann").password is None
        assert not credentials.cached("ann").problem

    def test_with_iam_for_all(self) -> None:
        """No secret is needed; the database gets what is configured for the role."""
        credentials = read(
            Credentials(
                [given("bob")],
                target=Secret("ann", "s3cret"),
                default_auth_scheme="IAM_AUTH",
            )
        )
        ann, bob, eve = map(credentials.cached, ("ann", "bob", "eve"))
        assert (ann.method, ann.password) == (Method.IAM, "s3cret")
        assert (bob.method, bob.password) == (Method.SCRAM_SHA_256, "s3cret")
        assert (eve.method, eve.password, eve.problem) == (Method.IAM, None, "")

    def test_with_iam_and_nothing_else_it_does_not_trust(self) -> None:
        assert not Credentials(default_auth_scheme="IAM_AUTH").trusting


def test_an_entry_goes_before_the_target() -> None:
    credentials = read(
        Credentials([given("ann", "new")], target=Secret("ann", "s3cret"))
    )
    assert credentials.cached("ann").password == "new"


def test_a_role_in_two_entries_can_not_be_used() -> None:
    credentials = read(Credentials([given("ann"), given("ann"), given("bob")]))
    assert credentials.cached("ann").password is None
    assert credentials.cached("ann").problem == (
        'The database user "ann" was found in multiple DB proxy authentication entries'
    )
    assert credentials.cached("bob").password == "s3cret"
    assert credentials.problems == [credentials.cached("ann").problem]
    assert credentials.usable == ["bob"]


def test_nothing_secret_is_shown() -> None:
    entry = given("ann")
    credentials = read(Credentials([entry]))
    shown = f"{entry!r} {entry.model_dump_json()} {credentials.cached('ann')!r}"
    assert "s3cret" not in shown
    assert "s3cret" not in repr(Secret("ann", "s3cret"))


class TestReadingAgain:
    def test_a_changed_file(self, tmp_path: Path) -> None:
        path = tmp_path / "ann.json"
        write(path, "ann", "old")
        credentials = read(Credentials([AuthEntry(secret_file=path)]))
        write(path, "ann", "new")
        assert read(credentials).cached("ann").password == "new"

    def test_a_folder_that_gets_one_more(self, tmp_path: Path) -> None:
        write(tmp_path / "ann.json", "ann", "s3cret")
        credentials = read(Credentials([AuthEntry(secret_file=tmp_path)]))
        write(tmp_path / "bob.json", "bob", "s3cret")
        assert read(credentials).cached("bob").password == "s3cret"
        (tmp_path / "ann.json").unlink()
        assert read(credentials).cached("ann").problem

    def test_a_secret_that_can_not_be_read(self, tmp_path: Path) -> None:
        path = tmp_path / "ann.json"
        entries = [AuthEntry(secret_file=path), given("bob")]
        credentials = Credentials(entries)
        sentence = (
            f"Credentials couldn't be retrieved. The secret {path} couldn't be read: "
            "No such file or directory"
        )
        assert credentials.refresh(everything=True) == [sentence]
        assert not credentials.stale()
        assert credentials.cached("bob").password == "s3cret"
        assert credentials.cached("ann").problem
        write(path, "ann", "s3cret")
        assert read(credentials).cached("ann").password == "s3cret"
        path.unlink()
        assert credentials.refresh() == [sentence]
        assert credentials.cached("ann").problem

    def test_everything(self, tmp_path: Path) -> None:
        """A reload at SIGHUP reads all secrets again, including those not stale."""
        path = tmp_path / "ann.json"
        path.write_text("{}")
        credentials = Credentials([AuthEntry(secret_file=path)])
        assert len(credentials.refresh()) == 1
        assert len(credentials.refresh()) == 0
        assert len(credentials.refresh(everything=True)) == 1

    def test_keys_are_derived_once_a_password(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        derivations: list[str] = []

        def counted(user: str, password: str) -> Keys:
            derivations.append(password)
            return derived(user, password)

        monkeypatch.setattr(module, "derived", counted)
        path = tmp_path / "ann.json"
        write(path, "ann", "old")
        credentials = read(Credentials([AuthEntry(secret_file=path)]))
        keys = credentials.cached("ann").keys
        assert credentials.refresh(everything=True) == []
        for _ in range(100):
            assert credentials.cached("ann").keys is keys
        assert derivations == ["old"]
        write(path, "ann", "new")
        assert read(credentials).cached("ann").keys is not keys
        assert derivations == ["old", "new"]

    def test_unknown_roles_leave_nothing_behind(self) -> None:
        credentials = read(Credentials([given("ann")]))
        for number in range(500):
            credentials.cached(f"role{number}")
        assert list(credentials._known) == ["ann"]

    def test_secrets_manager(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A secret is read again by the clock; test_secrets has a real manager."""
        now = 0.0
        manager = SecretsManager(refresh_interval=60, clock=lambda: now)
        passwords = iter(("old", "new"))
        monkeypatch.setattr(manager, "get", lambda name: Secret(name, next(passwords)))
        credentials = read(
            Credentials([AuthEntry(secret_arn="ann")], secrets_manager=manager)
        )
        assert credentials.cached("ann").password == "old"
        now = 60.0
        assert read(credentials).cached("ann").password == "new"


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "give one of secret_arn, secret_file, or username and password"),
        ({"username": "ann"}, "username and password go together"),
        ({"password": "s3cret"}, "username and password go together"),
        ({"secret_arn": "a", "secret_file": "b"}, "give one of"),
        ({"secret_arn": "arn:aws:s3:::bucket"}, "match pattern"),
        ({"secret_arn": ""}, "match pattern"),
        ({"secret_arn": "a", "iam_auth": "ENABLED"}, "'DISABLED' or 'REQUIRED'"),
        ({"secret_arn": "a", "client_password_auth_type": "MD5"}, "POSTGRES_MD5"),
        ({"username": "ann", "password": ["s3cret"]}, "valid string"),
        ({"username": "ann", "password": "s3cret", "x": 1}, "not permitted"),
    ],
)
def test_an_entry_that_can_not_be_used(keys: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text) as error:
        AuthEntry.model_validate(keys)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "secret_arn",
    [
        "name",
        "a/b+c@d",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-B1c2D3",
    ],
)
def test_a_secret_by_name_or_arn(secret_arn: str) -> None:
    assert AuthEntry(secret_arn=secret_arn).secret_arn == secret_arn

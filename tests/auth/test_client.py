"""A client's login, by real drivers and message by message."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pg8000.dbapi
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from scramp import ScramClient

from pinwatch.auth import md5, refusals
from pinwatch.auth.client import Conversation, login
from pinwatch.auth.credentials import Credential, Credentials, Method
from pinwatch.auth.iam import no_verifier
from pinwatch.auth.iam_token import TokenRefused
from pinwatch.auth.keys import derived
from pinwatch.auth.refusals import AuthenticationFailed, Refusal
from pinwatch.auth.secrets import Secret
from pinwatch.config.auth import AuthEntry
from pinwatch.tls import certificates as tls
from pinwatch.tls.certificates import ServerTls
from pinwatch.wire import messages

from .passwords import PASSWORDS
from .wires import Door

Spoil: TypeAlias = Callable[[bytes], bytes]

KEYS = derived("ann", "s3cret")


def verify_token(user: str, token: str) -> None:
    if (user, token) != ("ann", "token"):
        raise TokenRefused("The token is not the token.")


def credential(
    method: Method = Method.SCRAM_SHA_256, password: str = "s3cret", problem: str = ""
) -> Credential:
    return Credential("ann", method, derived("ann", password), password, problem)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that certificates are made in."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def server(state: Path) -> ServerTls:
    return tls.server(tls.generated(state))


def door(known: Credential, server: ServerTls | None = None) -> Door:
    def conversation(user: str, encrypted: bool) -> Conversation:
        assert user == "ann"
        binding = server.channel_binding if server and encrypted else None
        return login(known, verify_token, tls=encrypted, channel_binding=binding)

    return Door(conversation, server and server.context)


def libpq(
    port: int, password: str = "s3cret", host: str = "127.0.0.1", **options: str
) -> None:
    with psycopg.connect(
        host=host,
        port=port,
        user="ann",
        dbname="postgres",
        password=password,
        **options,  # type: ignore[arg-type] # it takes numbers and flags as well
    ):
        pass


class TestDrivers:
    """Each logs in as it does to PostgreSQL."""

    @pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
    def test_libpq_scram(self, password: str) -> None:
        with door(credential(password=password)) as opened:
            libpq(opened.port, password, sslmode="disable")

    @pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
    def test_libpq_md5(self, password: str) -> None:
        with door(credential(Method.MD5, password)) as opened:
            libpq(opened.port, password, sslmode="disable")

    @pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
    def test_libpq_scram_under_tls(self, server: ServerTls, binding: str) -> None:
        with door(credential(), server) as opened:
            libpq(opened.port, sslmode="require", channel_binding=binding)

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    def test_libpq_verifies_the_generated_certificate(
        self, server: ServerTls, state: Path, host: str
    ) -> None:
        ca = str(state / "ca.pem")
        with door(credential(), server) as opened:
            libpq(opened.port, host=host, sslmode="verify-full", sslrootcert=ca)

    def test_libpq_by_direct_tls(self, server: ServerTls) -> None:
        with door(credential(), server) as opened:
            libpq(
                opened.port,
                sslmode="require",
                sslnegotiation="direct",
                channel_binding="require",
            )
        assert opened.alpn == ["postgresql"]

    def test_libpq_trust(self) -> None:
        with door(credential(Method.TRUST)) as opened:
            libpq(opened.port, sslmode="disable", require_auth="none")

    def test_libpq_iam(self, server: ServerTls) -> None:
        with door(credential(Method.IAM), server) as opened:
            libpq(opened.port, "token", sslmode="require", require_auth="password")

    @pytest.mark.parametrize("method", [Method.SCRAM_SHA_256, Method.MD5])
    @pytest.mark.parametrize("encrypted", [False, True])
    async def test_asyncpg(
        self, server: ServerTls, method: Method, encrypted: bool
    ) -> None:
        with door(credential(method), server) as opened:
            connection = await asyncpg.connect(
                host="127.0.0.1",
                port=opened.port,
                user="ann",
                password="s3cret",
                ssl="require" if encrypted else False,
            )
            connection.terminate()

    @pytest.mark.parametrize("method", [Method.SCRAM_SHA_256, Method.MD5])
    @pytest.mark.parametrize("encrypted", [False, True])
    def test_pg8000(self, server: ServerTls, method: Method, encrypted: bool) -> None:
        with door(credential(method), server) as opened:
            pg8000.dbapi.connect(
                user="ann",
                host="127.0.0.1",
                port=opened.port,
                password="s3cret",
                ssl_context=tls.client("require") if encrypted else False,
            ).close()

    def test_a_wrong_password(self) -> None:
        with (
            door(credential()) as opened,
            pytest.raises(psycopg.OperationalError) as refused,
        ):
            libpq(opened.port, "wrong", sslmode="disable")
        text = "FATAL:  The password that was provided for the role ann is wrong."
        assert text in str(refused.value)

    def test_prefer_shows_two_errors(self, server: ServerTls) -> None:
        """The first under TLS, the second of the retry without, as on RDS Proxy."""

        def conversation(user: str, encrypted: bool) -> Conversation:
            if not encrypted:
                raise AuthenticationFailed(refusals.TLS_REQUIRED, tls=False)
            return (yield from login(credential(), no_verifier, tls=True))

        with (
            Door(conversation, server.context) as opened,
            pytest.raises(psycopg.OperationalError) as refused,
        ):
            libpq(opened.port, "wrong", sslmode="prefer")
        assert "for the role ann is wrong." in str(refused.value)
        assert "This RDS Proxy requires TLS connections" in str(refused.value)

    async def test_sqlstate_of_a_wrong_password(self) -> None:
        with (
            door(credential()) as opened,
            pytest.raises(asyncpg.InvalidPasswordError) as refused,
        ):
            await asyncpg.connect(
                host="127.0.0.1",
                port=opened.port,
                user="ann",
                password="wrong",
                ssl=False,
            )
        assert refused.value.sqlstate == "28P01"


class Client:
    """A SCRAM client whose messages can be spoilt on their way."""

    def __init__(
        self,
        password: str = "s3cret",
        binding: bytes | None = None,
        mechanism: str = "SCRAM-SHA-256",
    ) -> None:
        bound = binding and ("tls-server-end-point", binding)
        self.mechanism = mechanism.encode()
        self.scram = ScramClient([mechanism], "*", password, bound)

    def first(self) -> bytes:
        text: str = self.scram.get_client_first()
        return text.encode()

    def final(self, server_first: bytes) -> bytes:
        self.scram.set_server_first(server_first.decode())
        text: str = self.scram.get_client_final()
        return text.encode()

    def log_in(
        self,
        conversation: Conversation,
        first: Spoil = bytes,
        final: Spoil = bytes,
    ) -> bytes:
        """Talk to the end; gives the last bytes, all that is due on success."""
        next(conversation)
        answer = conversation.send(initial(first(self.first()), self.mechanism))
        server_first = data_of(answer, messages.AUTHENTICATION_SASL_CONTINUE)
        return returned(conversation, final(self.final(server_first)))


def initial(data: bytes, mechanism: bytes = b"SCRAM-SHA-256") -> bytes:
    return messages.sasl_initial_response(mechanism, data)[5:]


def data_of(answer: bytes, method: int) -> bytes:
    """The data of one Authentication message of this method."""
    assert answer == messages.authentication(method, answer[9:])
    return answer[9:]


def returned(conversation: Conversation, body: bytes) -> bytes:
    with pytest.raises(StopIteration) as done:
        conversation.send(body)
    last: bytes = done.value.value
    return last


def password(text: bytes) -> bytes:
    return messages.password(text)[5:]


BINDING = b"hash of a certificate".ljust(32)
PLUS = "SCRAM-SHA-256-PLUS"


def scram(known: Credential, binding: bytes | None = None) -> Conversation:
    return login(known, no_verifier, tls=binding is not None, channel_binding=binding)


class TestScram:
    def test_what_is_offered(self) -> None:
        first = next(scram(credential()))
        assert data_of(first, messages.AUTHENTICATION_SASL) == b"SCRAM-SHA-256\0\0"

    def test_what_is_offered_where_it_can_be_bound(self) -> None:
        first = next(scram(credential(), BINDING))
        names = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
        assert data_of(first, messages.AUTHENTICATION_SASL) == names

    @pytest.mark.parametrize(
        ("binding", "mechanism", "offered"),
        [
            (None, "SCRAM-SHA-256", None),
            (None, "SCRAM-SHA-256", BINDING),
            (BINDING, "SCRAM-SHA-256", None),  # it thinks that the proxy can't
            (BINDING, PLUS, BINDING),
        ],
    )
    def test_the_right_password(
        self, binding: bytes | None, mechanism: str, offered: bytes | None
    ) -> None:
        client = Client(binding=binding, mechanism=mechanism)
        last = client.log_in(scram(credential(), offered))
        ok = messages.authentication(messages.AUTHENTICATION_OK)
        proof = data_of(last.removesuffix(ok), messages.AUTHENTICATION_SASL_FINAL)
        client.scram.set_server_final(proof.decode())

    @pytest.mark.parametrize("name", [b"", b"*", b"bob", b"=", "é".encode()])
    def test_the_startup_packet_names_the_user(self, name: bytes) -> None:
        """Whatever the message says; it is signed as it was sent."""
        client = Client()

        def rename(message: bytes) -> bytes:
            message = message.replace(b"n=*", b"n=" + name)
            client.scram.client_first_bare = message[3:].decode()
            return message

        assert client.log_in(scram(credential()), first=rename)

    def test_the_initial_response_may_come_when_asked_for(self) -> None:
        client = Client()
        conversation = scram(credential())
        next(conversation)
        empty = conversation.send(b"SCRAM-SHA-256\0\xff\xff\xff\xff")
        assert data_of(empty, messages.AUTHENTICATION_SASL_CONTINUE) == b""
        answer = conversation.send(client.first())
        server_first = data_of(answer, messages.AUTHENTICATION_SASL_CONTINUE)
        assert returned(conversation, client.final(server_first))

    def test_the_iteration_count_is_that_of_rds_proxy(self) -> None:
        conversation = scram(credential())
        next(conversation)
        assert conversation.send(initial(b"n,,n=,r=nonce")).endswith(b",i=4096")

    @pytest.mark.parametrize(
        ("body", "refusal"),
        [
            (b"", refusals.METHOD),
            (b"a password\0", refusals.METHOD),
            (b"PLAIN\0\0\0\0\0", refusals.METHOD),
            (
                initial(b"p=tls-server-end-point,,n=,r=x", PLUS.encode()),
                refusals.METHOD,
            ),
            (b"\xff\0\0\0\0\0", refusals.METHOD),
            (b"SCRAM-SHA-256", refusals.MALFORMED_SCRAM),
            (b"SCRAM-SHA-256\0", refusals.MALFORMED_SCRAM),
            (b"SCRAM-SHA-256\0\0\0\0\x0en,,n=,r=nonce", refusals.MALFORMED_SCRAM),
            (b"SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=nonce", refusals.MALFORMED_SCRAM),
            (b"SCRAM-SHA-256\0\xff\xff\xff\xffn,,n=,r=x", refusals.MALFORMED_SCRAM),
        ],
    )
    def test_a_broken_initial_response(self, body: bytes, refusal: Refusal) -> None:
        conversation = scram(credential())
        next(conversation)
        with pytest.raises(AuthenticationFailed) as failed:
            conversation.send(body)
        assert failed.value.refusal is refusal

    @pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
    @pytest.mark.parametrize(
        "message",
        [
            b"",
            b"n",
            b"n,",
            b"n,,",
            b"n=,r=nonce",  # no header
            b",,n=,r=nonce",
            b"x,,n=,r=nonce",
            b"n,,r=nonce",  # no user
            b"n,,n=",  # no nonce
            b"n,,n=,r=",
            b"n,,r=nonce,n=",
            b"n,,n=,r=nonce,r=nonce",
            b"n,,n=,r=non\tce",
            b"n,,n=,r=nonc\xc3\xa9",
            b"n,,n=,r=nonce\0",
            b"n,,n=a\0b,r=nonce",
            b"n,,n=\xff,r=nonce",
            b"n,a=bob,n=,r=nonce",
            b"n,,m=must,n=,r=nonce",
            b"n,,n=,r=nonce,",
            b"n,,n=,r=nonce,4=x",
            b"n,,n=,r=" + b"x" * 1017,
            b"p=tls-server-end-point,,n=,r=nonce",
        ],
    )
    def test_a_broken_client_first_message(self, message: bytes, known: bool) -> None:
        conversation = scram(credential(problem="" if known else "unknown"))
        next(conversation)
        with pytest.raises(AuthenticationFailed) as failed:
            conversation.send(initial(message))
        assert failed.value.text == "malformed SCRAM message"
        assert failed.value.sqlstate == "08P01"

    def test_the_longest_message(self) -> None:
        conversation = scram(credential())
        next(conversation)
        assert conversation.send(initial(b"n,,n=,r=" + b"x" * 1016))

    @pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
    @pytest.mark.parametrize(
        ("field", "spoilt"),
        [
            (b".*", b""),
            (b"c=[^,]*,", b""),
            (b",r=[^,]*", b""),
            (b",p=.*", b""),
            (b"c=[^,]*", b"c="),
            (b",p=.*", b",p="),
            (b"(c=[^,]*),(r=[^,]*)", b"\\2,\\1"),
            (b"(.*),(p=.*)", b"\\2,\\1"),
            (b"c=[^,]*", b"c=!!!!"),
            (b"c=[^,]*", b"c=A"),
            (b"p=.", b"p=!"),
            (b"p=(.*)=", b"p=\\1"),
            (b"p=(.*)", b"p=AAAA"),
            (b"p=(.*)=", b"p=\\1AAAA"),
            (b"r=.", b"r=~"),
            (b"(r=[^,]*)", b"\\1x"),
            (b"(r=[^,]*).", b"\\1\0"),
            (b",p=", b"\0,p="),
            (b",p=", b",m=must,p="),
            (b",p=", b",r=again,p="),
            (b",p=", b",x=" + b"x" * 1024 + b",p="),
            (b",p=", b",x=\xff,p="),
        ],
    )
    def test_a_broken_client_final_message(
        self, field: bytes, spoilt: bytes, known: bool
    ) -> None:
        def spoil(message: bytes) -> bytes:
            changed, count = re.subn(field, spoilt, message, count=1)
            assert count == 1
            return changed

        conversation = scram(credential(problem="" if known else "unknown"))
        with pytest.raises(AuthenticationFailed) as failed:
            Client().log_in(conversation, final=spoil)
        assert failed.value.text == "malformed SCRAM message"
        assert failed.value.sqlstate == "08P01"

    def test_an_attribute_more_counts_as_signed(self) -> None:
        with pytest.raises(AuthenticationFailed) as failed:
            Client().log_in(
                scram(credential()), final=lambda m: m.replace(b",p=", b",x=y,p=")
            )
        assert failed.value.refusal is refusals.WRONG_PASSWORD

    @pytest.mark.parametrize(
        ("binding", "mechanism", "flag"),
        [
            (BINDING, "SCRAM-SHA-256", b"y"),  # was offered, and says it was not
            (BINDING, PLUS, b"y"),
            (BINDING, PLUS, b"n"),
            (bytes(32), PLUS, b"p=tls-server-end-point"),
        ],
    )
    def test_a_channel_that_is_not_bound(
        self, binding: bytes, mechanism: str, flag: bytes
    ) -> None:
        with pytest.raises(AuthenticationFailed) as failed:
            Client(binding=binding, mechanism=mechanism).log_in(
                scram(credential(), BINDING),
                first=lambda m: flag + m[m.index(b",") :],
            )
        assert failed.value.text == "SCRAM channel binding check failed"
        assert failed.value.sqlstate == "28000"

    @pytest.mark.parametrize("flag", [b"p=tls-unique", b"p=unheard-of", b"p="])
    def test_a_channel_bound_by_another_type(self, flag: bytes) -> None:
        client = Client(binding=BINDING, mechanism=PLUS)
        with pytest.raises(AuthenticationFailed) as failed:
            client.log_in(
                scram(credential(), BINDING),
                first=lambda m: m.replace(b"p=tls-server-end-point", flag),
            )
        assert failed.value.refusal is refusals.MALFORMED_SCRAM

    def test_binding_without_the_mechanism_for_it(self) -> None:
        client = Client(binding=BINDING, mechanism=PLUS)
        client.mechanism = b"SCRAM-SHA-256"
        with pytest.raises(AuthenticationFailed) as failed:
            client.log_in(scram(credential(), BINDING))
        assert failed.value.refusal is refusals.MALFORMED_SCRAM

    def test_a_header_changed_between_the_messages(self) -> None:
        with pytest.raises(AuthenticationFailed) as failed:
            Client().log_in(
                scram(credential()), final=lambda m: m.replace(b"c=biws", b"c=eSws")
            )
        assert failed.value.refusal is refusals.CHANNEL_BINDING


class TestMd5:
    def test_the_right_password(self) -> None:
        conversation = login(credential(Method.MD5), no_verifier)
        salt = data_of(next(conversation), messages.AUTHENTICATION_MD5_PASSWORD)
        answer = md5.answer(md5.stored("ann", "s3cret"), salt)
        assert returned(conversation, password(answer)) == messages.authentication(0)

    def test_each_login_has_its_salt(self) -> None:
        salts = {next(login(credential(Method.MD5), no_verifier)) for _ in range(9)}
        assert len(salts) == 9

    @pytest.mark.parametrize("answer", [b"", b"md5", b"s3cret", b"\xff" * 35])
    def test_a_wrong_password(self, answer: bytes) -> None:
        conversation = login(credential(Method.MD5), no_verifier)
        next(conversation)
        with pytest.raises(AuthenticationFailed) as failed:
            conversation.send(password(answer))
        assert failed.value.refusal is refusals.WRONG_PASSWORD


@pytest.mark.parametrize("method", [Method.MD5, Method.IAM])
@pytest.mark.parametrize("body", [b"", b"token", b"token\0\0", b"tok\0en\0"])
def test_a_broken_password_message(method: Method, body: bytes) -> None:
    conversation = login(credential(method), verify_token, tls=True)
    next(conversation)
    with pytest.raises(AuthenticationFailed) as failed:
        conversation.send(body)
    assert failed.value.text == "invalid password packet size"
    assert failed.value.sqlstate == "08P01"


class TestIam:
    def test_a_good_token(self) -> None:
        conversation = login(credential(Method.IAM), verify_token, tls=True)
        data_of(next(conversation), messages.AUTHENTICATION_CLEARTEXT_PASSWORD)
        assert returned(conversation, password(b"token")) == messages.authentication(0)

    def test_without_tls(self) -> None:
        with pytest.raises(AuthenticationFailed) as failed:
            next(login(credential(Method.IAM), verify_token, tls=False))
        assert failed.value.sqlstate == "28000"
        assert failed.value.text == (
            "IAM authentication is allowed only with SSL connections."
        )

    @pytest.mark.parametrize("token", [b"", b"other", b"\xff"])
    def test_a_bad_token(self, token: bytes) -> None:
        conversation = login(credential(Method.IAM), verify_token, tls=True)
        next(conversation)
        with pytest.raises(AuthenticationFailed) as failed:
            conversation.send(password(token))
        assert failed.value.sqlstate == "28P01"
        assert failed.value.text == (
            "The IAM authentication failed for the role ann. "
            "Check the IAM token for this role and try again."
        )
        assert failed.value.log == (
            'Proxy authentication with IAM authentication failed for user "ann" with '
            "TLS on. Reason: The proxy couldn't authenticate using IAM. "
            "The token is not the token."
        )

    def test_a_good_token_of_a_role_that_can_not_be_used(self) -> None:
        known = credential(Method.IAM, problem="It is in two entries")
        conversation = login(known, verify_token, tls=True)
        next(conversation)
        with pytest.raises(AuthenticationFailed) as failed:
            conversation.send(password(b"token"))
        assert failed.value.refusal is refusals.NO_CREDENTIALS
        assert failed.value.log.endswith("It is in two entries")


def test_trust() -> None:
    with pytest.raises(StopIteration) as done:
        next(login(credential(Method.TRUST), no_verifier))
    assert done.value.value == messages.authentication(0)


class TestUnknownRole:
    """Until the last message it cannot be distinguished from a wrong password."""

    @pytest.fixture
    def credentials(self) -> Credentials:
        credentials = Credentials(target=Secret("ann", "s3cret"))
        credentials.refresh()
        return credentials

    def test_the_last_message(self, credentials: Credentials) -> None:
        with pytest.raises(AuthenticationFailed) as failed:
            Client("wrong").log_in(scram(credentials.cached("bob")))
        assert failed.value.sqlstate == "28P01"
        assert failed.value.text == (
            "This RDS proxy has no credentials for the role bob. "
            "Check the credentials for this role and try again."
        )

    def test_the_messages_have_one_form(self, credentials: Credentials) -> None:
        forms = set()
        for user in ("ann", "bob"):
            conversation = scram(credentials.cached(user))
            offer = next(conversation)
            answer = conversation.send(initial(b"n,,n=,r=nonce"))
            forms.add((offer, re.sub(b"[A-Za-z0-9+/]", b"x", answer)))
        assert len(forms) == 1

    def test_the_salt_stays(self, credentials: Credentials) -> None:
        def salt(user: str) -> bytes:
            conversation = scram(credentials.cached(user))
            next(conversation)
            return conversation.send(initial(b"n,,n=,r=nonce")).partition(b",s=")[2]

        assert salt("bob") == salt("bob")
        assert salt("bob") != salt("eve")
        assert salt("ann") == salt("ann")

    @pytest.mark.parametrize("method", [Method.SCRAM_SHA_256, Method.MD5])
    def test_the_work_is_the_same(self, method: Method) -> None:
        """Counted in calls, so that no clock decides."""
        entry = AuthEntry(
            username="ann",
            password=SecretStr("s3cret"),
            client_password_auth_type=(
                "POSTGRES_MD5" if method is Method.MD5 else "POSTGRES_SCRAM_SHA_256"
            ),
        )
        credentials = Credentials([entry])
        credentials.refresh()

        def calls(user: str) -> int:
            client = Client("wrong")
            count = 0

            def profile(frame: object, event: str, arg: object) -> None:
                nonlocal count
                count += event in ("call", "c_call")

            sys.setprofile(profile)
            conversation = scram(credentials.cached(user))
            try:
                if method is Method.MD5:
                    next(conversation)
                    conversation.send(b"md5\0")
                else:
                    client.log_in(conversation)
            except AuthenticationFailed:
                return count
            finally:
                sys.setprofile(None)
            raise AssertionError("logged in")

        calls("ann")
        assert calls("bob") == calls("ann")


FIELDS = st.sampled_from(
    [b"n", b"y", b"p=tls-server-end-point", b"", b"n=", b"r=", b"c=biws", b"p=AAAA"]
)
MESSAGES = st.one_of(
    st.binary(max_size=40),
    st.lists(st.one_of(FIELDS, st.binary(max_size=4)), max_size=6).map(b",".join),
    st.lists(FIELDS, max_size=6).map(b",".join).map(initial),
)


@given(
    method=st.sampled_from(Method),
    binding=st.sampled_from([None, BINDING]),
    bodies=st.lists(MESSAGES, min_size=3, max_size=3),
)
def test_any_bytes_are_refused_and_nothing_else_happens(
    method: Method, binding: bytes | None, bodies: list[bytes]
) -> None:
    known = Credential("ann", method, KEYS, "s3cret")
    conversation = login(known, no_verifier, tls=True, channel_binding=binding)
    try:
        next(conversation)
        for each in bodies:
            conversation.send(each)
    except AuthenticationFailed:
        return
    except StopIteration:
        assert method is Method.TRUST


@settings(deadline=None)
@given(
    at=st.integers(0, 120),
    size=st.integers(0, 30),
    other=st.one_of(FIELDS, st.binary(max_size=30)),
)
def test_a_final_message_with_any_change_is_refused(
    at: int, size: int, other: bytes
) -> None:
    sent: list[bytes] = []

    def change(message: bytes) -> bytes:
        sent[:] = message, message[:at] + other + message[at + size :]
        return sent[1]

    known = Credential("ann", Method.SCRAM_SHA_256, KEYS, "s3cret")
    refused = False
    try:
        Client().log_in(login(known, no_verifier), final=change)
    except AuthenticationFailed:
        refused = True
    assert refused == (sent[0] != sent[1])

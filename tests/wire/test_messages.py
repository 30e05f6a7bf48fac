"""Messages on the wire, and bytes that are taken for a message."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pinwatch.errors import ProtocolViolation
from pinwatch.relay.client_messages import KINDS, header
from pinwatch.wire import messages
from pinwatch.wire.messages import HEADER, MAX_MESSAGE, message, next_message
from tests.stage import Client, Stage, kinds

BUILT = {
    "query": (messages.query(b"SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0"),
    "parse": (messages.parse(b"s", b"X\0\0\0"), b"P\0\0\0\x0as\0X\0\0\0"),
    "close": (messages.close_statement(b"s"), b"C\0\0\0\7Ss\0"),
    "sync": (messages.SYNC_MESSAGE, message(messages.SYNC, b"")),
    "terminate": (messages.TERMINATE_MESSAGE, message(messages.TERMINATE, b"")),
    "password": (messages.password(b"pw"), b"p\0\0\0\7pw\0"),
    "SASL initial response": (
        messages.sasl_initial_response(b"SCRAM", b"n,,"),
        b"p\0\0\0\x11SCRAM\0\0\0\0\3n,,",
    ),
    "SASL response": (messages.sasl_response(b"c=biws"), b"p\0\0\0\x0ac=biws"),
    "authentication": (
        messages.authentication(messages.AUTHENTICATION_MD5_PASSWORD, b"salt"),
        b"R\0\0\0\x0c\0\0\0\5salt",
    ),
    "parameter status": (
        messages.parameter_status(b"TimeZone", b"UTC"),
        b"S\0\0\0\x11TimeZone\0UTC\0",
    ),
    "backend key data": (
        messages.backend_key_data(7, b"key!"),
        b"K\0\0\0\x0c\0\0\0\7key!",
    ),
    "ready for query": (
        messages.ready_for_query(messages.FAILED_TRANSACTION),
        b"Z\0\0\0\5E",
    ),
    "negotiate protocol version": (
        messages.negotiate_protocol_version(messages.PROTOCOL_3_0, [b"_pq_.x", b"y"]),
        b"v\0\0\0\x15\0\3\0\0\0\0\0\2_pq_.x\0y\0",
    ),
    "startup": (
        messages.startup({b"user": b"ada"}),
        b"\0\0\0\x12\0\3\0\0user\0ada\0\0",
    ),
    "cancel request": (
        messages.cancel_request(7, b"key!"),
        b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\7key!",
    ),
    "error": (
        messages.error_response("FATAL", "08P01", "no"),
        b"E\0\0\0\x1eSFATAL\0VFATAL\0C08P01\0Mno\0\0",
    ),
}
REFUSED = b"SFATAL\0VFATAL\0C08P01\0Minvalid "


@pytest.fixture
def client() -> Client:
    return logged_in()


def logged_in() -> Client:
    client = Stage().client()
    client.read()
    return client


@pytest.mark.parametrize(("built", "expected"), BUILT.values(), ids=BUILT)
def test_layouts(built: bytes, expected: bytes) -> None:
    assert built == expected


@settings(deadline=None)
@given(st.integers(0, 255), st.binary(max_size=300))
def test_a_length_counts_itself_and_the_body(kind: int, body: bytes) -> None:
    built = message(kind, body)
    assert HEADER.unpack_from(built) == (kind, len(built) - 1)
    assert built[5:] == body


@settings(deadline=None)
@given(st.integers(0, 255), st.binary(max_size=50), st.binary(max_size=50))
def test_next_message_returns_the_message_and_the_rest(
    kind: int, body: bytes, rest: bytes
) -> None:
    assert next_message(message(kind, body) + rest) == (kind, body, rest)


def test_next_message_waits_for_the_whole_message() -> None:
    whole = messages.query(b"SELECT 1")
    for end in range(len(whole)):
        assert next_message(whole[:end]) is None


@pytest.mark.parametrize("size", [0, 3, 11, 2**32 - 1])
def test_next_message_refuses_an_impossible_length(size: int) -> None:
    with pytest.raises(ProtocolViolation, match=f"^invalid message length {size}$"):
        next_message(HEADER.pack(messages.QUERY, size), max_size=10)


fields = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30
)


@settings(deadline=None)
@given(fields, fields, fields)
def test_an_error_is_read_as_it_was_built(severity: str, code: str, text: str) -> None:
    body = messages.error_response(severity, code, text)[5:]
    assert messages.error_fields(body) == {
        "S": severity,
        "V": severity,
        "C": code,
        "M": text,
    }


@settings(deadline=None)
@given(st.binary(max_size=60))
@example(b"M\xff\xfe\0\0")
@example(b"no end")
def test_any_body_of_an_error_can_be_read(body: bytes) -> None:
    found = messages.error_fields(body)
    assert len(found) <= len([field for field in body.split(b"\0") if field])


def test_headers_that_are_accepted() -> None:
    for kind in KINDS:
        assert header(HEADER.pack(kind, 4), 0) == (kind, 4)
        longest = HEADER.pack(kind, MAX_MESSAGE)
        assert header(b"before" + longest, 6) == (kind, MAX_MESSAGE)


@pytest.mark.parametrize("size", [0, 3, MAX_MESSAGE + 1, 2**31, 2**32 - 1])
def test_impossible_lengths(size: int) -> None:
    for kind in KINDS:
        with pytest.raises(ProtocolViolation, match=f"^invalid message length {size}$"):
            header(HEADER.pack(kind, size), 0)


def test_kinds_that_no_client_sends() -> None:
    for kind in {*range(256)} - KINDS:
        with pytest.raises(ProtocolViolation, match=f"message type {kind}$"):
            header(HEADER.pack(kind, 4), 0)


@pytest.mark.parametrize("kind", KINDS - {messages.TERMINATE})
@pytest.mark.parametrize("size", [0, 3, MAX_MESSAGE + 1, 2**32 - 1])
def test_an_impossible_length_is_refused_with_and_without_a_connection(
    client: Client, kind: int, size: int
) -> None:
    hostile = HEADER.pack(kind, size)
    busy = logged_in()
    busy.send(messages.query(b"SELECT 1"))
    for sender in (client, busy):
        sender.send(hostile)
        answer = sender.read()
        assert kinds(answer) == "E"
        assert b"Minvalid message length" in answer
        assert sender.wire.closed


def test_a_body_without_end_is_not_kept(client: Client) -> None:
    client.send(HEADER.pack(messages.FUNCTION_CALL, MAX_MESSAGE))
    for _ in range(100):
        client.send(b"x" * 1000)
    assert client.session.stream.input == b""


@pytest.mark.parametrize(
    "hostile",
    [
        HEADER.pack(messages.BIND, MAX_MESSAGE) + b"x" * 270_000,
        HEADER.pack(messages.PARSE, MAX_MESSAGE) + b"x" * 270_000,
        message(messages.BIND, b"portal"),
        message(messages.BIND, b"portal\0name"),
        message(messages.PARSE, b"name"),
        message(messages.CLOSE, b"Sname"),
        message(messages.DESCRIBE, b"Sname"),
    ],
)
def test_a_name_without_end_is_refused(client: Client, hostile: bytes) -> None:
    client.send(hostile, messages.SYNC_MESSAGE)
    assert b"Minvalid string in message" in client.read()
    assert client.wire.closed


@pytest.mark.parametrize("kind", b"CD")
def test_a_message_too_short_for_what_it_names_is_refused(
    client: Client, kind: int
) -> None:
    client.send(message(kind, b""), messages.SYNC_MESSAGE)
    assert client.wire.closed


def packet(kind: int, body: bytes, lie: int) -> bytes:
    return HEADER.pack(kind, max(len(body) + 4 + lie, 0)) + body


bodies = st.binary(max_size=12) | st.lists(
    st.sampled_from([b"\0", b"S", b"P", b"name\0", b"SELECT 1\0", b"\0\0\0\0"]),
    max_size=5,
).map(b"".join)
hostile = st.one_of(
    st.binary(max_size=12),
    st.builds(packet, st.sampled_from(sorted(KINDS)), bodies, st.just(0)),
    st.builds(
        packet,
        st.sampled_from(sorted(KINDS)),
        bodies,
        st.sampled_from([-1, -2, -5, 1, 2, 5, MAX_MESSAGE, 2**31]),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(hostile, max_size=6), st.integers(1, 20))
def test_any_bytes_of_a_client_are_framed_or_refused(
    sent: list[bytes], size: int
) -> None:
    client = logged_in()
    data = b"".join(sent)
    for at in range(0, len(data), size):
        if not client.wire.closed:
            client.send(data[at : at + size])
    answer = client.read()
    if client.wire.closed:
        assert answer == b"" or REFUSED in answer
        assert client.session.stream.terminated is (answer == b"")
    else:
        assert answer == b""

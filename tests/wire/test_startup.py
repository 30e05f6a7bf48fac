"""Startup packets: framed, refused, and never half believed."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pinwatch.errors import ClientError, ProtocolViolation
from pinwatch.wire import messages
from pinwatch.wire.messages import INT32, cancel_request, startup
from pinwatch.wire.startup import (
    HTTP_METHODS,
    MAX_PACKET,
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    read_packet,
)
from tests.stage import Stage, kinds

SSL_REQUEST = INT32.pack(8) + INT32.pack(messages.SSL_REQUEST_CODE)
GSSENC_REQUEST = INT32.pack(8) + INT32.pack(messages.GSSENC_REQUEST_CODE)
ADA = startup({b"user": b"ada", b"database": b"shop"})
PACKETS = {
    "ssl": (SSL_REQUEST, SSLRequest()),
    "gssenc": (GSSENC_REQUEST, GSSENCRequest()),
    "cancel": (cancel_request(7, b"key!"), CancelRequest(7, b"key!")),
    "cancel 3.2": (cancel_request(7, b"k" * 256), CancelRequest(7, b"k" * 256)),
    "startup": (ADA, StartupMessage(0, {b"user": b"ada", b"database": b"shop"}, ())),
    "startup without anything": (startup({}), StartupMessage(0, {}, ())),
    "startup 3.2": (
        startup({b"user": b"ada", b"_pq_.x": b"1"}, messages.PROTOCOL_3_0 + 2),
        StartupMessage(2, {b"user": b"ada"}, (b"_pq_.x",)),
    ),
}
words = st.binary(min_size=1, max_size=20).filter(lambda word: b"\0" not in word)


def packet(body: bytes) -> bytes:
    return INT32.pack(len(body) + 4) + body


def version(number: int, rest: bytes) -> bytes:
    return packet(INT32.pack(number) + rest)


@pytest.mark.parametrize(("data", "expected"), PACKETS.values(), ids=PACKETS)
def test_packets(data: bytes, expected: object) -> None:
    assert read_packet(data) == (expected, len(data))
    assert read_packet(data + b"rest") == (expected, len(data))


@pytest.mark.parametrize("data", [data for data, _ in PACKETS.values()], ids=PACKETS)
def test_a_truncated_packet_is_waited_for(data: bytes) -> None:
    assert [read_packet(data[:size]) for size in range(len(data))] == [None] * len(data)


@pytest.mark.parametrize("size", [0, 1, 4, 7, MAX_PACKET + 1, 2**31 - 1, 2**32 - 1])
def test_an_impossible_length_is_refused_at_once(size: int) -> None:
    with pytest.raises(ProtocolViolation, match=f"invalid length.*: {size}$"):
        read_packet(INT32.pack(size))


def test_the_longest_packet() -> None:
    name, room = b"user", MAX_PACKET - len(startup({b"user": b""}))
    data = startup({name: b"x" * room})
    assert len(data) == MAX_PACKET
    assert read_packet(data) is not None
    with pytest.raises(ProtocolViolation, match="invalid length"):
        read_packet(startup({name: b"x" * (room + 1)}))


@pytest.mark.parametrize("method", HTTP_METHODS)
def test_a_browser_is_told_so(method: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="HTTP"):
        read_packet(method)


@pytest.mark.parametrize("major", [0, 1, 2, 4, 0xFFFF])
def test_another_version_is_refused_in_the_words_of_rds_proxy(major: int) -> None:
    with pytest.raises(ClientError, match=r"supports only version 3\.0") as raised:
        read_packet(version(major << 16, b"user\0ada\0\0"))
    assert raised.value.sqlstate == "0A000"


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"user\0ada",
        b"user\0ada\0",
        b"user\0\0",
        b"user\0ada\0x\0\0",
        b"user\0ada\0\0\0",
        b"\0ada\0\0",
        b"user\0ada\0\0rest\0",
    ],
)
def test_a_malformed_startup_message_is_refused(rest: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="invalid startup packet layout"):
        read_packet(version(messages.PROTOCOL_3_0, rest))


@pytest.mark.parametrize("rest", [b"", b"\0\0\0\7"])
def test_a_cancel_request_without_a_key_is_refused(rest: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="cancel request"):
        read_packet(version(messages.CANCEL_REQUEST_CODE, rest))


@settings(deadline=None)
@given(st.dictionaries(words, words | st.just(b""), max_size=6))
def test_what_is_built_is_read(parameters: dict[bytes, bytes]) -> None:
    data = startup(parameters)
    found = read_packet(data)
    assert found is not None
    message, size = found
    assert isinstance(message, StartupMessage)
    assert size == len(data)
    ours = {k: v for k, v in parameters.items() if not k.startswith(b"_pq_.")}
    assert message.parameters == ours
    assert list(message.parameters) == list(ours)
    assert {*message.protocol_options} == {*parameters} - {*ours}


hostile = st.one_of(
    st.binary(max_size=40),
    st.builds(packet, st.binary(min_size=4, max_size=40)),
    st.builds(version, st.just(messages.PROTOCOL_3_0), st.binary(max_size=40)),
    st.builds(version, st.just(messages.CANCEL_REQUEST_CODE), st.binary(max_size=12)),
)


@settings(deadline=None)
@given(hostile)
def test_any_bytes_are_framed_or_waited_for_or_refused(data: bytes) -> None:
    try:
        found = read_packet(data)
    except (ProtocolViolation, ClientError) as refusal:
        with pytest.raises(type(refusal)):
            read_packet(data + b"more")
        return
    size = int.from_bytes(data[:4], "big")
    if found is None:
        assert len(data) < max(size, 4)
        return
    assert found[1] == size <= len(data)
    assert read_packet(data[:size]) == found
    assert read_packet(data[: size - 1]) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile, max_size=3), st.integers(1, 50))
@example([GSSENC_REQUEST, SSL_REQUEST, ADA], 50)
def test_a_stranger_is_let_in_or_sent_away_in_any_chunks(
    sent: list[bytes], size: int
) -> None:
    data = b"".join(sent)
    outcomes = []
    for step in (size, len(data) or 1):
        stranger = Stage().stranger()
        for at in range(0, len(data), step):
            if not stranger.wire.closed:
                stranger.send(data[at : at + step])
        outcomes.append((stranger.read(), stranger.wire.closed))
    assert outcomes[0] == outcomes[1]


def test_packets_of_a_login_that_come_byte_by_byte() -> None:
    stranger = Stage().stranger()
    for byte in GSSENC_REQUEST + SSL_REQUEST + ADA:
        stranger.send(bytes((byte,)))
    answer = stranger.read()
    assert answer[:2] == b"NN"
    assert kinds(answer[2:]) == "RZ"

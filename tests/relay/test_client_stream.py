"""Statements that the client stream blocks until a worker thread has judged them."""

import pytest

from pinwatch.pins.cache import VerdictCache
from pinwatch.pins.verdict import judge
from pinwatch.wire import messages
from pinwatch.wire.messages import SYNC_MESSAGE, message, parse, query
from tests.stage import READY, Stage, complete, row

COSTLY = b"SELECT " + b"1+" * 1_000 + b"nextval('s')"
SELECT = query(b"SELECT 2")
ANSWER = row(b"2") + complete(b"SELECT 1") + READY


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.verdicts = VerdictCache(defers=True)
    return stage


def judged(stage: Stage) -> None:
    """Finish the work of the worker thread."""
    ((sql, done),) = stage.to_judge
    stage.to_judge.clear()
    stage.verdicts.remember(sql, judge(sql), stage.verdicts.profile)
    done()


@pytest.mark.parametrize(
    "sent",
    [query(COSTLY), parse(b"", COSTLY + b"\0\0\0"), parse(b"s", COSTLY + b"\0\0\0")],
    ids=["query", "unnamed parse", "named parse"],
)
def test_a_costly_text_waits_for_its_verdict(stage: Stage, sent: bytes) -> None:
    client, server = stage.connected()
    client.send(SELECT, sent, SYNC_MESSAGE, SELECT)
    assert server.read() == SELECT
    server.send(ANSWER)
    assert client.read() == ANSWER
    assert server.read() == b""
    assert len(stage.to_judge) == 1
    judged(stage)
    assert server.read().endswith(SYNC_MESSAGE + SELECT)
    assert client.session.pinned is (sent[:1] == b"Q")


def test_other_clients_are_served_meanwhile() -> None:
    stage = Stage(max_connections=2)
    stage.verdicts = VerdictCache(defers=True)
    client, other = stage.client(), stage.client()
    client.send(query(COSTLY))
    other.send(SELECT)
    assert [server.read().endswith(SELECT) for server in stage.servers] == [False, True]
    judged(stage)
    assert stage.servers[0].read().endswith(query(COSTLY))


def test_a_known_text_is_not_delayed(stage: Stage) -> None:
    client, server = stage.connected()
    client.send(query(COSTLY))
    judged(stage)
    server.read()
    server.send(ANSWER)
    client.send(query(COSTLY))
    assert server.read() == query(COSTLY)
    assert stage.to_judge == []


def test_a_client_may_leave_before_the_verdict(stage: Stage) -> None:
    client, server = stage.connected()
    client.send(query(COSTLY))
    client.vanish()
    judged(stage)
    assert server.read() in (query(b"DISCARD ALL"), messages.TERMINATE_MESSAGE)


def test_a_bind_waits_for_the_verdict_on_its_parse(stage: Stage) -> None:
    client, server = stage.connected()
    bind = message(messages.BIND, b"\0s\0" + b"\0" * 6)
    run = message(messages.EXECUTE, b"\0" * 5)
    client.send(parse(b"s", COSTLY + b"\0\0\0"), bind, run, SYNC_MESSAGE)
    assert server.read() == b""
    judged(stage)
    assert server.read().endswith(run + SYNC_MESSAGE)
    assert client.session.pinned

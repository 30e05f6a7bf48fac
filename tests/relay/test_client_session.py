"""A client session and a database connection in dialogue, on fake wires."""

import pytest

from pinwatch import events
from pinwatch.relay.parameters import NO_PARAMETERS
from pinwatch.wire import messages
from pinwatch.wire.messages import (
    SYNC_MESSAGE,
    error_response,
    message,
    parse,
    query,
    ready_for_query,
)
from tests.stage import (
    IN_TRANSACTION,
    READY,
    Client,
    Server,
    Stage,
    complete,
    kinds,
    row,
)

SELECT = query(b"SELECT 1")
ANSWER = row(b"1") + complete(b"SELECT 1") + READY
BEGUN = complete(b"BEGIN") + IN_TRANSACTION
FAILED = ready_for_query(messages.FAILED_TRANSACTION)
RESET = query(b"RESET TimeZone")
PARSED = message(messages.PARSE_COMPLETE, b"")
PINNING = query(b"SELECT '" + b"x" * 16384 + b"'")  # too long to be judged


def test_login_sends_no_backend_key() -> None:
    client = Stage().client()
    assert kinds(client.read()) == "RZ"


def test_login_reports_the_parameters_of_a_connection() -> None:
    stage = Stage()
    stage.on_open = lambda server: server.greet({b"server_version": b"18.0"})
    status = messages.parameter_status(b"server_version", b"18.0")
    assert status in stage.client().read()


def test_second_client_logs_in_without_a_connection() -> None:
    stage = Stage()
    first, second = stage.client(), stage.client()
    assert first.read() == second.read()
    assert len(stage.servers) == 1


def test_statements_of_two_clients_share_a_connection() -> None:
    stage = Stage()
    one, two = stage.client(), stage.client()
    (server,) = stage.servers
    for client in (one, two, one):
        client.read()
        client.send(SELECT)
        assert server.read() == SELECT
        server.send(ANSWER)
        assert client.read() == ANSWER
    assert server.connection.session is None


def test_transaction_keeps_its_connection() -> None:
    stage = Stage()
    one, two = stage.client(), stage.client()
    (server,) = stage.servers
    one.send(query(b"BEGIN"))
    server.read()
    server.send(BEGUN)
    two.send(SELECT)
    assert server.read() == b""
    one.send(query(b"COMMIT"))
    assert server.read() == query(b"COMMIT")
    server.send(complete(b"COMMIT"), READY)
    assert server.read() == SELECT


def test_reply_to_an_earlier_query_does_not_release_an_open_batch() -> None:
    stage = Stage()
    one, two = stage.client(), stage.client()
    (server,) = stage.servers
    one.send(SELECT, parse(b"", b"SELECT 2\0\0\0"))
    two.send(SELECT)
    server.read()
    server.send(ANSWER)
    assert server.connection.session is one.session
    assert server.read() == b""
    one.send(SYNC_MESSAGE)
    assert server.read() == SYNC_MESSAGE
    server.send(PARSED, READY)
    assert server.read() == SELECT


def test_bytes_of_ready_for_query_in_a_row_do_not_free_the_connection() -> None:
    client, server = Stage().connected()
    client.send(SELECT)
    server.send(row(READY))
    assert server.connection.session is client.session
    server.send(complete(b"SELECT 1"), READY)
    assert client.read() == row(READY) + complete(b"SELECT 1") + READY
    assert server.connection.session is None


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\0\0\0\3", b"\0\0\0\0"])
def test_impossible_length_closes_only_that_client(length: bytes) -> None:
    stage = Stage()
    bad, good = stage.client(), stage.client()
    bad.read(), good.read()
    bad.send(b"Q" + length)
    number = int.from_bytes(length, "big")
    text = f"invalid message length {number}"
    assert bad.read() == error_response("FATAL", "08P01", text)
    assert bad.wire.closed
    refusals = [e for e in stage.events if isinstance(e, events.ClientRefused)]
    assert [refusal.text for refusal in refusals] == [text]
    good.send(SELECT)
    stage.servers[0].send(ANSWER)
    assert good.read() == ANSWER


def test_client_lost_in_a_transaction_closes_its_connection() -> None:
    stage = Stage()
    client, server = stage.connected()
    client.send(query(b"BEGIN"))
    server.send(BEGUN)
    server.read()
    client.vanish()
    assert server.read() == messages.TERMINATE_MESSAGE
    assert list(stage.pool.closing) == [server.connection]
    assert stage.cancelled == []
    server.vanish()
    assert len(stage.pool) == 0


def test_request_of_a_lost_client_is_cancelled() -> None:
    stage = Stage()
    client = stage.client()
    (server,) = stage.servers
    client.send(SELECT)
    client.vanish()
    assert stage.cancelled == [server.connection]
    server.send(ANSWER)
    assert client.read().endswith(READY)  # of the login


def test_closing_connection_counts_until_the_server_closes_it() -> None:
    stage = Stage()
    one, two = stage.client(), stage.client()
    (server,) = stage.servers
    one.send(SELECT)
    one.vanish()
    two.read()
    two.send(SELECT)
    assert stage.servers == [server]
    server.vanish()
    assert len(stage.servers) == 2
    stage.servers[1].send(ANSWER)
    assert two.read() == ANSWER


def test_client_lost_in_the_queue_is_not_served() -> None:
    stage = Stage()
    one, two, three = stage.client(), stage.client(), stage.client()
    (server,) = stage.servers
    one.send(SELECT)
    two.send(query(b"SELECT 2"))
    three.send(query(b"SELECT 3"))
    two.vanish()
    server.read()
    server.send(ANSWER)
    assert server.read() == query(b"SELECT 3")
    assert server.connection.session is three.session


def test_borrow_timeout_fails_the_request_and_keeps_the_client() -> None:
    stage = Stage(timeout=120)
    one, two = stage.client(), stage.client()
    (server,) = stage.servers
    one.send(query(b"BEGIN"))
    server.send(BEGUN)
    two.read()
    two.send(SELECT)
    stage.time = 121
    stage.pool.sweep()
    text = "Timed-out waiting to acquire database connection."
    assert two.read() == error_response("ERROR", "08000", text) + READY
    assert not two.wire.closed
    one.send(query(b"COMMIT"))
    server.send(complete(b"COMMIT"), READY)
    server.read()
    two.send(SELECT)
    server.send(ANSWER)
    assert two.read() == ANSWER


def test_borrow_timeout_of_a_batch_is_answered_up_to_its_sync() -> None:
    stage = Stage(timeout=120)
    one, two = stage.client(), stage.client()
    one.send(SELECT)
    two.read()
    two.send(parse(b"", b"SELECT 2\0\0\0"))
    stage.time = 121
    stage.pool.sweep()
    assert kinds(two.read()) == "E"
    two.send(parse(b"", b"SELECT 3\0\0\0"))
    assert two.read() == b""
    two.send(SYNC_MESSAGE)
    assert two.read() == READY


def test_server_lost_under_a_client_in_a_transaction() -> None:
    client, server = Stage().connected()
    client.send(query(b"BEGIN"))
    server.send(BEGUN)
    client.read()
    server.vanish()
    assert client.read() == error_response(
        "FATAL", "08006", "The database connection was closed."
    )
    assert client.wire.closed


def test_fatal_error_of_the_server_is_sent_to_the_client() -> None:
    client, server = Stage().connected()
    client.send(query(b"BEGIN"))
    server.send(BEGUN)
    client.read()
    words = error_response("FATAL", "57P01", "terminating connection")
    server.send(words)
    server.vanish()
    assert client.read() == words
    assert client.wire.closed


def test_server_lost_under_an_idle_client_is_not_noticed() -> None:
    stage = Stage()
    client = stage.client()
    stage.servers[0].vanish()
    client.read()
    client.send(SELECT)
    stage.servers[1].send(ANSWER)
    assert client.read() == ANSWER


def test_slow_client_pauses_its_server() -> None:
    client, server = Stage().connected()
    client.send(SELECT)
    client.session.pause_writing()
    assert not server.wire.reading
    client.session.resume_writing()
    assert server.wire.reading


def test_slow_client_does_not_delay_the_next_one() -> None:
    client, server = Stage().connected()
    client.send(SELECT)
    client.session.pause_writing()
    server.send(ANSWER)
    assert server.wire.reading
    client.send(SELECT)
    assert not server.wire.reading


def test_slow_server_pauses_its_client() -> None:
    client, server = Stage().connected()
    client.send(SELECT)
    server.connection.pause_writing()
    assert not client.wire.reading
    server.connection.resume_writing()
    assert client.wire.reading


def test_client_that_sends_while_it_waits_is_paused() -> None:
    stage = Stage()
    one, two = stage.client(), stage.client()
    (server,) = stage.servers
    one.send(SELECT)
    two.send(SELECT * 25_000)
    assert not two.wire.reading
    server.send(ANSWER)
    assert two.wire.reading


def test_settings_of_a_client_follow_it() -> None:
    stage = Stage()
    stage.on_open = lambda server: server.greet({b"TimeZone": b"Etc/UTC"})
    plain = stage.client()
    (server,) = stage.servers
    server.read()
    tokyo = stage.client(TimeZone=b"Asia/Tokyo")
    assert server.read() == query(
        b"SELECT pg_catalog.set_config('TimeZone','Asia/Tokyo',false)"
    )
    server.send(
        messages.parameter_status(b"TimeZone", b"Asia/Tokyo"),
        row(b"Asia/Tokyo"),
        complete(b"SELECT 1"),
        READY,
    )
    assert kinds(tokyo.read()) == "RSZ"
    plain.read()
    plain.send(SELECT)
    assert server.read() == query(b"RESET TimeZone") + SELECT
    server.send(
        messages.parameter_status(b"TimeZone", b"Etc/UTC"), complete(b"RESET"), READY
    )
    server.send(ANSWER)
    assert plain.read() == ANSWER


def test_parameters_that_differ_on_a_borrowed_connection_are_reported() -> None:
    stage = Stage()
    stage.on_open = lambda server: server.greet({b"in_hot_standby": b"off"})
    client, server = stage.connected()
    server.send(messages.parameter_status(b"in_hot_standby", b"on"))
    assert client.read() == b""
    client.send(SELECT)
    assert client.read() == messages.parameter_status(b"in_hot_standby", b"on")


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_parameter_status_precedes_the_rows_that_depend_on_it(pieces: int) -> None:
    """The server's bytes come in pieces, with a value that differs from the last."""
    stage = Stage()
    stage.on_open = lambda server: server.greet({b"IntervalStyle": b"postgres"})
    first, second = (stage.client(application_name=name) for name in (b"a", b"b"))
    for server in stage.servers:
        server.send(row(b"a"), complete(b"SELECT 1"), READY)
        server.send(row(b"b"), complete(b"SELECT 1"), READY)
    (server,) = stage.servers
    first.send(SELECT)
    server.send(row(b"a"), complete(b"SELECT 1"), READY)
    iso = messages.parameter_status(b"IntervalStyle", b"iso_8601")
    server.send(iso, ANSWER)
    second.read()
    server.read()
    second.send(SELECT)
    assert server.read().endswith(SELECT)
    answers = row(b"b") + complete(b"SELECT 1") + READY + ANSWER
    size = len(answers) // pieces + 1
    for at in range(0, len(answers), size):
        server.send(answers[at : at + size])
    assert second.read() == iso + ANSWER


def test_replies_after_refused_settings_reach_no_client() -> None:
    stage = Stage()
    stage.client(application_name=b"a")
    second = stage.client()
    (server,) = stage.servers
    server.send(row(b"a"), complete(b"SELECT 1"), READY)
    second.read()
    second.send(SELECT)
    server.send(error_response("ERROR", "22023", "no"), READY, ANSWER)
    assert second.read() == error_response("FATAL", "22023", "no")
    assert second.wire.closed


def test_refused_setting_ends_the_login() -> None:
    stage = Stage()
    stage.client()
    (server,) = stage.servers
    nowhere = stage.client(TimeZone=b"nowhere")
    server.send(error_response("ERROR", "22023", "invalid value"), READY)
    assert nowhere.read().endswith(error_response("FATAL", "22023", "invalid value"))
    assert nowhere.wire.closed


def test_pinned_session_keeps_its_connection_until_it_leaves() -> None:
    stage = Stage()
    client, other = stage.client(), stage.client()
    (server,) = stage.servers
    client.send(PINNING)
    server.send(ANSWER)
    server.read()
    other.send(SELECT)
    assert server.read() == b""
    client.send(messages.message(messages.TERMINATE, b""))
    assert server.read() == query(b"DISCARD ALL")
    server.send(complete(b"DISCARD ALL"), READY)
    assert server.read() == SELECT


def test_a_cancel_request_in_flight_closes_the_connection() -> None:
    """It could reach the statement of the connection's next borrower."""
    stage = Stage()
    client, other = stage.client(), stage.client()
    (server,) = stage.servers
    client.send(PINNING)
    server.send(ANSWER)
    server.connection.cancelling += 1
    other.send(SELECT)
    server.read()
    client.send(messages.message(messages.TERMINATE, b""))
    assert server.read() == messages.message(messages.TERMINATE, b"")
    server.vanish()
    (_, another) = stage.servers
    assert another.read().endswith(SELECT)


def test_a_parameter_status_beyond_the_inspected_size_is_forwarded_whole() -> None:
    client, server = Stage().connected()
    status = messages.parameter_status(b"search_path", b"a" * 200_000)
    client.send(SELECT)
    for at in range(0, len(status), 60_000):
        server.send(status[at : at + 60_000])
    server.send(ANSWER)
    assert client.read() == status + ANSWER
    assert (
        client.session.client.reported_parameters.values[b"search_path"]
        == b"a" * 200_000
    )


def test_failed_reset_closes_the_connection() -> None:
    client, server = Stage().connected()
    client.send(PINNING)
    server.send(ANSWER)
    client.vanish()
    server.read()
    server.send(error_response("ERROR", "XX000", "no"), READY)
    assert server.read() == messages.TERMINATE_MESSAGE


def test_long_error_that_mentions_a_shared_statement_is_forwarded_unchanged() -> None:
    client, server = Stage().connected()
    client.send(parse(b"s", b"SELECT 1\0\0\0") + SYNC_MESSAGE)
    server.send(PARSED, READY)
    client.read()
    (shared,) = server.connection.statements.held
    client.send(query(b"SELECT fail()"))
    text = b"SERROR\0VERROR\0CP0001\0M" + shared.name + b"x" * 100_000 + b"\0\0"
    error = message(messages.ERROR_RESPONSE, text)
    server.send(error[:70_000])
    server.send(error[70_000:], READY)
    assert client.read() == error + READY


def test_query_without_a_text_is_forwarded_unchanged() -> None:
    client, server = Stage().connected()
    empty = message(messages.QUERY, b"")
    client.send(empty)
    assert server.read() == empty


def test_unnamed_statement_of_another_client_is_never_used() -> None:
    stage = Stage()
    one, two = stage.client(), stage.client()
    (server,) = stage.servers
    one.send(parse(b"", b"SELECT 'one'\0\0\0"), SYNC_MESSAGE)
    server.send(PARSED, READY)
    two.send(parse(b"", b"SELECT 'two'\0\0\0"), SYNC_MESSAGE)
    server.send(PARSED, READY)
    server.read()
    one.read()
    bind = message(messages.BIND, b"\0\0\0\0\0\0\0\0")
    one.send(bind, SYNC_MESSAGE)
    assert server.read() == (parse(b"", b"SELECT 'one'\0\0\0") + bind + SYNC_MESSAGE)
    server.send(PARSED, message(messages.BIND_COMPLETE, b""), READY)
    assert one.read() == message(messages.BIND_COMPLETE, b"") + READY


def test_client_lost_in_a_batch_closes_its_connection() -> None:
    client, server = Stage().connected()
    client.send(parse(b"", b"SELECT 1\0\0\0"))
    server.send(PARSED)
    server.read()
    client.send(messages.message(messages.TERMINATE, b""))
    assert server.read() == messages.TERMINATE_MESSAGE


def test_notice_after_a_reply_does_not_reach_the_next_client() -> None:
    stage = Stage()
    one, two = stage.client(), stage.client()
    (server,) = stage.servers
    one.read(), two.read()
    one.send(SELECT)
    notice = message(messages.NOTICE_RESPONSE, b"SNOTICE\0Mhello\0\0")
    server.send(ANSWER, notice[:9])
    two.send(SELECT)
    server.read()
    server.send(notice[9:])
    assert one.read() == ANSWER + notice
    assert server.read() == SELECT
    assert two.read() == b""


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_chunks_make_no_difference(size: int) -> None:
    client, server = Stage().connected()
    sent = SELECT + parse(b"s", b"SELECT 1\0\0\0") + SYNC_MESSAGE
    for at in range(0, len(sent), size):
        client.send(sent[at : at + size])
    assert kinds(server.read()) == "QPS"
    replies = ANSWER + PARSED + ready_for_query(messages.IDLE)
    for at in range(0, len(replies), size):
        server.send(replies[at : at + size])
    assert client.read() == replies
    assert server.connection.session is None


def in_tokyo(stage: Stage) -> tuple[Client, Server]:
    """Return a client whose startup packet sets TimeZone, and its server."""
    client = stage.client(TimeZone=b"Asia/Tokyo")
    (server,) = stage.servers
    server.send(row(b"Asia/Tokyo"), complete(b"SELECT 1"), READY)
    client.read(), server.read()
    return client, server


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (BEGUN, IN_TRANSACTION),
        (error_response("ERROR", "42601", "no") + FAILED, FAILED),
    ],
    ids=["in a transaction", "in a failed transaction"],
)
def test_reset_that_waited_in_a_transaction_keeps_the_connection(
    begun: bytes, status: bytes
) -> None:
    client, server = in_tokyo(Stage())
    client.send(query(b"BEGIN"))
    client.send(RESET)
    assert server.read() == query(b"BEGIN")
    server.send(begun)
    assert server.read() == RESET
    server.send(complete(b"RESET") + status)
    if status == IN_TRANSACTION:
        assert b"set_config" in server.read()
        server.send(row(b"Asia/Tokyo"), complete(b"SELECT 1"), status)
    client.send(SELECT[:4])
    assert client.session.connection is server.connection
    assert server.connection.session is client.session


def test_values_are_restored_only_after_the_reset_was_sent() -> None:
    """The EXECUTE waits until the server has answered all earlier requests."""
    client, server = in_tokyo(Stage())
    client.send(query(b"BEGIN"))
    server.send(BEGUN)
    client.send(parse(b"p", b"SELECT 2\0\0\0"), SYNC_MESSAGE)
    server.read()
    server.send(PARSED, IN_TRANSACTION)
    resetting = query(b"RESET TimeZone; EXECUTE p")
    client.send(SELECT, resetting)
    assert server.read() == SELECT
    server.send(row(b"1"), complete(b"SELECT 1"), IN_TRANSACTION)
    sent = server.read()
    assert b"set_config" not in sent
    assert sent.endswith(resetting)


def test_request_that_the_proxy_answers_is_not_part_of_the_next_ones_latency() -> None:
    stage = Stage(timeout=5)
    holder, client = stage.client(), stage.client()
    (server,) = stage.servers
    holder.send(query(b"BEGIN"))
    server.send(BEGUN)
    client.send(SELECT)
    stage.time = 5
    stage.pool.sweep()
    assert kinds(client.read()).endswith("EZ")
    assert client.session.idle_for(7) == 2
    holder.send(query(b"COMMIT"))
    server.send(complete(b"COMMIT") + READY)
    latency = stage.endpoint.counters.query_latency
    before = latency.buckets().sum
    stage.time = 100
    client.send(SELECT)
    server.send(ANSWER)
    assert latency.buckets().sum == before


def test_repr_says_the_state_in_one_line() -> None:
    stage = Stage()
    stranger = stage.stranger()
    assert repr(stranger.session) == "<ClientSession 1 startup>"
    client, other = stage.client(), stage.client()
    client.send(query(b"LISTEN a"))
    other.send(SELECT)
    assert "2 ready, borrows <DatabaseConnection" in repr(client.session)
    assert "pinned by listen" in repr(client.session)
    assert "4 ready, waiting for a connection" in repr(other)
    client.vanish()
    assert " closed" in repr(client.session)


def test_phases_change_only_as_the_table_allows() -> None:
    client = Stage().client()
    client.vanish()
    with pytest.raises(RuntimeError, match="closed> cannot become ready"):
        client.session.finish_login(NO_PARAMETERS)

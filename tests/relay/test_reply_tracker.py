"""The count of what a server owes, by hand and against a model of the server."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pinwatch.counters import TargetCounters
from pinwatch.relay.prepared import Removed, ServerStatements
from pinwatch.relay.reply_queue import FENCE, INJECTED
from pinwatch.relay.reply_tracker import (
    BATCHES,
    MODES,
    MOVES,
    SKIPPING,
    SYNC_LOST,
    ReplyTracker,
)
from pinwatch.relay.statements import Statement
from pinwatch.wire import messages
from pinwatch.wire.messages import message
from tests import model
from tests.model import Play
from tests.stage import READY, Client, Server, Stage, complete, row
from tests.wireclient import (
    COPY_DONE,
    FLUSH,
    SYNC,
    bind,
    call,
    close,
    close_portal,
    copy_data,
    copy_fail,
    describe,
    describe_portal,
    execute,
    parse,
    query,
)

COPY_FAIL: Final = copy_fail("no")
GOOD: Final = copy_data(model.GOOD_DATA)
BAD: Final = copy_data(b"bad\n")

STEPS: Final[dict[str, Callable[[ReplyTracker], object]]] = {
    # Sent to the server.
    "Q": ReplyTracker.query,
    "S": ReplyTracker.sync,
    "B": ReplyTracker.batch,
    "X": ReplyTracker.batch,  # Execute
    "P": ReplyTracker.unnamed_parse,
    "N": ReplyTracker.plain,
    "C": ReplyTracker.copy_end,
    "I": lambda replies: replies.inject(INJECTED),
    "F": lambda replies: replies.inject(FENCE),
    # Sent by the server: ReadyForQuery, ParseComplete or CloseComplete, ErrorResponse,
    # CopyInResponse.
    "z": ReplyTracker.ready,
    "o": ReplyTracker.completed,
    "e": ReplyTracker.failed,
    "g": ReplyTracker.copy_in,
}


TABLE = [
    # Pipelines.
    ("a query", "Qz", "-+"),
    ("queries", "QQzz", "---+"),
    ("Syncs", "SSSzzz", "-----+"),
    ("batches", "PBSNBSozoz", "---------+"),
    ("answers while more is sent", "QzQSzQzz", "-+-----+"),
    ("an answer within the next batch", "QPzSoz", "-----+"),
    ("a batch without its Sync", "PBo", "---"),
    ("a Query that ends a batch spoils the connection", "PBQoz", "-----"),
    ("a query of the proxy's own", "IPSzoz", "-----+"),
    # Errors that skip.
    ("a failing query", "QQezz", "----+"),
    ("a failing batch", "PBNSez", "-----+"),
    ("its Sync comes later", "PBeSz", "----+"),
    ("what comes before its Sync is skipped", "PeBQPNSz", "-------+"),
    ("the batches after it are not", "PBSPBSQezozz", "-----------+"),
    ("those before it are not", "QPSPSzozez", "---------+"),
    ("a failing query does not skip", "QPSezoz", "------+"),
    ("a Query may be skipped or have failed", "PBQSezFz", "-------+"),
    ("the same, before the Sync", "PQeSzFz", "------+"),
    # COPY.
    ("COPY", "QgCz", "---+"),
    ("its end is sent ahead", "QCgz", "---+"),
    ("an end for a query that is no COPY", "QCz", "--+"),
    ("an end for nothing", "CQzC", "+-++"),
    ("Syncs that it ignores", "QgSSCz", "-----+"),
    ("the same, sent ahead", "QSSCgz", "-----+"),
    ("Sync after it", "QgCSzz", "-----+"),
    ("queries around it", "QQzgCQzz", "-------+"),
    ("COPY that is given up", "QgCez", "----+"),
    ("COPY that cannot start", "QCez", "---+"),
    ("Sync before or after its failure", "QgSezFz", "------+"),
    ("another message makes it fail", "QgQezFz", "------+"),
    ("COPY in a batch", "PXogCSz", "------+"),
    ("the same, given up", "PXogCeSz", "-------+"),
    ("the same, given up and synced", "PXogCSez", "-------+"),
    ("COPY in a batch that cannot start", "PXCSez", "-----+"),
    ("COPY of what is prepared, the end ahead", "XCgSz", "----+"),
    ("a query after COPY in a batch failed", "PXogeSQzz", "--------+"),
    ("Syncs that an earlier COPY ignored", "QgSCzQgCez", "----+----+"),
    ("the same, and one that can", "PXCSPXezogCSz", "------------+"),
    ("COPY in a batch with the first Sync ahead", "PXSogCSz", "-------+"),
    ("the end ahead as well", "PXSCogSz", "-------+"),
    ("failing with the first Sync ahead", "PXSogCeSzFz", "----------+"),
    ("the end of a COPY in a batch ahead", "PXCSogz", "------+"),
    ("the end and a query ahead", "PXCogSQzz", "--------+"),
    ("two in a batch, with both ends ahead", "PXCXCSoggz", "---------+"),
]


@pytest.mark.parametrize(
    ("script", "settled"), [pytest.param(*row[1:], id=row[0]) for row in TABLE]
)
def test_when_nothing_is_due(script: str, settled: str) -> None:
    replies = ReplyTracker()
    found = ""
    for step in script:
        STEPS[step](replies)
        found += "+" if replies.settled() else "-"
    assert found == settled


@pytest.fixture
def server() -> ServerStatements:
    return ServerStatements(10, TargetCounters(), ReplyTracker())


def removed(server: ServerStatements, name: bytes) -> Removed:
    """A change that, taken back, puts a statement of this name at the end of held."""
    return Removed(server, Statement(name, b""))


def put_back(server: ServerStatements) -> list[bytes]:
    return [statement.name for statement in server.held]


def test_a_change_stays_when_it_is_answered(server: ServerStatements) -> None:
    replies, change = ReplyTracker(), removed(server, b"a")
    replies.batch()
    replies.change(change)
    replies.sync()
    assert replies.completed()
    assert replies.ready()
    assert put_back(server) == []
    assert not replies.changes


def test_changes_that_an_error_skips_are_undone_last_first(
    server: ServerStatements,
) -> None:
    replies = ReplyTracker()
    for name in b"a", b"b", b"c":
        replies.batch()
        replies.change(removed(server, name))
    replies.sync()
    replies.batch()
    replies.change(removed(server, b"next batch"))
    replies.completed()
    replies.failed()
    assert put_back(server) == [b"c", b"b"]
    assert len(replies.changes) == 1


def test_changes_that_are_never_answered_are_undone_by_ready_for_query(
    server: ServerStatements,
) -> None:
    replies = ReplyTracker()
    replies.batch()
    replies.change(removed(server, b"a"))
    replies.sync()
    replies.ready()
    assert put_back(server) == [b"a"]
    assert replies.needs_fence


def test_an_answer_to_nothing_is_nobodys() -> None:
    replies = ReplyTracker()
    assert not replies.completed()
    assert not replies.ready()
    replies.query()
    assert not replies.completed()
    assert replies.due


@pytest.mark.parametrize(
    ("script", "doubtful"),
    [
        ("PSP", True),
        ("PSoP", False),
        ("PSo", False),
        ("PS", True),
        ("P", False),
        ("PQ", True),
        ("QS", False),
        ("NS", False),
        ("PSez", False),
        ("PePSP", False),
    ],
)
def test_what_an_earlier_batch_may_change_is_in_doubt(
    script: str, doubtful: bool
) -> None:
    replies = ReplyTracker()
    for step in script:
        STEPS[step](replies)
    assert replies.in_doubt() is doubtful


def test_sql_that_may_drop_statements_is_a_doubt_until_all_is_answered() -> None:
    replies = ReplyTracker()
    replies.drops_statements()
    replies.query()
    assert replies.in_doubt()
    replies.query()
    replies.ready()
    assert replies.in_doubt()
    replies.ready()
    assert not replies.in_doubt()


# On a stage, with the server played by hand.

PARSED: Final = message(messages.PARSE_COMPLETE, b"")
BOUND: Final = message(messages.BIND_COMPLETE, b"")
IN_BLOCK: Final = messages.ready_for_query(ord("T"))
COPY_IN: Final = message(messages.COPY_IN_RESPONSE, b"\0\0\1\0\0")
NOTICE: Final = message(messages.NOTICE_RESPONSE, b"SNOTICE\0Mhello\0\0")
FAILED: Final = messages.error_response("ERROR", "22P02", "invalid input")
COPY: Final = parse("", "COPY t FROM STDIN") + bind("") + execute()
FENCES: Final = b"pinwatch_fence_"


def lent(client: Client, server: Server) -> bool:
    return server.connection.session is client.session


def fenced(server: Server) -> bytes:
    """The answer to the fence that server was just sent."""
    sent = server.read()
    assert FENCES in sent
    name = sent[sent.index(FENCES) :].split(b";")[0]
    answer = model.row_description(name) + row(b"1") + complete(b"SELECT 1")
    return answer + complete(b"DEALLOCATE ALL") + READY


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_syncs_into_a_copy_that_fails_are_answered_or_not(answered: int) -> None:
    client, server = Stage().connected()
    client.send(query("COPY t FROM STDIN"))
    server.send(COPY_IN)
    client.send(SYNC, SYNC, copy_data(b"bad\n"), COPY_DONE)
    server.read()
    server.send(FAILED, READY, READY * answered)
    assert lent(client, server)
    server.send(fenced(server))
    assert client.read() == COPY_IN + FAILED + READY * (1 + answered)
    assert not lent(client, server)


def test_a_sync_between_the_failure_and_its_telling() -> None:
    client, server = Stage().connected()
    client.send(COPY, SYNC)
    server.send(PARSED, BOUND, COPY_IN)
    client.send(copy_data(b"bad\n"), COPY_DONE, SYNC)
    server.read()
    server.send(FAILED)
    assert server.read() == b""
    server.send(READY)
    server.send(fenced(server))
    assert client.read() == PARSED + BOUND + COPY_IN + FAILED + READY
    assert not lent(client, server)


def test_a_query_in_a_batch_that_failed_is_skipped_or_not() -> None:
    client, server = Stage().connected()
    client.send(parse("", "SELECT 1"), query("SELECT 2"), SYNC)
    server.read()
    server.send(PARSED, FAILED, READY, READY)
    assert lent(client, server)
    server.send(fenced(server))
    assert not lent(client, server)
    assert client.read() == PARSED + FAILED + READY + READY


def test_the_next_client_waits_for_the_fence() -> None:
    stage = Stage()
    one, two = stage.client(), stage.client()
    (server,) = stage.servers
    one.read(), two.read()
    one.send(parse("", "SELECT 1"), query("SELECT 2"), SYNC)
    two.send(query("SELECT 3"))
    server.read()
    server.send(PARSED, FAILED, READY)
    answer = fenced(server)
    server.send(answer[:-1])
    assert server.read() == b""
    server.send(answer[-1:])
    assert server.read() == query("SELECT 3")
    assert two.read() == b""


def test_a_copy_in_a_batch_keeps_its_connection_until_the_sync() -> None:
    client, server = Stage().connected()
    client.send(COPY, SYNC)
    server.send(PARSED, BOUND, COPY_IN)
    client.send(copy_data(b"1\n"), COPY_DONE)
    server.send(NOTICE)
    assert lent(client, server)
    client.send(SYNC)
    server.send(complete(b"COPY 1"), READY)
    assert not lent(client, server)


def test_a_query_after_a_copy_whose_end_was_sent_ahead() -> None:
    client, server = Stage().connected()
    client.send(COPY, COPY_DONE)
    server.send(PARSED, BOUND, COPY_IN, NOTICE)
    client.send(SYNC, query("SELECT 1"))
    server.send(complete(b"COPY 0"), READY)
    assert lent(client, server)
    assert FENCES not in server.read()
    server.send(row(b"1"), complete(b"SELECT 1"), READY)
    assert not lent(client, server)


def test_what_a_query_in_a_batch_spoils_is_cleared() -> None:
    client, server = Stage().connected()
    client.send(parse("", "SELECT 1"), bind(""), execute(), query("SELECT 2"))
    server.read()
    server.send(PARSED, BOUND, complete(b"SELECT 1"), complete(b"SELECT 1"), IN_BLOCK)
    assert server.read() == b""
    client.send(SYNC)
    assert server.read() == SYNC
    server.send(READY)
    assert server.read() == query("SELECT 1")
    assert lent(client, server)
    client.read()
    server.send(FAILED, READY)
    assert client.read() == b""
    assert not lent(client, server)


def test_no_fence_is_sent_into_a_batch() -> None:
    client, server = Stage().connected()
    client.send(COPY, SYNC, copy_data(b"bad\n"), SYNC)
    server.send(PARSED, BOUND, COPY_IN)
    client.send(bind("", portal="p"))
    server.read()
    server.send(FAILED, READY, BOUND)
    assert FENCES not in server.read()


def test_no_fence_is_sent_into_a_message() -> None:
    client, server = Stage().connected()
    client.send(COPY, SYNC)
    server.send(PARSED, BOUND, COPY_IN)
    late = copy_data(b"1\n" * 10)
    client.send(copy_data(b"bad\n"), SYNC, late[:9])
    server.read()
    server.send(FAILED, READY)
    assert server.read() == b""
    client.send(late[9:])
    assert server.read().startswith(late[9:])


# Against a model of the server.

NAMES: Final = st.sampled_from(["s", "t"])
PORTALS: Final = st.sampled_from(["", "p"])
SIZES: Final = st.sampled_from([1, 2, 3, 5, 8, 13, 40, 1000])
PREPARED: Final = st.sampled_from(
    [
        text.decode()
        for text in (
            model.SELECT,
            model.NO_COLUMN,
            model.NO_DIVISION,
            model.BEGIN,
            model.COMMIT,
            model.ROLLBACK,
            model.COPY_OUT,
            b"",
        )
    ]
)
QUERIES: Final = PREPARED | st.sampled_from(
    [
        "SELECT 1; SELECT 2",
        "BEGIN; SELECT 1",
        "SELECT 1; BEGIN",
        "SELECT 1; COMMIT",
        "BEGIN; SELECT nope",
        "SELECT 1; ROLLBACK; SELECT 2",
    ]
)
COPIES: Final = st.sampled_from(
    ["COPY t FROM STDIN", "SELECT 1; COPY t FROM STDIN; SELECT 2"]
)
ENDS: Final = st.sampled_from([COPY_DONE, COPY_FAIL])
DATA: Final = st.lists(
    st.sampled_from([GOOD, GOOD, BAD, copy_data(b"")]), max_size=3
).map(b"".join)
EPILOGUE: Final = COPY_DONE * 2 + SYNC + query("ROLLBACK")
"""Ends whatever a client may be in."""


@st.composite
def steps(draw: st.DrawFn) -> bytes:
    """A few messages of a batch, in an order in which drivers send them."""
    portal, name = draw(PORTALS), draw(NAMES)
    of_unnamed = parse("", draw(PREPARED)) + bind("", portal=portal)
    of_named = parse(name, draw(PREPARED)) + bind(name, portal=portal)
    return draw(
        st.sampled_from(
            [
                of_unnamed + describe_portal(portal) + execute(portal),
                of_named + execute(portal),
                parse(name, draw(PREPARED)),
                bind(name, portal=portal) + execute(portal),
                parse(name, draw(PREPARED)) + describe(name),
                close(name),
                close_portal(portal),
                execute(portal),
                FLUSH,
            ]
        )
    )


Script = list[bytes]
"""The parts that a client sends; it waits for the replies to each."""
batches = st.lists(steps(), max_size=4).map(lambda batch: b"".join(batch) + SYNC)
plain_requests = st.one_of(QUERIES.map(query), batches, st.just(call(2026)))


@st.composite
def copies(draw: st.DrawFn, sync_ahead: bool) -> Script:
    """A COPY of a client that sends data when it is asked for them.

    sync_ahead is libpq's way: the batch has its Sync before the data and after them.
    """
    end = draw(DATA) + draw(ENDS)
    name = draw(st.sampled_from(["", "c"]))
    start = parse(name, "COPY t FROM STDIN") + bind(name) + execute()
    in_batch = [[start + FLUSH, end + SYNC], [start + FLUSH, end, SYNC]]
    if sync_ahead:
        in_batch = [[start + SYNC, end + SYNC], [start + SYNC, end, SYNC]]
    return draw(st.sampled_from([[query(draw(COPIES)), end], *in_batch]))


pipelines: st.SearchStrategy[Script] = st.lists(plain_requests, max_size=6).map(
    lambda requests: [b"".join(requests), EPILOGUE]
)


def conversations(sync_ahead: bool) -> st.SearchStrategy[Script]:
    one = plain_requests.map(lambda request: [request]) | copies(sync_ahead)
    return st.lists(one, max_size=5).map(lambda requests: [*chain(*requests), EPILOGUE])


wild_messages = st.one_of(
    QUERIES.map(query),
    COPIES.map(query),
    steps(),
    st.builds(parse, st.sampled_from(["", "s"]), PREPARED),
    st.sampled_from(
        [
            SYNC,
            COPY_DONE,
            COPY_FAIL,
            GOOD,
            BAD,
            FLUSH,
            COPY,
            call(2026),
            bind(""),
            execute(),
            close(""),
            describe(""),
        ]
    ),
)
wild = st.lists(wild_messages, max_size=8).map(lambda sent: [b"".join(sent)])
stray = st.sampled_from([COPY_DONE, COPY_FAIL, GOOD, BAD, SYNC, FLUSH])
loose: st.SearchStrategy[Script] = st.lists(
    st.one_of(
        plain_requests.map(lambda request: [request]),
        copies(sync_ahead=False),
        copies(sync_ahead=True),
        stray.map(lambda sent: [sent]),
    ),
    max_size=6,
).map(lambda requests: [b"".join(chain(*requests)) + EPILOGUE])
moves = st.lists(st.tuples(st.booleans(), st.integers(0, 1), SIZES), max_size=40)
Moves = list[tuple[bool, int, int]]


ABORTED: Final = messages.error_response(
    "ERROR",
    "25P02",
    "current transaction is aborted, commands ignored until end of transaction block",
)


def moved(play: Play, moves: Moves) -> Play:
    for by_client, number, size in moves:
        if by_client:
            play.send(number, size)
        else:
            play.reply(number, size)
    return play


def played(scripts: list[Script], moves: Moves, connections: int, kept: int) -> Play:
    play = moved(Play(scripts, connections, kept), moves)
    play.finish()
    return play


def check(play: Play) -> None:
    """Every client received the replies that a server of its own would send."""
    for client, received, own in zip(
        play.clients, play.received, play.expected, strict=True
    ):
        assert alike(received) == alike(own.output)
        assert client.wire.closed is own.dead
    for server in play.backends:
        assert server.connection.replies.settled()
        assert server.connection.session is None


def alike(replies: bytes) -> bytes:
    """Return the replies without a known difference.

    test_a_statement_that_is_prepared_again_in_a_failed_transaction
    """
    for name in "st":
        text = f'prepared statement "{name}" already exists'
        exists = messages.error_response("ERROR", "42P05", text)
        replies = replies.replace(exists, ABORTED)
    return replies


def two(scripts: st.SearchStrategy[Script]) -> st.SearchStrategy[list[Script]]:
    return st.lists(scripts, min_size=2, max_size=2)


CERTAIN: Final = settings(
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)
"""Settings of a test that must fail: derandomized, without shrinking."""
connections = st.integers(1, 2)
kept_statements = st.sampled_from([1, 2, 100])


@settings(max_examples=150, deadline=None)
@given(two(pipelines), moves, connections, kept_statements)
def test_clients_that_do_not_wait_for_answers(
    scripts: list[Script], moves: Moves, connections: int, kept: int
) -> None:
    check(played(scripts, moves, connections, kept))


@settings(max_examples=150, deadline=None)
@given(two(conversations(sync_ahead=False)), moves, connections, kept_statements)
def test_clients_that_wait_for_answers(
    scripts: list[Script], moves: Moves, connections: int, kept: int
) -> None:
    check(played(scripts, moves, connections, kept))


@settings(CERTAIN, max_examples=150)
@given(two(conversations(sync_ahead=True)), moves, connections, kept_statements)
def test_clients_that_copy_as_libpq_does(
    scripts: list[Script], moves: Moves, connections: int, kept: int
) -> None:
    check(played(scripts, moves, connections, kept))


@settings(CERTAIN, max_examples=400)
@given(two(loose), moves, connections, kept_statements)
def test_clients_that_copy_and_do_not_wait_for_answers(
    scripts: list[Script], moves: Moves, connections: int, kept: int
) -> None:
    check(played(scripts, moves, connections, kept))


@settings(max_examples=150, deadline=None)
@given(wild, conversations(sync_ahead=False), moves, connections, kept_statements)
def test_a_client_that_sends_anything_harms_no_other(
    hostile: Script, other: Script, moves: Moves, connections: int, kept: int
) -> None:
    play = moved(Play([hostile, other], connections, kept), moves)
    play.leave(0)
    play.finish()
    assert alike(play.received[1]) == alike(play.expected[1].output)
    assert play.parts[1] == []
    assert not play.clients[1].wire.closed


def test_no_fence_is_seen() -> None:
    again = bind("") + execute()
    script = [COPY + COPY_DONE + again + COPY_DONE + SYNC + query("ROLLBACK")]
    play = Play([script], 1, 100)
    play.send(0)
    play.reply(0, 25)
    play.reply(0, 25)
    play.finish()
    check(play)


UNNAMED: Final = parse("", "SELECT 1")
ERROR: Final = describe("nothing")


@pytest.mark.parametrize(
    "script",
    [
        [UNNAMED + SYNC, ERROR + FLUSH, query("SELECT 2") + SYNC, bind("") + SYNC],
        [UNNAMED + SYNC, ERROR + FLUSH, close("") + SYNC, bind("") + SYNC],
        [UNNAMED + ERROR + parse("", "SELECT 2") + SYNC, bind("") + SYNC],
        [ERROR + FLUSH, UNNAMED + SYNC, query("SELECT 2"), bind("") + SYNC],
        [parse("", "SELECT nope") + SYNC + UNNAMED + SYNC, bind("") + SYNC],
        [parse("", "SELECT nope") + SYNC, bind("") + SYNC],
    ],
)
def test_the_unnamed_statement_after_an_error(script: Script) -> None:
    play = Play([script], 1, 100)
    play.finish()
    check(play)


def test_an_unnamed_statement_that_was_skipped_is_not_prepared_elsewhere() -> None:
    script = [ERROR + FLUSH, UNNAMED + SYNC, bind("") + SYNC]
    play = Play([script, [parse("", "SELECT 2") + SYNC]], 1, 100)
    for number in (0, 0, 1):
        play.send(number)
        play.reply(0)
    play.finish()
    check(play)


def test_an_error_has_the_name_that_the_client_used() -> None:
    same = [parse(name, "SELECT 1") for name in ("s", "t", "t")]
    play = Play([[b"".join(same) + SYNC]], 1, 100)
    play.finish()
    assert play.received[0] == play.expected[0].output


@pytest.mark.parametrize(
    "again", [describe("s"), parse("s", "ROLLBACK")], ids=["Describe", "Parse"]
)
def test_a_statement_that_is_prepared_again_in_a_failed_transaction(
    again: bytes,
) -> None:
    """It fails as all do; a server of the client's own had the statement already."""
    script = [parse("s", "BEGIN") + SYNC, query("BEGIN"), query("SELECT nope")]
    others = [parse("s", "COMMIT") + SYNC]
    play = Play([[*script, again + SYNC], others], 1, 1)
    play.send(0)
    play.reply(0)
    play.send(1)
    play.reply(0)
    play.finish()
    assert play.received[0].endswith(ABORTED + messages.ready_for_query(ord("E")))


# The states.


def printed(moves: dict[str, bytes]) -> str:
    """The table of the states as the documentation prints it."""
    states = [f"{mode}, {batch}" for mode in MODES for batch in BATCHES]
    possible = [n for n in range(9) if n != SKIPPING + SYNC_LOST]
    lines = [
        "| Event | " + " | ".join(states[n] for n in possible) + " |",
        "|---" * (len(possible) + 1) + "|",
    ]
    for event, after in moves.items():
        cells = ("=" if after[n] == n else states[after[n]] for n in possible)
        lines.append(f"| {event} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def test_the_documentation_prints_the_states() -> None:
    page = Path("docs/decisions/counting-replies.md").read_text("utf-8")
    assert printed(MOVES) in page


def test_no_event_leads_to_a_skip_with_a_lost_sync() -> None:
    impossible = SKIPPING + SYNC_LOST
    for event, after in MOVES.items():
        assert len(after) == 9
        others = after[:impossible] + after[impossible + 1 :]
        assert impossible not in others, event


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("", "reading, batch closed, due: nothing"),
        ("PSQ", "reading, batch closed, due: unnamed Parse, Sync, Query"),
        ("QgS", "copying, batch closed, due: Query"),
        ("Pe", "skipping, batch open, due: nothing"),
        ("PXogS", "copying, batch Sync lost, due: nothing"),
        ("PQez", "reading, batch closed, due: nothing, needs a fence"),
        ("PBQoz", "reading, batch closed, due: nothing, needs a reset query"),
        ("Q" * 10, "reading, batch closed, due: " + "Query, " * 8 + "2 more"),
    ],
)
def test_repr_tells_the_state(script: str, shown: str) -> None:
    replies = ReplyTracker()
    for step in script:
        STEPS[step](replies)
    assert repr(replies) == f"<ReplyTracker {shown}>"

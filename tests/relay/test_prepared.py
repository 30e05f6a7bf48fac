"""The statements of one database connection, without a client."""

from collections.abc import Callable
from typing import Any

import pytest

from pinwatch.counters import TargetCounters
from pinwatch.relay.prepared import ServerStatements
from pinwatch.relay.reply_tracker import ReplyTracker
from pinwatch.relay.statements import Statement
from pinwatch.wire.messages import parse


@pytest.mark.parametrize(
    "lose",
    [
        lambda statements, statement: statements.remove(statement),
        lambda statements, statement: statements.forget(statement),
        lambda statements, _: statements.clear(),
    ],
    ids=["remove", "forget", "clear"],
)
def test_the_latest_statement_is_prepared_again_after_its_loss(
    lose: Callable[[ServerStatements, Statement], Any],
) -> None:
    statements = ServerStatements(10, TargetCounters(), ReplyTracker())
    statement = Statement(b"shared", b"SELECT 1\0\0\0")
    prepares = parse(statement.name, statement.definition)
    assert statements.prepare(statement) == prepares
    assert statements.prepare(statement) == b""
    lose(statements, statement)
    assert statements.prepare(statement).endswith(prepares)

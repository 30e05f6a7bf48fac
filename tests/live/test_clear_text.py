"""SQL and values pass through the proxy as they are."""

from pinwatch.wire.messages import DATA_ROW
from tests.live.conftest import Serve
from tests.wireclient import SYNC, bind, execute, parse

SQL = "SELECT current_query() /* DROP DATABASE heed; -- 'é' */"


def test_a_client_without_tls_is_in_clear_text(serve: Serve) -> None:
    client = serve()()
    sent = parse("", "SELECT $1") + bind("", "heed") + execute() + SYNC
    assert b"heed" in sent
    client.send(sent)
    rows = [body for kind, body in client.reply().messages if kind == DATA_ROW]
    assert [body[-4:] for body in rows] == [b"heed"]


def test_sql_reaches_the_database_unchanged(serve: Serve) -> None:
    client = serve()()
    assert client.query(SQL).value == SQL
    for name in ("", "named"):
        reply = client.ask(parse(name, SQL), bind(name), execute(), SYNC)
        assert reply.value == SQL

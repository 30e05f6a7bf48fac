"""Which texts of clients reach the log, the history and the API."""

from pinwatch.observers.log import describe
from pinwatch.relay.pin_state import MAX_REPORTED, MAX_SQL
from tests.harness import RunningProxy
from tests.live.conftest import Serve
from tests.wireclient import SYNC, bind, execute, parse

CONSTANT = "hunter_in_a_constant"
PARAMETER = "hunter_in_a_parameter"
LETTERS = "abcdefghijklmnopqrst"


def reported(proxy: RunningProxy) -> str:
    """Return the events and their lines in the log."""
    events = list(proxy.events)
    lines = [describe(event)[1] for event in events]
    return "\n".join([*map(repr, events), *lines])


def test_a_text_that_pins_is_reported_with_its_constants(serve: Serve) -> None:
    clients = serve()
    clients().query(f"SET soak.a = '{CONSTANT}' /*{'x' * MAX_SQL}*/")
    (pin,) = [event for event in clients.proxy.events if hasattr(event, "sql")]
    assert CONSTANT in pin.sql
    assert len(pin.sql) == MAX_SQL


def test_no_other_text_and_no_parameter_is_reported(serve: Serve) -> None:
    clients = serve()
    client = clients()
    client.query(f"SELECT '{CONSTANT}'")
    assert client.query(f"SELECT '{CONSTANT}'::int").errors
    text = "SELECT set_config('soak.a', $1, false)"
    reply = client.ask(parse("", text), bind("", PARAMETER), execute(), SYNC)
    assert reply.value == PARAMETER
    found = reported(clients.proxy)
    assert "set_config" in found
    assert CONSTANT not in found
    assert PARAMETER not in found


def test_a_session_reports_a_limited_number_of_pins(serve: Serve) -> None:
    clients = serve()
    client = clients()
    names = [first + second for first in LETTERS for second in LETTERS]
    for name in names[: MAX_REPORTED + 1]:
        client.query(f"SET soak.name_{name} = 1")
    pins = [event for event in clients.proxy.events if hasattr(event, "sql")]
    assert len(pins) == MAX_REPORTED

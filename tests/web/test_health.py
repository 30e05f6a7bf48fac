"""/healthz, and /readyz of a target that comes and goes."""

from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest

from pinwatch import events
from tests.harness import PATIENCE
from tests.web.conftest import Place, Watch, Watched


def test_it_is_well(watch: Watch) -> None:
    assert watch().get("/healthz") == {"status": "ok"}


def test_ready_while_a_login_succeeds(moving: Watched, place: Place) -> None:
    assert moving.get("/readyz") == {"status": "ok"}
    place.be_gone()
    assert moving.get("/readyz", 503) == {
        "error": f"The target {place.link}/.s.PGSQL.5432 cannot be used: "
        "No such file or directory."
    }
    assert moving.get("/healthz") == {"status": "ok"}
    place.be_real()
    assert moving.get("/readyz") == {"status": "ok"}


def test_a_login_for_that_is_nobodys(moving: Watched) -> None:
    moving.get("/readyz")
    assert moving.clients.proxy.happened(events.DatabaseConnected) == []
    assert moving.clients.proxy.happened(events.DatabaseClosed) == []


def test_ready_while_a_connection_is_open(moving: Watched, place: Place) -> None:
    moving()
    place.be_gone()
    assert moving.get("/readyz") == {"status": "ok"}


def test_who_asks_at_a_time_shares_a_login(moving: Watched, place: Place) -> None:
    """The target listens and says nothing, until it hangs up."""
    place.be_silent()
    host, _, port = moving.url.removeprefix("http://").partition(":")
    with ExitStack() as stack:
        asking = [
            stack.enter_context(closing(HTTPConnection(host, int(port), PATIENCE)))
            for _ in range(4)
        ]
        for one in asking:
            one.request("GET", "/readyz")
        login, _ = place.listening.accept()
        for _ in range(2):  # the loop has read all of them
            moving.get("/healthz")
        login.close()
        assert [one.getresponse().status for one in asking] == [503] * 4
    place.listening.setblocking(False)
    with pytest.raises(BlockingIOError):
        place.listening.accept()

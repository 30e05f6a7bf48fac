"""/api/pins and /api/digests, of what real clients did."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from pinwatch.web.operation import SLICE
from tests.harness import eventually
from tests.web.conftest import Watch, Watched

OWN = ("id", "digest_id", "source", "until", "pinned_seconds")
"""Fields of a pin that its event does not have."""


def pins(watched: Watched, **query: object) -> list[Any]:
    found: list[Any] = watched.get(f"/api/pins?{urlencode(query)}")
    return found


def rules(watched: Watched, **query: object) -> list[str]:
    return [pin["rule"] for pin in pins(watched, **query)]


def over(watched: Watched, count: int) -> None:
    """Wait until count pins have ended."""
    eventually(lambda: len(pins(watched, pinned="false")) == count)


@pytest.fixture
def watched(watch: Watch) -> Watched:
    return watch(3)


def test_a_pin_has_all_that_its_event_has(watched: Watched, database: str) -> None:
    client = watched(application_name="shop")
    client.query("SELECT 1; LISTEN jobs /*route='home'*/")
    (pin,) = pins(watched)
    (session,) = watched.get("/api/sessions")
    own = {name: pin.pop(name) for name in OWN}
    assert pin == session["pin"]
    assert pin == {
        "at": pin["at"],
        "client": session["client_connection"],
        "connection": session["db_connection"],
        "rule": "listen",
        "contested": "",
        "reason": pin["reason"],
        "digest": "select $1; listen jobs /*route='home'*/",
        "sql": "SELECT 1; LISTEN jobs /*route='home'*/",
        "statement": pin["statement"],
        "trigger": [10, 16],
        "user": "postgres",
        "database": database,
        "application_name": "shop",
        "tags": {"route": "home"},
        "transaction_status": "I",
        "advice": pin["advice"],
        "first": True,
    }
    assert datetime.fromisoformat(pin["at"]).tzinfo is not None
    assert (own["id"], own["until"]) == (1, None)
    assert own["pinned_seconds"] > 0
    assert own["source"] == "home"


def test_a_pin_is_over_with_its_session(watched: Watched) -> None:
    client = watched()
    client.query("LISTEN jobs")
    client.leave()
    over(watched, 1)
    (pin,) = pins(watched)
    assert datetime.fromisoformat(pin["until"]) > datetime.fromisoformat(pin["at"])
    assert pins(watched) == [pin]  # its seconds stand still


def test_what_would_have_pinned_is_there_and_marked(watched: Watched) -> None:
    client = watched()
    for sql in ("SET a.b = 1", "LISTEN jobs", "SET a.b = 2", "LISTEN jobs"):
        client.query(sql)
    watched().query("LISTEN jobs")
    found = [(pin["rule"], pin["first"]) for pin in pins(watched)]
    assert found == [("listen", True), ("listen", False), ("set", True)]
    assert rules(watched, first="true") == ["listen", "set"]
    assert rules(watched, first="false") == ["listen"]
    digests = {digest["rule"]: digest for digest in watched.get("/api/digests")}
    assert [digests[rule]["count"] for rule in ("set", "listen")] == [1, 2]
    assert [digests[rule]["later"] for rule in ("set", "listen")] == [0, 1]
    client.leave()
    over(watched, 2)


def test_the_newest_are_first_and_can_be_limited(watched: Watched) -> None:
    for sql in ("LISTEN jobs", "SET a.b = 1", "DISCARD ALL"):
        watched().query(sql)
    assert rules(watched) == ["discard", "set", "listen"]
    assert rules(watched, limit=2) == ["discard", "set"]


def test_filters(watched: Watched, database: str) -> None:
    first = watched(application_name="first")
    first.query("LISTEN jobs")
    watched(application_name="zweite & letzte").query("SET a.b = 1")
    first.leave()
    over(watched, 1)
    assert rules(watched, rule="set") == ["set"]
    assert rules(watched, rule="load") == []
    assert rules(watched, user="postgres", database=database) == ["set", "listen"]
    assert rules(watched, user="ann") == []
    assert rules(watched, database="postgres") == []
    assert rules(watched, application="zweite & letzte") == ["set"]
    assert rules(watched, application="first", rule="set") == []
    assert rules(watched, application="LETZTE") == []
    assert rules(watched, application="LETZTE", partial="true") == ["set"]
    assert rules(watched, user="GRES", partial="true") == ["set", "listen"]
    assert rules(watched, user="gress", partial="true") == []
    assert rules(watched, pinned="true") == ["set"]
    assert rules(watched, pinned="false") == ["listen"]


def test_since(watched: Watched) -> None:
    watched().query("LISTEN jobs")
    watched().query("SET a.b = 1")
    at = datetime.fromisoformat(pins(watched, rule="set")[0]["at"])
    later = at + timedelta(microseconds=1)
    assert rules(watched, since=at.isoformat()) == ["set"]
    assert rules(watched, since=at.replace(tzinfo=None).isoformat()) == ["set"]
    assert rules(watched, since=later.isoformat()) == []
    assert rules(watched, since="2020-01-01") == ["set", "listen"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=0", "limit is '0', but must be greater than or equal to 1."),
        ("limit=many", "limit is 'many', but must be a valid integer, unable to "),
        ("since=yesterday", "since is 'yesterday', but must be a valid datetime"),
        ("rule=sets", "rule is 'sets', but must be one of set, reset, set_config, "),
        ("pinned=perhaps", "pinned is 'perhaps', but must be a valid boolean"),
        ("role=ann", "role is not a parameter: there is limit, user, database, "),
    ],
)
def test_a_wrong_parameter(watch: Watch, query: str, sentence: str) -> None:
    answer = watch().get(f"/api/pins?{query}", 400)
    assert answer["error"].startswith(sentence)
    assert answer["error"].endswith(".")


@pytest.mark.parametrize("more", [0, 1])
def test_more_than_are_told_at_once(watched: Watched, more: int) -> None:
    for number in range(SLICE + more):
        client = watched()
        client.query(f"LISTEN jobs{number}")
        client.leave()
    over(watched, SLICE + more)
    assert [pin["id"] for pin in pins(watched)] == list(range(SLICE + more, 0, -1))


def test_no_pins(watch: Watch) -> None:
    watched = watch()
    assert (pins(watched), watched.get("/api/digests")) == ([], [])


def test_digests(watched: Watched) -> None:
    first, second, third = watched(), watched(), watched()
    first.query("SET a.b = 1")
    second.query("SET a.b = 2")
    third.query("LISTEN jobs")
    for one in (first, third):
        one.leave()
    over(watched, 2)
    digests = {digest["rule"]: digest for digest in watched.get("/api/digests")}
    both, listen = digests["set"], digests["listen"]
    assert (both["digest"], both["sql"]) == ("set a.b = $1", "SET a.b = 2")
    assert (both["count"], both["peak_connections"]) == (2, 2)
    assert (listen["count"], listen["peak_connections"]) == (1, 1)
    assert listen["first_seen"] == listen["last_seen"]
    assert both["first_seen"] < both["last_seen"]
    assert both["advice"].startswith("Set it inside a function")
    now = {digest["rule"]: digest for digest in watched.get("/api/digests")}
    assert now["set"]["pinned_seconds"] > both["pinned_seconds"]
    assert now["listen"]["pinned_seconds"] == listen["pinned_seconds"]


def test_a_text_is_filed_under_its_certain_trigger(watched: Watched) -> None:
    client = watched()
    client.query("SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;")
    client.leave()
    over(watched, 1)
    (digest,) = watched.get("/api/digests")
    assert (digest["rule"], digest["contested"]) == ("reset", "")


def test_a_cursor_is_one_whatever_the_id_in_its_name(watched: Watched) -> None:
    for name in ("c_7fc812629250_2", "c_7fd0aa11e5b0_1c"):
        watched().query(f"DECLARE {name} CURSOR WITH HOLD FOR SELECT 1")
    (digest,) = watched.get("/api/digests")
    assert (digest["digest"], digest["count"]) == (
        "declare c_#_# cursor with hold for select $1",
        2,
    )
    assert {pin["digest"] for pin in pins(watched)} == {
        "declare c_7fc812629250_2 cursor with hold for select $1",
        "declare c_7fd0aa11e5b0_1c cursor with hold for select $1",
    }


def test_those_are_first_that_pinned_for_longest(watched: Watched) -> None:
    lasting, brief = watched(), watched()
    lasting.query("LISTEN jobs")
    brief.query("SET a.b = 1")
    ranked = [digest["rule"] for digest in watched.get("/api/digests")]
    assert ranked == ["listen", "set"]
    (first,) = watched.get("/api/digests?limit=1")
    assert first["rule"] == "listen"
    answer = watched.get("/api/digests?order=first", 400)
    assert answer["error"].startswith("order is 'first', but must be 'pinned' or")


def digests(watched: Watched, **query: object) -> list[tuple[str, int, int]]:
    found = watched.get(f"/api/digests?{urlencode(query)}")
    return [(one["rule"], one["count"], one["connections"]) for one in found]


def test_digests_of_some_pins(watched: Watched) -> None:
    with watched(application_name="shop") as client:
        client.query("SET a.b = 1")
    over(watched, 1)
    watched(application_name="mails").query("SET a.b = 2")
    watched(application_name="shop").query("LISTEN jobs")
    assert digests(watched, order="latest") == [("listen", 1, 1), ("set", 2, 1)]
    assert digests(watched, rule="set") == [("set", 2, 1)]
    shop = digests(watched, application="SHOP", partial="true", order="latest")
    assert shop == [("listen", 1, 1), ("set", 1, 0)]
    assert digests(watched, pinned="true", rule="set") == [("set", 1, 1)]
    assert digests(watched, order="latest", limit=1) == [("listen", 1, 1)]
    assert digests(watched, user="ann") == []


def test_the_digests_of_all_pins_are_those_that_are_kept(watched: Watched) -> None:
    """They are summed up again for a filter, and must come to the same."""
    client = watched()
    for sql in ("SET a.b = 1", "SET a.b = 2", "LISTEN jobs"):
        client.query(sql)
    client.leave()
    watched().query("SET a.b = 3")
    over(watched, 2)
    kept = watched.get("/api/digests")
    again = watched.get("/api/digests?since=2020-01-01")
    for one in [*kept, *again]:
        one["pinned_seconds"] = round(one["pinned_seconds"])
    assert again == kept


def test_the_pins_of_a_digest_and_of_a_client(watched: Watched) -> None:
    for _ in range(2):
        watched().query("SET a.b = 1 /*source_location='app/db.py:30'*/")
    watched().query("LISTEN jobs")
    (digest,) = watched.get("/api/digests?rule=set")
    assert (digest["source"], digest["trigger"]) == ("app/db.py:30", [0, 3])
    found = pins(watched, digest_id=digest["id"])
    assert [pin["rule"] for pin in found] == ["set", "set"]
    assert {pin["source"] for pin in found} == {"app/db.py:30"}
    newest = found[0]["client"]
    assert [pin["id"] for pin in pins(watched, client=newest)] == [found[0]["id"]]
    (session,) = watched.get(f"/api/sessions?client={newest}")
    assert session["client_connection"] == newest
    assert watched.get("/api/sessions?client=0") == []

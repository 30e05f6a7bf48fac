"""Connections that are probed return to the pool, reset or as they are."""

from typing import Any

import psycopg
import pytest

from pinwatch.events import StateLeaked
from tests.harness import Proxies, RunningProxy, eventually
from tests.targets.leaking import LEAK, found, leaks
from tests.wireclient import Value, WireClient, query


@pytest.mark.usefixtures("schema")
class TestTheNextClient:
    def settings(self, running: RunningProxy) -> list[Value]:
        """Return the leaked setting and the time zone of the client after a leak."""
        with WireClient.login(running.endpoint(), TimeZone="Asia/Tokyo") as client:
            assert not client.query("SELECT app.leak()").errors
            client.leave()
        with WireClient.login(running.endpoint()) as client:
            tenant = client.query("SELECT current_setting('app.tenant', true)").value
            return [tenant, client.query("SHOW timezone").value]

    def test_sees_the_state(self, proxy: Proxies) -> None:
        for mode in ("off", "report"):
            running = proxy(1, hidden_state=mode)
            assert self.settings(running) == ["42", "UTC"]
            running.stop()

    def test_sees_the_baseline_after_a_reset(self, proxy: Proxies) -> None:
        pool = {"init_query": "SET application_name = 'initial'"}
        running = proxy(1, hidden_state="reset", connection_pool=pool)
        assert self.settings(running) == ["", "UTC"]
        (leak,) = leaks(running)
        assert leak.reset
        with WireClient.login(running.endpoint()) as client:
            assert client.query("SHOW application_name").value == "initial"
            client.query("SELECT app.leak()")
            assert len(leaks(running)) == 2

    def test_sees_the_baseline_after_a_probe_that_failed(
        self, proxy: Proxies, direct: psycopg.Connection[Any]
    ) -> None:
        direct.execute("CREATE ROLE outsider")
        direct.execute("REVOKE ALL ON pg_catalog.pg_proc FROM PUBLIC")
        try:
            running = proxy(1, hidden_state="reset")
            with WireClient.login(running.endpoint()) as client:
                client.query("DO $$ BEGIN SET ROLE outsider; END $$")
                assert not leaks(running)
                assert client.query("SELECT current_user").value == "postgres"
        finally:
            direct.execute("GRANT SELECT ON pg_catalog.pg_proc TO PUBLIC")
            direct.execute("DROP ROLE outsider")

    def test_sees_the_baseline_after_a_reload_from_report_to_reset(
        self, proxy: Proxies
    ) -> None:
        running = proxy(1, hidden_state="report")
        with WireClient.login(running.endpoint()) as client:
            client.query("SELECT app.leak()")
            assert found(running) == [LEAK]
            reset = running.settings.model_copy(update={"hidden_state": "reset"})
            running.run(running.proxy.reload(reset))
            client.query("SELECT app.leak()")
            sql = "SELECT current_setting('app.tenant', true)"
            assert client.query(sql).value == ""

    def test_waits_for_the_probe(self, proxy: Proxies) -> None:
        running = proxy(1, hidden_state="reset")
        with (
            WireClient.login(running.endpoint()) as one,
            WireClient.login(running.endpoint()) as other,
        ):
            one.send(query("SELECT app.leak()"), query("BEGIN"), query("SELECT 1"))
            other.send(query("SELECT current_setting('app.tenant', true)"))
            assert [one.reply().status for _ in range(3)] == ["I", "T", "T"]
            assert one.query("COMMIT").status == "I"
            assert other.reply().value in (None, "")


@pytest.mark.usefixtures("schema")
def test_after_a_reload(proxy: Proxies) -> None:
    running = proxy(1)
    with WireClient.login(running.endpoint()) as client:
        client.query("SELECT app.leak()")
        report = running.settings.model_copy(update={"hidden_state": "report"})
        running.run(running.proxy.reload(report))
        client.query("SELECT app.leak()")
        assert not leaks(running), "what was there before is unknown"
        client.query("SELECT app.leak()")
        assert found(running) == [LEAK]


@pytest.mark.usefixtures("schema")
def test_of_the_last_statement_before_the_proxy_stops(proxy: Proxies) -> None:
    running = proxy(1, hidden_state="report")
    with WireClient.login(running.endpoint()) as client:
        client.query("SELECT app.leak()")
    running.stop()
    assert eventually(lambda: running.stopped)
    assert running.happened(StateLeaked)


@pytest.mark.usefixtures("schema")
def test_a_database_connection_that_ends_during_its_probe(
    proxy: Proxies, direct: psycopg.Connection[Any]
) -> None:
    running = proxy(1, hidden_state="report")
    with WireClient.login(running.endpoint()) as client:
        pid = client.query("SELECT pg_backend_pid()").value
        with direct.transaction():
            direct.execute("LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE")
            assert not client.query("SELECT app.leak()").errors
            direct.execute("SELECT pg_terminate_backend(%s, 20000)", [pid])
        assert not leaks(running)
        assert client.query("SELECT app.leak()").kinds == "TDCZ"
        assert found(running) == [LEAK]

"""Code that leaks, and the leaks that a proxy reports."""

from typing import Any, Final

import psycopg

from pinwatch.events import StateLeaked
from tests.harness import RunningProxy

SAFE: Final = """
CREATE SCHEMA app;
CREATE FUNCTION app.local(t text) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant', t, true); END $$;
CREATE FUNCTION app.own() RETURNS text LANGUAGE sql SET app.tenant = '42'
    AS $$ SELECT current_setting('app.tenant') $$;
CREATE FUNCTION app.set_local() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN SET LOCAL work_mem = '77MB'; END $$;
CREATE FUNCTION app.dropped() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN CREATE TEMPORARY TABLE cart (id int) ON COMMIT DROP; END $$;
CREATE FUNCTION app.xact_lock() RETURNS void LANGUAGE sql
    AS $$ SELECT pg_advisory_xact_lock(1) $$;
CREATE FUNCTION app.leak() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant', '42', false); END $$;
CREATE FUNCTION app.fail() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant', '42', false); RAISE 'no'; END $$;
"""
LEAK: Final = ("setting", "app.tenant", "42")


def leaks(proxy: RunningProxy) -> list[StateLeaked]:
    proxy.run(proxy.proxy.probes_done())
    return proxy.happened(StateLeaked)


def found(proxy: RunningProxy) -> list[tuple[str, str, str]]:
    return [(leak.kind, leak.name, leak.value) for leak in leaks(proxy)]


def oid(direct: psycopg.Connection[Any], function: str) -> int:
    (found,) = direct.execute(
        "SELECT %s::regprocedure::oid", [function]
    ).fetchone() or (0,)
    return int(found)

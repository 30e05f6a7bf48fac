"""Probes of database connections for state that RDS Proxy does not see.

Owns when a connection is asked, and which statement a state is reported for. The
connection has no session meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from pinwatch import events
from pinwatch.errors import ClientError
from pinwatch.hidden.catalogue import Catalogue
from pinwatch.hidden.code import QUERIES, Code, custom_settings
from pinwatch.hidden.paths import Follower, Path
from pinwatch.hidden.probe import (
    READ_COMMITTED,
    Probed,
    State,
    as_document,
    document,
    probe,
    probed,
)
from pinwatch.hidden.wording import SETTING, way_out
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.relay.database_stream import Row
from pinwatch.relay.parameters import ACCEPTED, literal
from pinwatch.relay.pin_state import MAX_SQL
from pinwatch.relay.suspects import Suspect

CANCELED: Final = "57014"
INTERNAL_ERROR: Final = "XX000"
"""Also the error about a relation that another session drops meanwhile."""
STATEMENT_TIMEOUT: Final = "statement_timeout"
NO_TIMEOUT: Final = f"SET LOCAL {STATEMENT_TIMEOUT} = 0;"
ATTEMPTS: Final = 3
"""How often a query is sent in all if it fails by chance."""
CALLED: Final = """
SELECT pg_catalog.format('%I.%I', n.nspname, p.proname)
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n
     ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE p.oid OPERATOR(pg_catalog.=) {}
"""
MAX_CODES: Final = 16
"""The maximum number of pairs of database and search_path whose code is kept."""
NO_CODE: Final = Code("", frozenset(), Follower(Catalogue((), ())))
PARAMETERS: Final = tuple(name.decode() for name in ACCEPTED.values())
NOT_FOUND: Final = "function not found"

Ask = Callable[[DatabaseConnection, bytes], Awaitable[Row]]
"""Runs SQL on a connection and returns its last row; raises ClientError."""


class Prober:
    """Finds and reports the hidden state of a target's connections."""

    def __init__(self, ask: Ask, observe: events.Observe) -> None:
        self._ask = ask
        self._observe = observe
        self._codes: dict[tuple[bytes, str], Code] = {}  # by database and search_path

    async def begin(self, connection: DatabaseConnection) -> bool:
        """Record the state of a new connection, of which nothing is a leak.

        Return False. Raises ClientError.
        """
        found, _ = await self._probe(connection, ())
        connection.initial_state = found.states
        connection.applied_parameters = connection.stream.reported_parameters
        return False

    async def find(
        self, connection: DatabaseConnection, suspects: Sequence[Suspect], resets: bool
    ) -> bool:
        """Report the state that is new since the last probe; return True if any is.

        ``begin`` must have succeeded. resets is true if the caller will reset a
        connection with such state. Raises ClientError.
        """
        suspects = [await self._named(connection, suspect) for suspect in suspects]
        found, code = await self._probe(connection, suspects)
        before = connection.hidden_state
        expected = _expected(connection, suspects[0])
        connection.hidden_state = found.states - expected
        new = connection.hidden_state - before
        for state in sorted(new):
            leak = await asyncio.to_thread(_leak, code, state, suspects)
            self._observe(replace(leak, connection=connection.number, reset=resets))
        return bool(new)

    async def _probe(
        self, connection: DatabaseConnection, suspects: Sequence[Suspect]
    ) -> tuple[Probed, Code]:
        """Ask for the state. If the code has changed, read it and ask again."""
        path = _path_setting(connection, suspects)
        key = connection.key[1], path
        names = _initial(connection) | custom_settings(one.text for one in suspects)
        code = self._codes.get(key, NO_CODE)
        found = await self._state(connection, names | code.custom_settings)
        if found.version == code.version:
            return found, code
        self._codes.pop(key, None)
        if len(self._codes) == MAX_CODES:
            del self._codes[next(iter(self._codes))]
        code = self._codes[key] = await self._read(connection, found.version, path)
        return await self._state(connection, names | code.custom_settings), code

    async def _state(
        self, connection: DatabaseConnection, names: frozenset[str]
    ) -> Probed:
        """Ask for the state.

        If a statement_timeout cancels the probe, ask without it, and add it to the
        state.
        """
        sql = probe(names)
        try:
            return probed(await self._value(connection, sql))
        except ClientError as error:
            if error.sqlstate != CANCELED:
                raise
        timeout = await self._persist(connection, f"SHOW {STATEMENT_TIMEOUT}")
        states, version = probed(await self._persist(connection, NO_TIMEOUT + sql))
        own = State(SETTING, STATEMENT_TIMEOUT, "0")
        return Probed(states - {own} | {own._replace(value=timeout.decode())}, version)

    async def _read(
        self, connection: DatabaseConnection, version: str, path: str
    ) -> Code:
        """Read the code of the connection's database; path sets the search_path."""
        rows = []
        for query in QUERIES:
            sql = READ_COMMITTED + NO_TIMEOUT + path + as_document(query)
            rows.append(document(await self._persist(connection, sql)))
        return await asyncio.to_thread(Code.of, version, rows)

    async def _named(self, connection: DatabaseConnection, suspect: Suspect) -> Suspect:
        """Return a suspect whose FunctionCall has the name of its function."""
        if not suspect.oid:
            return suspect
        sql = as_document(CALLED.format(suspect.oid))
        rows = document(await self._persist(connection, NO_TIMEOUT + sql))
        names = tuple(f"{row[0]}()" for row in rows)
        return replace(suspect, statements=tuple(f"SELECT {name}" for name in names))

    async def _persist(self, connection: DatabaseConnection, sql: str) -> bytes:
        """Return the value of a query; repeat it if it fails by chance."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._value(connection, sql)
            except ClientError as error:
                if error.sqlstate not in (CANCELED, INTERNAL_ERROR):
                    raise
        return await self._value(connection, sql)

    async def _value(self, connection: DatabaseConnection, sql: str) -> bytes:
        (value,) = await self._ask(connection, sql.encode())
        return value or b""


def _path_setting(connection: DatabaseConnection, suspects: Sequence[Suspect]) -> str:
    """Return SQL that sets the search_path under which the suspects ran."""
    known = _parameter(connection, suspects[0], b"search_path") if suspects else None
    if known is None:
        return "SET LOCAL search_path TO DEFAULT;"
    names = literal(known).decode()
    return f"SELECT pg_catalog.set_config('search_path', {names}, true);"


def _initial(connection: DatabaseConnection) -> frozenset[str]:
    """Return the settings that a client or the init query has set, and may be reset."""
    initial = connection.initial_state or ()
    of_init_query = (one.name for one in initial if one.kind == SETTING)
    return frozenset((*PARAMETERS, *of_init_query))


def _expected(connection: DatabaseConnection, suspect: Suspect) -> frozenset[State]:
    """Return the state after the login, with the settings of the suspect's session."""
    of_session = {
        name.decode(): value.decode("utf-8", "replace")
        for name in ACCEPTED.values()
        if (value := _parameter(connection, suspect, name)) is not None
    }
    initial = connection.initial_state or ()
    unchanged = (
        one for one in initial if one.kind != SETTING or one.name not in of_session
    )
    settings = (State(SETTING, *item) for item in of_session.items())
    return frozenset((*unchanged, *settings))


def _parameter(
    connection: DatabaseConnection, suspect: Suspect, name: bytes
) -> bytes | None:
    """Return a parameter as the server reported it, or else as the client sent it."""
    sent = suspect.parameters.values.get(name)
    return connection.applied_parameters.values.get(name, sent)


def _leak(code: Code, state: State, suspects: Sequence[Suspect]) -> events.StateLeaked:
    """Return the leak of a state by the suspect that left it, or else the last one."""
    suspect, statement, path = _cause(code, state, suspects)
    function = path.functions[-1] if path else NOT_FOUND
    if suspect.oid and suspect.statements:
        called = suspect.statements[0].removeprefix("SELECT ")
        statement = f"FunctionCall {called}"
        function = function if path else called
    return events.StateLeaked(
        at=datetime.now(UTC),
        client=suspect.client,
        connection=0,
        number=suspect.number,
        kind=state.kind,
        name=state.name,
        value=state.value[:MAX_SQL],
        function=function,
        path=str(path or ""),
        digest=suspect.digest[:MAX_SQL],
        sql=suspect.text[:MAX_SQL],
        statement=statement[:MAX_SQL],
        user=suspect.user,
        database=suspect.database,
        application_name=suspect.application_name,
        tags=suspect.tags or {},
        advice=way_out(state.kind),
        reset=False,
    )


def _cause(
    code: Code, state: State, suspects: Sequence[Suspect]
) -> tuple[Suspect, str, Path | None]:
    for suspect in reversed(suspects):
        for statement in reversed(suspect.statements):
            path = code.path_to(state, statement)
            if path is not None:
                return suspect, statement, path
    last = suspects[-1]
    return last, last.statements[-1] if last.statements else "FunctionCall", None

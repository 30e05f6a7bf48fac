"""Probes of database connections for state that RDS Proxy does not see.

Decides when to query a connection, and to which statement a state is attributed. The
connection has no session meanwhile.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from pinwatch import events
from pinwatch.errors import ClientError
from pinwatch.hidden.catalogue import SEARCH_PATH
from pinwatch.hidden.code import QUERIES, Code, path_to
from pinwatch.hidden.paths import Follower, Path
from pinwatch.hidden.probe import (
    CUSTOM_SETTINGS,
    MAX_VALUE,
    READ_COMMITTED,
    Probed,
    State,
    as_document,
    codec,
    custom_settings,
    defaults_query,
    document,
    probed,
    state_query,
)
from pinwatch.hidden.wording import SETTING, way_out
from pinwatch.pins.effects import SETTINGS
from pinwatch.pins.verdict import Verdict, verdict
from pinwatch.relay.database_connection import DatabaseConnection
from pinwatch.relay.database_stream import Row
from pinwatch.relay.parameters import ACCEPTED, literal
from pinwatch.relay.pin_state import MAX_SQL
from pinwatch.relay.suspects import Suspect

log = logging.getLogger("pinwatch")

CANCELED: Final = "57014"
INTERNAL_ERROR: Final = "XX000"
"""Also the error about a relation that another session drops meanwhile."""
STATEMENT_TIMEOUT: Final = "statement_timeout"
NO_TIMEOUT: Final = f"SET LOCAL {STATEMENT_TIMEOUT} = 0;"
SAFE: Final = f"{READ_COMMITTED}{NO_TIMEOUT}SET LOCAL search_path = pg_catalog;"
"""Precedes queries whose operators are not qualified."""
OF_LOGIN: Final = (
    f"{NO_TIMEOUT}SET LOCAL SESSION AUTHORIZATION DEFAULT;SET LOCAL ROLE NONE;"
)
ATTEMPTS: Final = 3
"""The maximum number of times that a query is sent."""
CALLED: Final = """
SELECT format('%I.%I', n.nspname, p.proname)
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.oid = {}
"""
MAX_DATABASES: Final = 16
"""The maximum number of databases whose code is kept."""
MAX_LEAKS: Final = 20
"""The maximum number of states that one probe reports."""
MORE: Final = "A probe of the database connection %d found %d more states."
PARAMETERS: Final = frozenset(name.decode() for name in ACCEPTED.values())
NAME: Final = re.compile(r"[a-z_][a-z0-9_.]*")
FUNCTION_CALL: Final = "FunctionCall"
NOT_FOUND: Final = "function not found"

T = TypeVar("T")
Ask = Callable[[DatabaseConnection, bytes], Awaitable[Row]]
"""Runs SQL on a connection and returns its last row; raises ClientError."""


class Prober:
    """Finds and reports the hidden state of a target's connections."""

    def __init__(self, ask: Ask, observe: events.Observe) -> None:
        self._ask = ask
        self._observe = observe
        # By database: the names of custom settings in its code, after its version.
        self._names: dict[bytes, tuple[str, frozenset[str]]] = {}
        self._codes: dict[bytes, Code] = {}  # by database

    async def begin(self, connection: DatabaseConnection) -> None:
        """Record the state of a new connection as its baseline; raises ClientError."""
        found = await self._probe(connection, _of_init_query(connection))
        connection.initial_state = found.states
        connection.applied_parameters = connection.stream.reported_parameters

    async def find(
        self, connection: DatabaseConnection, suspects: Sequence[Suspect], resets: bool
    ) -> None:
        """Update the connection's hidden_state, and report what is new in it.

        ``begin`` must have succeeded. resets is true if the caller will reset a
        connection with hidden state. Raises ClientError.
        """
        suspects = [await self._named(connection, suspect) for suspect in suspects]
        found = await self._probe(
            connection, custom_settings(one.verdict.text for one in suspects)
        )
        before = connection.hidden_state
        await self._add_defaults(
            connection, found.states - before - _expected(connection, suspects[0])
        )
        connection.hidden_state = found.states - _expected(connection, suspects[0])
        new = sorted(connection.hidden_state - before)
        if new:
            leaks = await self._leaks(connection, found.version, suspects, new)
            for leak in leaks:
                self._observe(replace(leak, reset=resets))

    async def _probe(
        self, connection: DatabaseConnection, named: frozenset[str]
    ) -> Probed:
        """Ask for the state; named are settings to ask for, beside the known ones."""
        version, known = self._names.get(connection.key[1], ("", frozenset()))
        names = PARAMETERS | _settings(connection.initial_state or ()) | known | named
        found = await self._state(connection, names)
        if found.version != version:
            added = await self._custom_settings(connection, found.version)
            if not added <= names:
                found = await self._state(connection, names | added)
        return found

    async def _add_defaults(
        self, connection: DatabaseConnection, states: frozenset[State]
    ) -> None:
        """Add the defaults of custom settings in states to the baseline.

        The baseline lacks those whose name or library was unknown at the login.
        """
        names = [name for name in _settings(states) if "." in name]
        if names:
            rows = await self._rows(connection, NO_TIMEOUT + defaults_query(names))
            defaults = {
                State(SETTING, name or "", value) for name, value in rows if value
            }
            connection.initial_state = (
                connection.initial_state or frozenset()
            ) | defaults

    async def _custom_settings(
        self, connection: DatabaseConnection, version: str
    ) -> frozenset[str]:
        """Return the names in the code of the connection's database."""
        database = connection.key[1]
        known = self._names.get(database)
        if known is None or known[0] != version:
            rows = await self._rows(connection, SAFE + as_document(CUSTOM_SETTINGS))
            names = frozenset(name or "" for (name,) in rows)
            known = version, names
            _keep(self._names, database, known)
        return known[1]

    async def _state(
        self, connection: DatabaseConnection, names: frozenset[str]
    ) -> Probed:
        """Ask for the state.

        If a statement_timeout cancels the probe, ask without it, and add it to the
        state.
        """
        sql = state_query(names)
        try:
            return probed(await self._value(connection, sql))
        except ClientError as error:
            if error.sqlstate != CANCELED:
                raise
        timeout = await self._persist(connection, f"SHOW {STATEMENT_TIMEOUT}")
        states, version = probed(await self._persist(connection, NO_TIMEOUT + sql))
        own = State(SETTING, STATEMENT_TIMEOUT, "0")
        return Probed(states - {own} | {own._replace(value=timeout.decode())}, version)

    async def _leaks(
        self,
        connection: DatabaseConnection,
        version: str,
        suspects: Sequence[Suspect],
        states: Sequence[State],
    ) -> list[events.StateLeaked]:
        """Return the leaks of states, each by the suspect that left it."""
        code = await self._code(connection, version)
        path = OF_LOGIN + _path_setting(connection, suspects[0])
        rows = await self._rows(connection, path + as_document(SEARCH_PATH))
        if len(states) > MAX_LEAKS:
            log.warning(MORE, connection.number, len(states) - MAX_LEAKS)

        def find() -> list[events.StateLeaked]:
            follower = code.seen_from(schema or "" for (schema,) in rows)
            causes = list(_causes(follower, suspects))
            return [
                _leak(connection.number, state, suspects, causes)
                for state in states[:MAX_LEAKS]
            ]

        return await asyncio.to_thread(find)

    async def _code(self, connection: DatabaseConnection, version: str) -> Code:
        """Return the code of the connection's database."""
        database = connection.key[1]
        code = self._codes.get(database)
        if code is None or code.version != version:
            functions, triggers = [
                await self._rows(connection, SAFE + as_document(query))
                for query in QUERIES
            ]
            code = Code(version, functions, triggers)
            _keep(self._codes, database, code)
        return code

    async def _named(self, connection: DatabaseConnection, suspect: Suspect) -> Suspect:
        """Return a suspect whose FunctionCall has the name of its function."""
        if not suspect.oid:
            return suspect
        sql = SAFE + as_document(CALLED.format(suspect.oid))
        rows = await self._rows(connection, sql)
        statements = tuple(f"SELECT {name}()" for (name,) in rows)
        return replace(suspect, verdict=Verdict("", unseen=statements))

    async def _rows(
        self, connection: DatabaseConnection, sql: str
    ) -> list[list[str | None]]:
        """Return the rows of a query that ``as_document`` made."""
        return document(await self._persist(connection, sql))

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


def _keep(kept: dict[bytes, T], database: bytes, value: T) -> None:
    """Keep a value for a database, and drop the oldest of too many."""
    kept.pop(database, None)
    if len(kept) == MAX_DATABASES:
        del kept[next(iter(kept))]
    kept[database] = value


def _settings(states: Iterable[State]) -> frozenset[str]:
    """Return the names of the settings among states."""
    return frozenset(state.name for state in states if state.kind == SETTING)


def _of_init_query(connection: DatabaseConnection) -> frozenset[str]:
    """Return the settings that the init query sets, except PARAMETERS."""
    effects = verdict(connection.init_query.sql).effects
    names = {one.name for one in effects if one.kind == SETTINGS}
    names -= {name.lower() for name in PARAMETERS}
    return frozenset(name for name in names if NAME.fullmatch(name))


def _path_setting(connection: DatabaseConnection, suspect: Suspect) -> str:
    """Return SQL that sets the search_path under which a suspect ran."""
    path = _parameter(connection, suspect, "search_path")
    if path is None:
        return "SET LOCAL search_path TO DEFAULT;"
    names = literal(path.encode()).decode()
    return f"SELECT pg_catalog.set_config('search_path', {names}, true);"


def _expected(connection: DatabaseConnection, suspect: Suspect) -> frozenset[State]:
    """Return the state after the login, with the settings of the suspect's session."""
    of_session = {
        name: value[:MAX_VALUE]
        for name in PARAMETERS
        if (value := _parameter(connection, suspect, name)) is not None
    }
    initial = connection.initial_state or ()
    unchanged = (
        one for one in initial if one.kind != SETTING or one.name not in of_session
    )
    settings = (State(SETTING, *item) for item in of_session.items())
    return frozenset((*unchanged, *settings))


def _parameter(
    connection: DatabaseConnection, suspect: Suspect, name: str
) -> str | None:
    """Return a parameter as the server reported it, or else as the client sent it.

    Reports are in the client's encoding, and startup parameters in UTF-8.
    """
    reported = connection.applied_parameters.values
    value = reported.get(name.encode())
    if value is not None:
        encoding = reported.get(b"client_encoding", b"UTF8").decode("ascii", "replace")
        return value.decode(codec(encoding), "replace")
    sent = suspect.parameters.values.get(name.encode())
    return None if sent is None else sent.decode("utf-8", "replace")


Cause = tuple[Suspect, str, list[Path]]
"""A suspect, one of its statements, and the paths from there to state that stays."""


def _causes(follower: Follower, suspects: Sequence[Suspect]) -> Iterable[Cause]:
    """Yield what may have left state, the last statement first."""
    for suspect in reversed(suspects):
        for statement in reversed(suspect.verdict.unseen):
            yield suspect, statement, follower.follow(statement).paths


def _leak(
    connection: int, state: State, suspects: Sequence[Suspect], causes: Sequence[Cause]
) -> events.StateLeaked:
    """Return the leak of a state by the suspect that left it, or else the last one."""
    suspect, statement, path = _cause(state, suspects, causes)
    function = path.functions[-1] if path else NOT_FOUND
    judged = suspect.verdict
    if suspect.oid and judged.unseen:
        called = judged.unseen[0].removeprefix("SELECT ")
        statement = f"{FUNCTION_CALL} {called}"
        function = function if path else called
    return events.StateLeaked(
        at=datetime.now(UTC),
        client=suspect.client,
        connection=connection,
        number=suspect.number,
        kind=state.kind,
        name=state.name,
        value=state.value[:MAX_SQL],
        function=function,
        path=str(path or ""),
        digest=judged.digest[:MAX_SQL],
        sql=judged.text[:MAX_SQL],
        statement=statement[:MAX_SQL],
        user=suspect.user,
        database=suspect.database,
        application_name=suspect.application_name,
        tags=judged.tags,
        advice=way_out(state.kind),
        reset=False,
    )


def _cause(
    state: State, suspects: Sequence[Suspect], causes: Sequence[Cause]
) -> tuple[Suspect, str, Path | None]:
    for suspect, statement, paths in causes:
        path = path_to(state, paths)
        if path is not None:
            return suspect, statement, path
    last = suspects[-1]
    return last, last.verdict.unseen[-1] if last.verdict.unseen else FUNCTION_CALL, None

"""The page of hidden_state, which is a rule of reports though it does not pin."""

from typing import Final

from pinwatch.pins.rules import PINNING_PAGE

SUMMARY: Final = (
    "A statement leaves state on its database connection that RDS Proxy does not see."
)
WHY: Final = (
    "RDS Proxy judges the text of statements. It does not see what a function, a "
    "trigger, a DO block or a FunctionCall message does to the session. It does not "
    "pin, and the next client that borrows the connection gets the state."
)
WAY_OUT: Final = (
    "Leave only what ends with the transaction: set_config(..., true), SET LOCAL, "
    "pg_advisory_xact_lock, ON COMMIT DROP."
)
SOURCE: Final = PINNING_PAGE
PAGE: Final = f"""\
# hidden_state

{SUMMARY}

## Why it leaks

{WHY}

Source: <{SOURCE}>

## What to do

| In place of | use |
|---|---|
| `SET`, `set_config(..., false)` | `SET LOCAL`, `set_config(..., true)` |
| `SET` around a function's body | the function's own `SET` clause |
| `SET ROLE`, `SET SESSION AUTHORIZATION` | the same with `SET LOCAL` |
| `pg_advisory_lock` | `pg_advisory_xact_lock` |
| a temporary table | a temporary table with `ON COMMIT DROP` |
| a cursor `WITH HOLD` | a cursor without `HOLD` |
| `PREPARE` in PL/pgSQL | the statement itself, whose plan PL/pgSQL keeps |
| `LISTEN` | a connection past the proxy |

`pinwatch explain --database URL SQL` shows the way to the code that leaves state,
before it runs. With `hidden_state = "reset"` pinwatch resets the connection, which RDS
Proxy does not do.
"""

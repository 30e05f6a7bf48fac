"""Test suites of other projects, direct and through pinwatch: ``python -m outside``.

Terms:

suite
    The tests of a driver, of an ORM or of PostgreSQL itself, at a pinned version. See
    `outside.suites`.
mode
    The path from a suite to PostgreSQL: ``direct``, ``plain`` (pinwatch in plain
    Python), ``compiled`` (its compiled build) or ``small-pool`` (plain, with three
    database connections).
subset
    The tests of a run: ``full``, or ``quick`` for those that need a few seconds.
outcome
    The result of one test in one mode, for example ``passed``.
difference
    A test whose outcome in a mode is not the direct one. All known differences are in
    ``tests/outside/differences.toml``, each with its rule of ``docs/behaviour.md``.
unstable
    A test whose outcome changes between two runs of the same mode.
"""

"""A leak for tests to change."""

from datetime import UTC, datetime

from pinwatch.events import StateLeaked

LEAK = StateLeaked(
    at=datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC),
    client=1,
    connection=2,
    number=3,
    kind="setting",
    name="app.tenant",
    value="42",
    function="app.set_tenant()",
    path="app.login() -> app.set_tenant() -> SELECT set_config('app.tenant', t, false)",
    digest="SELECT app.login($1)",
    sql="SELECT app.login('42')",
    statement="SELECT app.login('42')",
    user="postgres",
    database="postgres",
    application_name="",
    tags={},
    advice="Because.",
    reset=False,
)

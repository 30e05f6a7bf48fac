from pinwatch.infrastructure.found import Found, Row
from pinwatch.infrastructure.table import table


def cells(found: Found, winners: dict[str, str]) -> list[tuple[str, ...]]:
    columns = [list(column.cells) for column in table(found, winners).columns]
    return [tuple(map(str, row)) for row in zip(*columns, strict=True)]


def test_rows_are_under_their_resources() -> None:
    used = [
        Row("A", "RequireTLS", "true", "require_tls"),
        Row("A", "Auth[0].SecretArn", "app", "auth.secret_arn"),
        Row("B", "Pool.Max", "9", "connection_pool.max"),
    ]
    unresolved = [Row("A", "DebugLogging", "!Ref D", "the parameter D has no default")]
    winners = {"auth": "a.toml", "connection_pool.max": "PINWATCH_MAX"}

    assert cells(Found("A", {}, used, unresolved, []), winners) == [
        ("Used", "", ""),
        ("  A", "", ""),
        ("    RequireTLS", "true", "require_tls"),
        ("    Auth[0].SecretArn", "app", "auth.secret_arn: a.toml wins"),
        ("  B", "", ""),
        ("    Pool.Max", "9", "connection_pool.max: PINWATCH_MAX wins"),
        ("Not resolved", "", ""),
        ("  A", "", ""),
        ("    DebugLogging", "!Ref D", "the parameter D has no default"),
    ]


def test_there_may_be_nothing() -> None:
    assert cells(Found("A", {}, [], [], []), {}) == []

"""Placeholder until it is written."""


def tags(sql: str) -> dict[str, str]:
    return {}

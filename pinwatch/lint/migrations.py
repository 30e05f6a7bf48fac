"""Migration files, recognised by the annotations or the path that a tool gives them.

Owns what each tool sends by itself that pins, whatever its migrations have.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tool:
    """A migration tool, and patterns of its files' text and of their paths.

    ``pins_by`` is what the tool itself sends that pins; empty if it sends no such thing
    by default. ``splits`` is true if it sends each statement alone. A pattern that is
    empty matches nothing.
    """

    name: str
    text: str = ""
    path: str = ""
    pins_by: str = ""
    splits: bool = True

    def matches_text(self, text: str) -> bool:
        return bool(self.text) and bool(re.search(self.text, text, re.MULTILINE))

    def matches_path(self, path: str) -> bool:
        return bool(self.path) and bool(re.search(rf"(?:^|/){self.path}$", path))


TOOLS: Final = (
    # https://pressly.github.io/goose/documentation/annotations/
    Tool("goose", text=r"^--[ \t]*\+goose Up\b"),
    # https://github.com/amacneil/dbmate#creating-migrations
    Tool("dbmate", text=r"^--[ \t]*migrate:up\b", splits=False),
    # https://docs.liquibase.com/concepts/changelogs/sql-format.html
    Tool("Liquibase", text=r"\A--[ \t]*liquibase formatted sql\b"),
    # https://github.com/sqitchers/sqitch/blob/develop/lib/App/Sqitch/Engine/pg.pm
    Tool(
        "sqitch",
        text=r"\A\s*-- (?:Deploy|Revert|Verify) \S+ (?:to|from|on) pg$",
        path=r"(?:deploy|revert|verify)/[^/]+\.sql",
        pins_by="SET search_path",
    ),
    # https://alembic.sqlalchemy.org/en/latest/offline.html
    Tool("Alembic", text=r"^-- Running (?:up|down)grade\b|^down_revision\b.*="),
    # https://docs.djangoproject.com/en/stable/ref/django-admin/#sqlmigrate
    Tool(
        "Django",
        text=r"^class Migration\(migrations\.Migration\)"
        r"|\A(?:BEGIN;\n)?--\n-- (?:Add|Alter|Create|Delete|Raw|Remove|Rename) "
        r"(?:constraint|field|index|model|Python operation|SQL operation)\b.*\n--$",
    ),
    Tool("pg_dump", text=r"^-- PostgreSQL database (?:cluster )?dump$"),
    # https://guides.rubyonrails.org/active_record_migrations.html#types-of-schema-dumps
    Tool("Rails", path=r"db/(?:\w+_)?structure\.sql"),
    # https://github.com/flyway/flyway: PostgreSQLConnection.doRestoreOriginalState
    Tool("Flyway", path=r"(?:[BUV]\d[\d._]*|R)__[^/]+\.sql", pins_by="SET ROLE"),
    # https://github.com/golang-migrate/migrate/blob/master/database/postgres/postgres.go
    Tool(
        "golang-migrate",
        path=r"\d+_[^/]+\.(?:up|down)\.sql",
        pins_by="pg_advisory_lock",
        splits=False,
    ),
    # https://www.prisma.io/docs/orm/prisma-migrate/workflows/development-and-production#advisory-locking
    Tool(
        "Prisma",
        path=r"migrations/[^/]+/migration\.sql",
        pins_by="pg_advisory_lock",
        splits=False,
    ),
    Tool("", path=r"(?:\w*_)?migrations?/.+\.sql", splits=False),
)
"""The tools, those that are recognised by their annotations first. The last one is any
tool that keeps SQL in a folder of migrations, and may send a file as one message."""


def migration_tool(path: str, text: str) -> Tool | None:
    """Return the tool whose migration a file is; None if it is no migration.

    The path is that within the project, with slashes.
    """
    for tool in TOOLS:
        if tool.matches_text(text) or tool.matches_path(path):
            return tool
    return None

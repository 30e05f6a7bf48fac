"""Migration files are recognised by their annotations and by their paths."""

import pytest

from pinwatch.lint.migrations import migration_tool


@pytest.mark.parametrize(
    ("path", "text", "tool"),
    [
        ("a.sql", "-- for orders\n-- +goose Up\nSELECT 1;", "goose"),
        ("a.sql", "-- migrate:up transaction:false\nSELECT 1;", "dbmate"),
        ("a.sql", "--liquibase formatted sql\n--changeset me:1\n", "Liquibase"),
        ("a.sql", "-- Deploy app:users to pg\n\nBEGIN;", "sqitch"),
        ("deploy/users.sql", "BEGIN;", "sqitch"),
        ("", "BEGIN;\n\n-- Running upgrade  -> 1a2b\n\n", "Alembic"),
        ("versions/1a2b.py", "down_revision: str | None = None\n", "Alembic"),
        ("", "BEGIN;\n--\n-- Create model Author\n--\nCREATE TABLE a ();", "Django"),
        ("0001.py", "class Migration(migrations.Migration):\n", "Django"),
        ("", "--\n-- PostgreSQL database dump\n--\n", "pg_dump"),
        ("db/structure.sql", "", "Rails"),
        ("V7__x.sql", "", "Flyway"),
        ("db/V1.2_3__x.sql", "", "Flyway"),
        ("R__view.sql", "", "Flyway"),
        ("m/000001_x.down.sql", "", "golang-migrate"),
        ("prisma/migrations/20261130_x/migration.sql", "", "Prisma"),
        ("supabase/migrations/20261130_x.sql", "", ""),
        ("migrations/2026-11-30-x/up.sql", "", ""),
        ("db/queries.sql", "-- name: get :one\nSELECT 1;", None),
        ("V7__x.py", "", None),
        ("migrations/__init__.py", "", None),
        ("a.sql", "--\n-- Create access method tests\n--\n", None),
        ("a.sql", "--\n-- Name: a; Type: TABLE\n--\n", None),
    ],
)
def test_the_tool_of_a_file(path: str, text: str, tool: str | None) -> None:
    found = migration_tool(path, text)
    assert (found.name if found else None) == tool

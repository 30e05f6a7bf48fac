"""Texts of two runs that are alike."""

import pytest

from pinwatch.pins.alike import alike
from pinwatch.pins.digest import digest

DJANGO = 'DECLARE "_django_curs_{}" NO SCROLL CURSOR WITH HOLD FOR SELECT 1'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DJANGO.format("139769734527872_sync_2"), DJANGO.format("14012_sync_17")),
        (
            "DECLARE c_7fc812629250_2 CURSOR FOR TABLE t",
            "DECLARE c_7fd0b1_c CURSOR FOR TABLE t",
        ),
        ("DECLARE a_1 CURSOR FOR TABLE t", "DECLARE a_12 CURSOR FOR TABLE t"),
        ("PREPARE p1234 AS SELECT 1", "PREPARE p98765 AS SELECT 1"),
        ("EXECUTE _pg3_0", "EXECUTE _pg3_12"),
        ("DEALLOCATE _pg3_3", "DEALLOCATE _pg3_41"),
        ("DEALLOCATE PREPARE x12", "DEALLOCATE PREPARE x13"),
        ("SAVEPOINT s139769734527872_x1", "SAVEPOINT s139769734527999_x3"),
        (
            "ROLLBACK TO SAVEPOINT sa_savepoint_1",
            "ROLLBACK TO SAVEPOINT sa_savepoint_2",
        ),
        ("ROLLBACK TO s12", "ROLLBACK TO s13"),
        ("RELEASE s12", "RELEASE s13"),
        ("RELEASE SAVEPOINT s12", "RELEASE SAVEPOINT s13"),
        ("DECLARE /*a*/ s12 CURSOR FOR TABLE t", "DECLARE s13 CURSOR FOR TABLE t"),
        (
            "CREATE TEMP TABLE IF NOT EXISTS pg_temp.t_12 (id int)",
            "CREATE TEMP TABLE IF NOT EXISTS pg_temp.t_13 (id int)",
        ),
        (
            "CREATE LOCAL TEMPORARY VIEW t12 AS TABLE a",
            "CREATE LOCAL TEMPORARY VIEW t13 AS TABLE a",
        ),
        ("SELECT 1 INTO TEMP t12", "SELECT 1 INTO TEMP t13"),
        (
            "CREATE TEMP TABLE t12 (id int); INSERT INTO t12 TABLE a; DROP TABLE t12",
            "CREATE TEMP TABLE t13 (id int); INSERT INTO t13 TABLE a; DROP TABLE t13",
        ),
        ("LISTEN jobs_12", "LISTEN jobs_9"),
        ("LISTEN jobs12", "LISTEN jobs13"),
        ("UNLISTEN tenant_17", "UNLISTEN tenant_18"),
        ("NOTIFY tenant_17", "NOTIFY tenant_18"),
        (
            'LISTEN "job_0b6f8f52-9c1e-4f0a-beef-5b7a3f2f9d11"',
            'LISTEN "job_7d2e4c1a-cafe-4b1d-8a2f-0e9b8c7d6a55"',
        ),
        (
            'SAVEPOINT "0b6f8f52-9c1e-4f0a-beef-5b7a3f2f9d11-sp-1"',
            'SAVEPOINT "7d2e4c1a-cafe-4b1d-8a2f-0e9b8c7d6a55-sp-2"',
        ),
        ("SAVEPOINT trx2", "SAVEPOINT trx14"),
        ("RELEASE trx2", "RELEASE trx3"),
        ("DEALLOCATE a1", "DEALLOCATE a2"),
        ("EXECUTE _auto3(1)", "EXECUTE _auto11(1)"),
        ("CLOSE c_12", "CLOSE c_13"),
        ("FETCH NEXT FROM c_12", "FETCH NEXT FROM c_13"),
        ('FETCH FORWARD 100 FROM "c_12"', 'FETCH FORWARD 100 FROM "c_13"'),
        ("MOVE ALL IN c_12", "MOVE ALL IN c_13"),
        ("LISTEN jobs /*traceparent='00-1-1-01'*/", "/*a:b*/ LISTEN jobs"),
    ],
)
def test_what_is_generated_makes_no_difference(one: str, other: str) -> None:
    first, second = digest(one), digest(other)
    assert first != second
    assert alike(first) == alike(second)
    assert alike(alike(first)) == alike(first)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DECLARE orders CURSOR FOR TABLE t", "DECLARE items CURSOR FOR TABLE t"),
        ("DECLARE a_12 CURSOR FOR TABLE t", "DECLARE b_12 CURSOR FOR TABLE t"),
        ("DECLARE c_12 CURSOR FOR TABLE t12", "DECLARE c_12 CURSOR FOR TABLE t13"),
        ("DECLARE t12 CURSOR FOR TABLE t123", "DECLARE t12 CURSOR FOR TABLE t124"),
        ("CREATE TABLE t12 (id int)", "CREATE TABLE t13 (id int)"),
        ("LISTEN jobs", "LISTEN mails"),
        ("LISTEN jobs_12", "LISTEN mails_12"),
        ("LISTEN jobs_12", "UNLISTEN jobs_12"),
        ("LISTEN v1", "LISTEN v2"),
        ("CREATE TEMP TABLE t1 (id int)", "CREATE TEMP TABLE t2 (id int)"),
        ("FETCH 10 FROM orders", "FETCH 10 FROM items"),
    ],
)
def test_what_somebody_wrote_does(one: str, other: str) -> None:
    assert alike(digest(one)) != alike(digest(other))


def test_it_reads_as_it_was() -> None:
    assert alike(digest(DJANGO.format("139769734527872_sync_2"))) == (
        'declare "_django_curs_#_sync_#" no scroll cursor with hold for select $1'
    )
    assert alike("declare c_7fc812629250_2 cursor for table t") == (
        "declare c_#_# cursor for table t"
    )


def test_of_a_text_that_is_cut_off_too() -> None:
    assert alike('declare c_12 cursor for select "t') == (
        'declare c_# cursor for select "t'
    )

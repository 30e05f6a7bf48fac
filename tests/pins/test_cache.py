"""Verdicts that are remembered."""

import sys
import tracemalloc
from itertools import permutations
from typing import Final

import pytest

from pinwatch.pins import tokens
from pinwatch.pins.cache import ALIKE, FINDING, OVERHEAD, Expensive, VerdictCache
from pinwatch.pins.profiles import PROFILES
from pinwatch.pins.scan import LEADING, MARKS, WORDS
from pinwatch.pins.verdict import judge


def test_a_text_is_judged_once() -> None:
    cache = VerdictCache()
    first = cache.look(b"SET a.b = 1")
    assert first is not None
    assert first.pins
    assert cache.look(b"SET a.b = 1") is first
    assert cache.misses == 1


def test_nothing_to_say_is_remembered_too() -> None:
    cache = VerdictCache()
    for _ in range(2):
        assert cache.look(b"SELECT a") is None
    assert cache.misses == 1
    assert len(cache) == 1


def test_of_a_harmless_text_other_numbers_are_as_harmless() -> None:
    cache = VerdictCache()
    for number in range(10, 100):
        assert cache.look(b"SELECT %d" % number) is None
    assert cache.misses == 1


def test_of_any_other_text_each_number_has_its_own_verdict() -> None:
    cache = VerdictCache()
    texts = [b"SET a.b = %d" % number for number in range(10)]
    found = [cache.look(text) for text in texts]
    assert [one and one.text.encode() for one in found] == texts
    assert cache.misses == 10


@pytest.mark.parametrize(
    "sql", [b"SELECT f('%d', 'nextval')", b"SELECT a%d, temp FROM t"]
)
def test_what_was_parsed_and_says_nothing_is_of_its_own_numbers_alone(
    sql: bytes,
) -> None:
    cache = VerdictCache()
    assert cache.look(sql % 0) is None
    assert cache.look(sql % 1) is None
    assert cache.misses == 2


def test_no_word_that_matters_has_a_digit() -> None:
    words = [*WORDS, *MARKS, *(word.encode() for word in LEADING)]
    assert [word for word in words if word.translate(ALIKE) != word] == []
    assert not any(b"0" in word for word in words)


def texts(count: int) -> list[bytes]:
    """Harmless, equally long, and different by more than digits."""
    return [b"SELECT a" + chr(ord("a") + n).encode() for n in range(count)]


def test_texts_are_bounded() -> None:
    cache = VerdictCache(max_texts=4)
    for text in texts(26):
        cache.look(text)
        assert len(cache) <= 4
    assert cache.misses == 26


def test_bytes_are_bounded() -> None:
    most = 4 * (OVERHEAD + 9)
    cache = VerdictCache(max_bytes=most)
    for text in texts(26):
        cache.look(text)
        assert 0 < cache.size <= most
        assert len(cache) <= 4


def test_what_is_in_use_stays() -> None:
    cache = VerdictCache(max_texts=4)
    for text in texts(26):
        cache.look(b"SET a.b = 1")
        cache.look(b"SELECT b")
        cache.look(text)
    assert cache.misses == 28


def test_its_size_is_that_of_what_is_kept() -> None:
    cache = VerdictCache(max_texts=6)
    for text in texts(26):
        cache.look(b"SET a.b = 1")
        cache.look(text)
        kept = (len(cache) - 1) * (len(text) + OVERHEAD)
        assert cache.size == entry_size(b"SET a.b = 1") + kept


EXPENSIVE = b"SELECT nextval('s')" + b", 1" * 2_000


def test_an_expensive_text_is_left_to_a_worker_thread() -> None:
    cache = VerdictCache(defers=True)
    with pytest.raises(Expensive):
        cache.look(EXPENSIVE)
    found = judge(EXPENSIVE, cache.profile)
    assert cache.remember(EXPENSIVE, found, cache.profile) is found
    assert cache.look(EXPENSIVE) is found
    assert cache.misses == 1


def test_what_came_back_without_anything_to_say_is_remembered_too() -> None:
    cache = VerdictCache(defers=True)
    sql = EXPENSIVE.replace(b"nextval('s')", b"'nextval('")
    with pytest.raises(Expensive):
        cache.look(sql)
    assert cache.remember(sql, judge(sql, cache.profile), cache.profile) is None
    assert cache.look(sql) is None


def test_a_verdict_by_a_profile_that_is_left_by_now_is_not_kept() -> None:
    cache = VerdictCache(defers=True)
    before, found = cache.profile, judge(EXPENSIVE, cache.profile)
    cache.follow(PROFILES["lenient"])
    cache.remember(EXPENSIVE, found, before)
    with pytest.raises(Expensive):
        cache.look(EXPENSIVE)


@pytest.mark.parametrize(
    "sql", [b"SET a.b = 1", b"SELECT 1" + b", 1" * 4_000, b"SET a = '" + b"x" * 9_000]
)
def test_all_other_texts_are_judged_at_once(sql: bytes) -> None:
    VerdictCache(defers=True).look(sql)


def test_a_cache_without_a_worker_judges_everything() -> None:
    found = VerdictCache().look(EXPENSIVE)
    assert found is not None
    assert found.pins


def test_what_has_many_findings_takes_more_room() -> None:
    one, times = b"SET a = 1;", 50
    assert entry_size(one * times) > entry_size(one) + (times - 1) * FINDING


def entry_size(sql: bytes) -> int:
    cache = VerdictCache()
    cache.look(sql)
    return cache.size


NAMES: Final = ["".join(letters) for letters in permutations("abcde", 3)]


def memory_of(texts: list[bytes]) -> tuple[int, int]:
    """Return the bytes that a cache of these texts uses, and those that it counts."""
    tracemalloc.start()
    try:
        cache = VerdictCache(max_texts=2 * len(texts), max_bytes=sys.maxsize)
        tokens.tokens.cache_clear()
        before, _ = tracemalloc.get_traced_memory()
        for text in texts:
            found = cache.look(text)
            if found is not None:  # all that a pin reads is kept
                assert (found.digest, found.outline, found.tags)[0]
        tokens.tokens.cache_clear()  # it keeps the latest texts
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before, cache.size


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 AS {0}",
        "SET soak.{0} = 'x'",
        "LISTEN {0}",
        "CREATE TEMP TABLE {0} (a int, b text)",
        "SET soak.{0} = '" + "x" * 9_000 + "'",
        "SET soak.{0} = 'some \U0001f600'",
        "INSERT INTO {0} SELECT nextval('s')" + ", 'x' || a" * 100,
        "SET soak.{0} = 1; " * 50,
    ],
    ids=lambda text: text[:20],
)
def test_its_size_is_that_of_its_memory(text: str) -> None:
    """Compiled, the objects are smaller."""
    memory_of([b"SET a = 1"])  # first uses allocate what stays
    used, counted = memory_of([text.format(word).encode() for word in NAMES])
    assert used <= 1.3 * counted
    assert counted <= 3 * used

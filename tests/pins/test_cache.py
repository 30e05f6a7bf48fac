"""Verdicts that are remembered."""

from pinwatch.pins.cache import OVERHEAD, VerdictCache


def test_a_text_is_judged_once() -> None:
    cache = VerdictCache()
    first = cache.look(b"SET a.b = 1")
    assert first is not None
    assert first.pins
    assert cache.look(b"SET a.b = 1") is first
    assert cache.misses == 1


def test_nothing_to_say_is_remembered_too() -> None:
    cache = VerdictCache()
    assert cache.look(b"SELECT 1") is None
    assert cache.known == {b"SELECT 1": None}


def test_texts_are_bounded() -> None:
    cache = VerdictCache(max_texts=4)
    for number in range(100):
        cache.look(b"SELECT %d" % number)
        assert len(cache.known) + len(cache.older) <= 4
    assert cache.misses == 100


def test_bytes_are_bounded() -> None:
    cache = VerdictCache(max_bytes=4 * (OVERHEAD + 9))
    for number in range(10, 100):
        cache.look(b"SELECT %d" % number)
        assert len(cache.known) + len(cache.older) <= 4


def test_what_is_in_use_stays() -> None:
    cache = VerdictCache(max_texts=4)
    for number in range(100):
        cache.look(b"SET a.b = 1")
        cache.look(b"SELECT %d" % number)
    assert cache.misses == 101

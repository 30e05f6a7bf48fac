"""The parameters that logins receive from earlier ones are bounded."""

import gc
import tracemalloc
from typing import Final

import pytest

from pinwatch.proxy.parameter_cache import ParameterCache
from pinwatch.relay.client_login import CachedParameters
from pinwatch.relay.parameters import Values

KEY: Final = (b"app", b"alice")
FEW: Final = 100
LITTLE: Final = 500_000  # bytes, less than those of few long entries
REPORTED: Final = {b"parameter_%d" % n: b"on" for n in range(15)}


def login(cache: ParameterCache, path: bytes, name: bytes = b"") -> None:
    """Cache what a client with this search_path and application_name received."""
    startup = Values.of({b"search_path": path, b"application_name": name})
    reported = Values.of({**REPORTED, **startup.values})
    cache.put(startup, CachedParameters(KEY, reported, 0.0))


def test_an_entry_is_for_all_plain_application_names() -> None:
    cache = ParameterCache()
    login(cache, b"a", b"one")
    login(cache, b"a", b"two")
    assert len(cache) == 1
    startup = Values.of({b"search_path": b"a", b"application_name": b"three"})
    found = cache.get(KEY, startup)
    assert found is not None
    assert found.reported_parameters.values[b"application_name"] == b"three"
    assert cache.get((b"app", b"bob"), startup) is None


def test_entries_are_limited() -> None:
    cache = ParameterCache(max_entries=4)
    for number in range(12):
        login(cache, b"path_%d" % number)
        assert len(cache) <= 4
    kept = [number for number in range(12) if known(cache, b"path_%d" % number)]
    assert kept == [8, 9, 10, 11]


def known(cache: ParameterCache, path: bytes) -> bool:
    startup = Values.of({b"search_path": path, b"application_name": b""})
    return cache.get(KEY, startup) is not None


def test_bytes_are_limited() -> None:
    cache = ParameterCache(max_bytes=LITTLE)
    for number in range(FEW):
        login(cache, b"%09000d" % number)
        assert 0 < cache.size <= LITTLE
    assert known(cache, b"%09000d" % (FEW - 1))
    assert not known(cache, b"%09000d" % 0)


def test_its_size_is_that_of_what_is_kept() -> None:
    cache = ParameterCache(max_entries=4)
    login(cache, b"a")
    one = cache.size
    for path in (b"a", b"b", b"c", b"a", b"d", b"e", b"f"):
        login(cache, path)
        assert cache.size == len(cache) * one
    cache.clear()
    assert cache.size == len(cache) == 0


@pytest.mark.parametrize("length", [1, 9_000])
def test_its_memory_is_bounded_by_its_bytes(length: int) -> None:
    memory_of(1, length)  # the first use allocates what stays
    used = [memory_of(logins, length) for logins in (5 * FEW, 20 * FEW)]
    assert used[1] < 1.1 * used[0] < 1.1 * LITTLE


def memory_of(logins: int, length: int) -> int:
    """Return the bytes of a cache after logins with a search_path of this length."""
    tracemalloc.start()
    try:
        cache = ParameterCache(max_bytes=LITTLE)
        for number in range(logins):
            login(cache, b"%0*d" % (length, number))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

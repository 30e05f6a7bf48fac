"""The idle connections of every target are released."""

from dataclasses import replace

from tests.targets.conftest import Before
from tests.targets.test_endpoints import READS, connected, endpoint
from tests.wireclient import WireClient


def test_of_the_writer_and_of_the_readers(before: Before) -> None:
    proxy = before(endpoints=[READS])
    for name in "default", "reads":
        with connected(proxy, name) as client:
            client.execute("SELECT 1")
    assert proxy.run(proxy.proxy.release("postgres")) == 2
    assert not any(len(pool) for pool in proxy.proxy.pools)


def test_the_database_by_which_targets_are_checked(before: Before) -> None:
    proxy = before(release_on_ddl=True)
    elsewhere = replace(endpoint(proxy, "default"), database="template1")
    with WireClient.login(elsewhere) as client:
        copied = client.query("CREATE DATABASE copied TEMPLATE postgres")
        assert copied.errors == []
        assert client.query("DROP DATABASE copied").errors == []

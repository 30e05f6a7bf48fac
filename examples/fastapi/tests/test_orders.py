from fastapi.testclient import TestClient


def revenue(client: TestClient) -> int:
    answer: int = client.get("/revenue").json()
    return answer


def test_place(client: TestClient) -> None:
    before = revenue(client)
    assert client.post("/orders", params={"total": 3}).is_success
    assert revenue(client) == before + 3


def test_import_all(client: TestClient) -> None:
    """This test fails with ``--pinwatch``, because its session is pinned."""
    before = revenue(client)
    assert client.post("/orders/import", json=[3, 4]).is_success
    assert revenue(client) == before + 7


def test_place_all(client: TestClient) -> None:
    before = revenue(client)
    assert client.post("/orders/all", json=[3, 4]).is_success
    assert revenue(client) == before + 7

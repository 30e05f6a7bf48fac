"""The application's line, by the tags of several writers."""

import pytest

from pinwatch.observers.source import Source, source


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"file": "app/db.py", "line": "30"}, Source("app/db.py", 30, "")),
        ({"source_location": "app/db.py:30"}, Source("app/db.py", 30, "")),
        (
            {"action": "create", "source_location": "app/order.rb:4:in `place'"},
            Source("app/order.rb", 4, "place"),
        ),
        (
            {"source_location": "app/order.rb:4:in 'Order#place'"},
            Source("app/order.rb", 4, "Order#place"),
        ),
        ({"line": "app/order.rb:4:in `place'"}, Source("app/order.rb", 4, "place")),
        ({"route": "/orders"}, Source("", 0, "/orders")),
        ({}, Source("", 0, "")),
    ],
)
def test_source(tags: dict[str, str], expected: Source) -> None:
    assert source(tags) == expected

"""The committed files are those that the Python generates."""

import pytest

from grafana.__main__ import FILES, FOLDER


@pytest.mark.parametrize("name", FILES)
def test_writing_it_again_changes_nothing(name: str) -> None:
    assert (FOLDER / name).read_text() == FILES[name](), "run python -m grafana"

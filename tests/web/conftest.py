"""Real clients, for what is told of them."""

from tests.live.conftest import serve as serve

"""Cases: SQL and what RDS Proxy makes of it.

``pins.jsonl``: ``sql``, whether it ``pins``, by which ``rule``, and whether that is
``contested``. ``digests.jsonl``: ``sql`` and the ``digest`` that the ``source``
published from a log of the service; ``elided`` says what the report leaves out.
"""

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


PINS: Final = cases("pins.jsonl")
DIGESTS: Final = cases("digests.jsonl")

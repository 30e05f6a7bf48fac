"""Resources as Terraform prints them in a plan or state."""

import re
from typing import Any, Final

ADDRESS: Final = re.compile(r"(?:module\.\w+(?:\[[^]]*\])?\.|data\.)*(\w+)\.(\w+)")

Json = dict[str, Any]


def resource(address: str, values: Json, /, **more: Any) -> Json:
    match = ADDRESS.match(address)
    assert match is not None
    kind, name = match.groups()
    return {
        "address": address,
        "mode": "managed",
        "type": kind,
        "name": name,
        "values": values,
        "sensitive_values": {},
    } | more

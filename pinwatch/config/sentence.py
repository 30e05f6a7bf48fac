"""The sentence about a setting that cannot be used, for the user."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from pydantic import ValidationError

from pinwatch.config.describe import KINDS, settings


def sentence(wrong: ValidationError) -> str:
    """Return the sentence about the first wrong setting, without secret values."""
    error = wrong.errors()[0]
    path, given = error["loc"], error["input"]
    name = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)[1:]
    setting = settings().get(".".join(p for p in path if isinstance(p, str)))
    match error["type"]:
        case "extra_forbidden":
            return unknown(name)
        case "value_error" if setting is None or setting.several:
            return f"{name}: {error['ctx']['error']}.".removeprefix(": ")
        case "value_error":
            allowed = str(error["ctx"]["error"])
        case "string_type" if isinstance(path[-1], int):
            allowed = KINDS["string"]
        case "model_type" if isinstance(path[-1], int):
            allowed = KINDS["object"]
        case _:
            allowed = setting.allowed if setting else error["msg"]
    value = (
        given if isinstance(given, str) and given else json.dumps(given, default=str)
    )
    if setting is None or setting.secret or isinstance(given, Mapping | list):
        return f"{name} must be {allowed}."
    return f"{name} is {value}, but must be {allowed}."


def unknown(name: str) -> str:
    """Return the sentence about a name that is no setting's."""
    meant = nearest(name, settings())
    return f"{name} is not a setting" + (f": did you mean {meant}?" if meant else ".")


def nearest(name: str, among: Iterable[str]) -> str | None:
    """Return the setting whose last part is most similar; case and _ do not count."""

    def last_part(dotted: str) -> str:
        return dotted.rpartition(".")[2].lower().replace("_", "").replace("-", "")

    known = {last_part(setting): setting for setting in reversed(list(among))}
    close = get_close_matches(last_part(name), known, n=1, cutoff=0.7)
    return known[close[0]] if close else None

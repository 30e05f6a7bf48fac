"""The settings in words, for error texts and for the documentation.

The words come from the JSON schema of the model, so a new setting needs no line here.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from pinwatch.config.model import Settings

Schema = dict[str, Any]

KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a table",
    "string": "text",
}


class Setting(NamedTuple):
    """A setting; ``allowed`` completes a sentence that begins with "must be".

    ``default`` is as in JSON, and None if there is none or it is computed. ``secret``
    is true if the value is or contains a secret and must not be shown. ``several`` is
    true for a table of settings or a list.
    """

    name: str
    allowed: str
    default: Any
    about: str
    secret: bool
    several: bool

    @property
    def is_list(self) -> bool:
        return self.allowed == KINDS["array"]


@cache
def settings() -> dict[str, Setting]:
    """Return all settings and tables of settings by their dotted names."""
    schema = Settings.model_json_schema()
    return {setting.name: setting for setting in _walk(schema, schema["$defs"], "")}


def _walk(model: Schema, models: dict[str, Schema], prefix: str) -> Iterator[Setting]:
    for name, field in model["properties"].items():
        schema = _resolve(field, models)
        table = _resolve(schema.get("items", schema), models)
        within: list[Setting] = []
        if "properties" in table:
            within = list(_walk(table, models, f"{prefix}{name}."))
        yield Setting(
            name=prefix + name,
            allowed=_allowed(schema),
            default=field.get("default"),
            about=" ".join(field.get("description", "").split()),
            secret="writeOnly" in schema or any(one.secret for one in within),
            several=schema["type"] in ("object", "array"),
        )
        yield from within


def _resolve(schema: Schema, models: dict[str, Schema]) -> Schema:
    """Follow a reference, and drop the null of an optional field."""
    [schema] = [
        choice
        for choice in schema.get("anyOf", [schema])
        if choice.get("type") != "null"
    ]
    return models[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _allowed(schema: Schema) -> str:
    match schema:
        case {"enum": [*first, last]}:
            return f"{', '.join(first)} or {last}"
        case {"const": only}:
            return str(only)
        case {"format": "path"}:
            return "a path"
        case {"format": str(form), **rest} if "writeOnly" not in rest:
            return form
        case {"minimum": least, "maximum": most}:
            limits = f" from {least} to {most}"
        case {"minimum": least}:
            limits = f" of at least {least}"
        case {"exclusiveMinimum": least}:
            limits = f" greater than {least}"
        case {"minLength": least, "maxLength": most}:
            limits = f" of {least} to {most} characters"
        case {"minLength": 1}:
            limits = " that is not empty"
        case _:
            limits = ""
    return KINDS[schema["type"]] + limits

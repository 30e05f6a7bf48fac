"""The OpenAPI document, made from the routes: https://spec.openapis.org/oas/v3.1.1

A route's description is the docstring of its function; its response is a model.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from pinwatch import __version__
from pinwatch.web.operation import JSON, Error, Operation

REFERENCE: Final = "#/components/schemas/{model}"
INFO: Final = {
    "title": "pinwatch",
    "version": __version__,
    "description": "Pins, leaks, pool, sessions, targets and faults of a running "
    "pinwatch.",
    "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
}
SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The http_token."}
}
MEANINGS: Final = {
    400: "The request is invalid.",
    403: "The request is not allowed.",
    404: "No object has that name.",
    409: "The request conflicts with the present state.",
    413: "The request body is too long.",
    503: "The service is not available now.",
}

KEYWORDS: Final = ("type", "format", "enum", "minimum", "maximum")
"""The keywords of a parameter's schema that constrain its value."""

Schema = dict[str, Any]
Describe = Callable[[], Schema]


def document_route(describe: Describe) -> Route:
    async def openapi(request: Request) -> JSONResponse:
        """Return this document, in OpenAPI 3.1."""
        return JSONResponse(describe())

    return Route("/openapi.json", openapi, methods=["GET"])


def document(routes: Iterable[BaseRoute]) -> Schema:
    shown = [r for r in routes if isinstance(r, Route) and r.include_in_schema]
    return {
        "openapi": "3.1.1",
        "info": INFO,
        "paths": _paths(shown),
        "components": {"schemas": _schemas(shown), "securitySchemes": SECURITY},
        "security": [{"bearer": []}, {}],
    }


def _paths(routes: Iterable[Route]) -> Schema:
    paths: Schema = {}
    for route in routes:
        method = route.method if isinstance(route, Operation) else "GET"
        paths.setdefault(route.path, {})[method.lower()] = _operation(route)
    return paths


def _schemas(routes: Iterable[Route]) -> Schema:
    answers: dict[type[BaseModel], None] = {Error: None}
    answers |= {route.answer: None for route in routes if isinstance(route, Operation)}
    bodies = {r.body: None for r in routes if isinstance(r, Operation) and r.body}
    _, schemas = models_json_schema(
        [
            *((answer, "serialization") for answer in answers),
            *((body, "validation") for body in bodies),
        ],
        ref_template=REFERENCE,
    )
    found: Schema = schemas["$defs"]
    return found


def _operation(route: Route) -> Schema:
    about = " ".join((inspect.getdoc(route.endpoint) or "").split())
    operation: Schema = {
        "operationId": route.name,
        "summary": about,
        "responses": {"200": {"description": "The result."}},
    }
    if isinstance(route, Operation):
        operation["parameters"] = _parameters(route)
        if route.body is not None:
            fields = route.body.model_fields.values()
            operation["requestBody"] = {
                "required": any(field.is_required() for field in fields),
                "content": {JSON: {"schema": _reference(route.body)}},
            }
        operation["responses"]["200"]["content"] = {route.media_type: _answer(route)}
        for status in route.errors:
            operation["responses"][str(status)] = {
                "description": MEANINGS[status],
                "content": {JSON: {"schema": _reference(Error)}},
            }
    return operation


def _answer(route: Operation) -> Schema:
    if route.media_type != JSON:
        return {"schema": {"type": "string"}}
    answer = _reference(route.answer)
    if route.several:
        answer = {"type": "array", "items": answer}
    return {"schema": answer}


def _reference(model: type[BaseModel]) -> Schema:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _parameters(route: Operation) -> list[Schema]:
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": "Name of the object.",
            "schema": {"type": "string"},
        }
        for name in route.param_convertors
    ]
    if route.query is None:
        return in_path
    properties: Schema = route.query.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "description": schema.get("description", ""),
            "schema": _present(schema),
        }
        for name, schema in properties.items()
    ]


def _present(schema: Schema) -> Schema:
    """Return the schema of a value that is present, without the null alternative."""
    [present] = [c for c in schema.get("anyOf", [schema]) if c.get("type") != "null"]
    return {key: present[key] for key in present if key in KEYWORDS}

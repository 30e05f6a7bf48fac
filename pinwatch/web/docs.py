"""The OpenAPI document as an HTML page, without scripts, styles or other hosts."""

from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from pinwatch.web.openapi import Describe, Schema

DOCTYPE: Final = "<!DOCTYPE html>\n"
VIEWPORT: Final = {"name": "viewport", "content": "width=device-width"}


def docs_route(describe: Describe) -> Route:
    async def docs(request: Request) -> HTMLResponse:
        """Show the OpenAPI document as a page."""
        return HTMLResponse(page(describe()))

    return Route("/api/docs", docs, methods=["GET"])


def page(document: Schema) -> str:
    title = f"{document['info']['title']} {document['info']['version']}"
    html = Element("html", lang="en")
    head = SubElement(html, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", VIEWPORT)
    SubElement(head, "title").text = title
    body = SubElement(html, "body")
    SubElement(body, "h1").text = title
    SubElement(body, "p").text = document["info"]["description"]
    SubElement(SubElement(body, "p"), "a", href="/openapi.json").text = "OpenAPI"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _operation(body, f"{method.upper()} {path}", operation)
    for name, schema in document["components"]["schemas"].items():
        _schema(body, name, schema)
    return DOCTYPE + tostring(html, "unicode", method="html")


def _operation(body: Element, title: str, operation: Schema) -> None:
    SubElement(body, "h2", id=operation["operationId"]).text = title
    SubElement(body, "p").text = operation["summary"]
    parameters = operation.get("parameters")
    if parameters:
        table = _table(body, "Parameter", "Type", "")
        for one in parameters:
            _row(table, one["name"], one["schema"], one["description"])
    table = _table(body, "Status", "Answer", "")
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {"": {}}).items():
            about = f"{response['description']} {media_type}".strip()
            _row(table, status, content.get("schema", {}), about)


def _schema(body: Element, name: str, schema: Schema) -> None:
    SubElement(body, "h2", id=name).text = name
    SubElement(body, "p").text = schema.get("description", "")
    table = _table(body, "Property", "Type", "")
    for prop, described in schema.get("properties", {}).items():
        _row(table, prop, described, described.get("description", ""))


def _table(body: Element, *headings: str) -> Element:
    table = SubElement(body, "table")
    row = SubElement(table, "tr")
    for heading in headings:
        SubElement(row, "th", scope="col").text = heading
    return table


def _row(table: Element, name: str, schema: Schema, about: str) -> None:
    row = SubElement(table, "tr")
    SubElement(row, "th", scope="row").text = name
    _write_type(SubElement(row, "td"), schema)
    SubElement(row, "td").text = about


def _write_type(cell: Element, schema: Schema) -> None:
    """Write the type; a model becomes a link to its section of the page."""
    name = _referenced(schema)
    if name is None:
        cell.text = _type_name(schema)
    else:
        cell.text = "list of " if schema.get("type") == "array" else ""
        SubElement(cell, "a", href=f"#{name}").text = name


def _referenced(schema: Schema) -> str | None:
    """Return the name of the referenced schema, or that of the items of a list."""
    for one in (schema, schema.get("items", {}), *schema.get("anyOf", ())):
        if "$ref" in one:
            return str(one["$ref"].rpartition("/")[2])
    return None


def _type_name(schema: Schema) -> str:
    match schema:
        case {"enum": [*values]}:
            return ", ".join(map(str, values))
        case {"anyOf": [*kinds]}:
            return " or ".join(map(_type_name, kinds))
        case {"type": "array", "items": items}:
            return f"list of {_type_name(items)}"
        case {"type": str(kind), "format": str(form)}:
            return f"{kind} ({form})"
        case {"type": str(kind)}:
            return kind
        case _:
            return ""

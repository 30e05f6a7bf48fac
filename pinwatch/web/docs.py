"""The OpenAPI document as an HTML page in the style of the live page, without scripts
or other hosts."""

from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from pinwatch.web.openapi import Describe, Schema

DOCTYPE: Final = "<!DOCTYPE html>\n"
META: Final = (
    {"charset": "utf-8"},
    {"name": "viewport", "content": "width=device-width, initial-scale=1"},
    {"name": "color-scheme", "content": "light dark"},
)
STYLES: Final = ("/static/base.css", "/static/docs.css")


def docs_route(describe: Describe) -> Route:
    async def docs(request: Request) -> HTMLResponse:
        """Show the OpenAPI document as a page."""
        return HTMLResponse(page(describe()))

    return Route("/api/docs", docs, methods=["GET"])


def page(document: Schema) -> str:
    title = f"{document['info']['title']} {document['info']['version']}"
    html = Element("html", lang="en")
    head = SubElement(html, "head")
    for attributes in META:
        SubElement(head, "meta", attributes)
    SubElement(head, "title").text = title
    for style in STYLES:
        SubElement(head, "link", rel="stylesheet", href=style)
    body = SubElement(html, "body")
    _header(body, title)
    main = SubElement(body, "main")
    SubElement(main, "p").text = document["info"]["description"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _operation(main, f"{method.upper()} {path}", operation)
    for name, schema in document["components"]["schemas"].items():
        _schema(main, name, schema)
    return DOCTYPE + tostring(html, "unicode", method="html")


def _header(body: Element, title: str) -> None:
    header = SubElement(body, "header")
    SubElement(header, "h1").text = title
    links = SubElement(header, "nav", {"aria-label": "Pages and document"})
    for address, label in (("/", "Live page"), ("/rules", "Rules")):
        SubElement(links, "a", href=address).text = label
        links[-1].tail = " "
    SubElement(links, "a", href="/openapi.json").text = "OpenAPI"


def _operation(main: Element, title: str, operation: Schema) -> None:
    section = SubElement(main, "section")
    SubElement(section, "h2", id=operation["operationId"]).text = title
    SubElement(section, "p").text = operation["summary"]
    parameters = operation.get("parameters")
    if parameters:
        table = _table(section, "Parameter", "Type", "Meaning")
        for one in parameters:
            _row(table, one["name"], one["schema"], one["description"])
    table = _table(section, "Status", "Answer", "Meaning")
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {"": {}}).items():
            about = f"{response['description']} {media_type}".strip()
            _row(table, status, content.get("schema", {}), about)


def _schema(main: Element, name: str, schema: Schema) -> None:
    section = SubElement(main, "section")
    SubElement(section, "h2", id=name).text = name
    SubElement(section, "p").text = schema.get("description", "")
    table = _table(section, "Property", "Type", "Meaning")
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

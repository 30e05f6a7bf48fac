"""Routes with the models of their requests and responses, for the OpenAPI document.

Owns how JSON responses are made. A long list is sent in slices, so that the event loop
relays statements in between.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import islice
from typing import Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pinwatch.observers.schemas import Answer

JSON: Final = "application/json"
SLICE: Final = 100  # items of a list that are sent before the loop goes on


class Error(Answer):
    """An error."""

    error: str
    """The error, in one sentence."""


class Operation(Route):
    """A route; its response is JSON of the model answer, or a list of it if several."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        answer: type[BaseModel],
        *,
        several: bool = False,
        query: type[BaseModel] | None = None,
        method: str = "GET",
        body: type[BaseModel] | None = None,
        errors: tuple[int, ...] = (),
        media_type: str = JSON,
    ) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.answer = answer
        self.several = several
        self.query = query
        self.method = method
        self.body = body
        self.errors = errors
        self.media_type = media_type


def json_response(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(), status, media_type=JSON)


def json_list_response(answers: Iterable[BaseModel]) -> Response:
    """Return a JSON array that is sent in slices, with other work in between."""
    return StreamingResponse(_slices(iter(answers)), media_type=JSON)


async def _slices(answers: Iterable[BaseModel]) -> AsyncIterator[str]:
    between = "["
    while part := ",".join(one.model_dump_json() for one in islice(answers, SLICE)):
        yield between + part
        between = ","
        await asyncio.sleep(0)
    yield "[]" if between == "[" else "]"

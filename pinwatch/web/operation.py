"""Routes that say what they answer, so that the OpenAPI document can.

Owns how an answer in JSON is made, a long list in slices among them: the loop that
sends it relays statements in between.
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
SLICE: Final = 100  # answers of a list that are told before the loop goes on


class Error(Answer):
    """An error."""

    error: str
    """What went wrong, in one sentence."""


class Operation(Route):
    """several says that it answers a list of answer; query and body are of requests."""

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


def told(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(), status, media_type=JSON)


def told_all(answers: Iterable[BaseModel]) -> Response:
    return StreamingResponse(_slices(iter(answers)), media_type=JSON)


async def _slices(answers: Iterable[BaseModel]) -> AsyncIterator[str]:
    between = "["
    while part := ",".join(one.model_dump_json() for one in islice(answers, SLICE)):
        yield between + part
        between = ","
        await asyncio.sleep(0)
    yield "[]" if between == "[" else "]"

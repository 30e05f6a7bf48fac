"""Query parameters of requests, and the sentence about a wrong one."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_QUOTED: Final = 80  # characters of a wrong value that its refusal repeats


def _aware(given: datetime) -> datetime:
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)


Time = Annotated[datetime, AfterValidator(_aware)]
"""A time in ISO 8601, in UTC unless it has an offset."""


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """Return a validator that accepts these names only."""

    def validate(given: str) -> str:
        if given not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return given

    return validate


class Parameters(BaseModel):
    """Query parameters of a request."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    @classmethod
    def of(cls, request: Request) -> Self:
        """Parse the query parameters. Raises HTTPException with one sentence."""
        try:
            return cls.model_validate(dict(request.query_params))
        except ValidationError as error:
            raise HTTPException(400, cls._sentence(error.errors()[0])) from None

    @classmethod
    def _sentence(cls, error: ErrorDetails) -> str:
        """Name the parameter, its value and what is allowed."""
        name, given = error["loc"][0], error["input"][:MAX_QUOTED]
        match error["type"]:
            case "extra_forbidden":
                known = ", ".join(cls.model_fields)
                return f"{str(name)[:MAX_QUOTED]} is not a parameter: there is {known}."
            case "value_error":
                allowed = str(error["ctx"]["error"])
            case _:
                allowed = error["msg"].replace("Input should", "must")
        return f"{name} is {given!r}, but {allowed}."

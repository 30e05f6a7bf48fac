"""Targets, settings and faults over HTTP: their state, and requests that change it."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Annotated, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pinwatch.config.model import Settings
from pinwatch.config.target import Target as ParsedTarget
from pinwatch.errors import (
    FailoverError,
    FaultError,
    PinwatchError,
    ReleaseError,
)
from pinwatch.observers.schemas import Answer
from pinwatch.proxy import faults
from pinwatch.proxy.proxy import Proxy
from pinwatch.targets.group import Member
from pinwatch.web.operation import Operation, json_list_response, json_response

Reload = Callable[[], Awaitable[list[str]]]
"""Reads the settings again; returns the names of those that need a restart."""

NOT_ALLOWED = (
    "Faults are refused where other machines reach the HTTP side: start with "
    "--allow-faults, or listen on a loopback address."
)
M = TypeVar("M", bound=BaseModel)


MAX_BODY: Final = 64 * 1024  # bytes
FAULT_NAME: Final = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""A fault's name is a segment of the path of its DELETE request."""

Seconds = Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)]
Lasting = Annotated[float, Field(gt=0, le=365 * 86_400, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=1, le=1_000_000)]


class RequestBody(BaseModel):
    """Base of the models of request bodies."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class Target(Answer):
    """A target and its health: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_TargetHealth.html"""

    name: str
    address: str
    role: str
    """READ_WRITE for the writer, READ_ONLY for all others."""

    state: str
    """REGISTERING, AVAILABLE or UNAVAILABLE."""

    reason: str | None
    """UNREACHABLE, CONNECTION_FAILED, AUTH_FAILURE or PENDING_PROXY_CAPACITY."""

    description: str | None
    max_connections: int
    """Cap on database connections to this target."""

    @classmethod
    def of(cls, member: Member) -> Self:
        health = member.monitor.health
        return cls(
            name=member.name,
            address=str(member.connections.target.address),
            role=member.role,
            state=health.state,
            reason=health.reason,
            description=health.description,
            max_connections=member.pool.max_connections,
        )


class FailoverRequest(RequestBody):
    """A request to make another target the writer."""

    to: str | None = None
    """Name of the new writer. Default: another target that accepts writes."""

    outage: Seconds = 0
    """Seconds without a writer."""


class FailedOver(Answer):
    """Names of the writers before and after a failover."""

    before: str
    after: str


class Reloaded(Answer):
    """Result of reading the settings again."""

    restart: list[str]
    """Settings that changed but need a restart."""


class ReleaseRequest(RequestBody):
    """A request to close idle database connections."""

    database: str | None = None
    """Database whose connections to close. Default: all databases."""


class Released(Answer):
    """Result of closing idle database connections."""

    closed: int
    """Number of connections that were closed."""


class FaultRequest(RequestBody):
    """A request to add a fault."""

    kind: faults.Kind
    """latency delays each borrow, refuse rejects borrows, kill closes database
    connections, pause serves no borrow."""

    name: Annotated[str, Field(pattern=FAULT_NAME)] | None = None
    """Name to remove the fault by. Default: the kind and a number."""

    seconds: Seconds = 0
    """For latency, the delay. For kill, the interval, where 0 kills once, at once."""

    every: Number = 1
    """For refuse: 1 rejects each borrow, 2 every second one, and so on."""

    connections: Number | None = None
    """For kill: connections to close at a time. Default: all."""

    lasting: Lasting | None = None
    """Seconds after which the fault ends by itself."""


class Fault(Answer):
    """An active fault."""

    name: str
    kind: str
    meaning: str
    """The effect of the fault, in words."""

    seconds: float
    every: int
    connections: int | None
    left: float | None
    """Seconds until the fault ends by itself."""

    happened: int
    """Number of times that the fault took effect."""

    @classmethod
    def of(cls, fault: faults.Fault, now: float) -> Self:
        known = {name: value for name, value in asdict(fault).items() if name in SHOWN}
        left = None if fault.until is None else max(fault.until - now, 0.0)
        return cls(left=left, meaning=fault.meaning, **known)


SHOWN = set(Fault.model_fields) - {"left", "meaning"}


def config_route(proxy: Proxy) -> Operation:
    async def config(request: Request) -> Response:
        """Show the settings in force, with asterisks in place of secrets."""
        # Secrets are SecretStr, whose JSON is asterisks, except in the targets' URLs.
        targets = tuple(
            one.model_copy(update={"url": ParsedTarget.parse(one.url).url})
            for one in proxy.settings.targets
        )
        shown = {"target": proxy.target.url, "targets": targets}
        return json_response(proxy.settings.model_copy(update=shown))

    return Operation("/api/config", config, Settings)


def control_routes(proxy: Proxy, reload: Reload) -> list[BaseRoute]:
    async def targets(request: Request) -> Response:
        """List the targets, with role and health."""
        return json_list_response(map(Target.of, proxy.group.members))

    async def failover(request: Request) -> Response:
        """Make another target the writer. Clients in a request or a transaction, and
        pinned ones, lose their connection."""
        body = await _read(request, FailoverRequest)
        before = proxy.group.writer.name
        try:
            writer = await proxy.group.failover(body.to, body.outage)
        except FailoverError as error:
            raise HTTPException(409, str(error)) from None
        return json_response(FailedOver(before=before, after=writer.name))

    async def reloads(request: Request) -> Response:
        """Read the settings again. A wrong setting changes nothing."""
        try:
            return json_response(Reloaded(restart=await reload()))
        except PinwatchError as error:
            raise HTTPException(400, str(error)) from None

    async def release(request: Request) -> Response:
        """Close idle database connections, so that a database can be dropped, renamed
        or copied. The answer comes when the server has let go of them."""
        body = await _read(request, ReleaseRequest)
        try:
            return json_response(Released(closed=await proxy.release(body.database)))
        except ReleaseError as error:
            raise HTTPException(404, str(error)) from None

    return [
        Operation("/api/targets", targets, Target, several=True),
        Operation(
            "/api/failover",
            failover,
            FailedOver,
            method="POST",
            body=FailoverRequest,
            errors=(400, 409, 413),
        ),
        Operation("/api/reload", reloads, Reloaded, method="POST", errors=(400,)),
        Operation(
            "/api/release",
            release,
            Released,
            method="POST",
            body=ReleaseRequest,
            errors=(400, 404, 413),
        ),
        *_fault_routes(proxy),
    ]


def _fault_routes(proxy: Proxy) -> Iterable[BaseRoute]:
    def allowed() -> None:
        http = proxy.settings.http
        if not (http is None or http.is_loopback or proxy.settings.allow_faults):
            raise HTTPException(403, NOT_ALLOWED)

    def shown(fault: faults.Fault) -> Fault:
        return Fault.of(fault, proxy.clock.now)

    async def faults_on(request: Request) -> Response:
        """List the active faults."""
        return json_list_response(map(shown, proxy.faults.on.values()))

    async def add_fault(request: Request) -> Response:
        """Add a fault."""
        allowed()
        body = await _read(request, FaultRequest)
        try:
            fault = proxy.faults.add(**body.model_dump())
        except FaultError as error:
            raise HTTPException(409, str(error)) from None
        return json_response(shown(fault))

    async def remove_fault(request: Request) -> Response:
        """Remove a fault."""
        allowed()
        try:
            fault = proxy.faults.remove(request.path_params["name"])
        except FaultError as error:
            raise HTTPException(404, str(error)) from None
        return json_response(shown(fault))

    yield Operation("/api/faults", faults_on, Fault, several=True)
    yield Operation(
        "/api/faults",
        add_fault,
        Fault,
        method="POST",
        body=FaultRequest,
        errors=(400, 403, 409, 413),
    )
    yield Operation(
        "/api/faults/{name}", remove_fault, Fault, method="DELETE", errors=(403, 404)
    )


async def _read(request: Request, model: type[M]) -> M:
    """Parse the body; an empty one counts as {}. Raises HTTPException."""
    try:
        return model.model_validate_json(await _body(request) or b"{}")
    except ValidationError as error:
        raise HTTPException(400, _sentence(error)) from None


async def _body(request: Request) -> bytes:
    """Read at most MAX_BODY bytes. Raises HTTPException: 413 if there are more."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise HTTPException(413, f"The body is longer than {MAX_BODY} bytes.")
    except ClientDisconnect:
        raise HTTPException(400, "The body is incomplete.") from None
    return bytes(body)


def _sentence(error: ValidationError) -> str:
    """Describe the first fault: the field, and what it must be."""
    [first, *_] = error.errors(include_url=False)
    where = ".".join(map(str, first["loc"]))
    why = re.sub(r"\A(?:Input|String) should", "must", first["msg"])
    return f"{where}: {why}." if where else f"{why}."

"""The state of the proxy in sentences, the most urgent first.

Owns the order and the wording: unavailable targets, running faults, waiting clients,
leaks of the last hour, then pins.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, takewhile
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from pinwatch.hidden.wording import state
from pinwatch.observers.leak_history import Leaks
from pinwatch.observers.pin_history import History, Pin
from pinwatch.observers.schemas import Answer
from pinwatch.observers.source import source
from pinwatch.observers.timeline import Timeline
from pinwatch.proxy.faults import Fault
from pinwatch.proxy.proxy import Proxy
from pinwatch.targets.group import Member
from pinwatch.text import number_of, spelled
from pinwatch.web.operation import Operation, json_list_response

HALF: Final = 0.5
HOUR: Final = timedelta(hours=1)


class Headline(Answer):
    """A sentence about the present state."""

    kind: Literal["unavailable", "fault", "waiting", "leaked", "pinned", "clear"]

    text: str

    detail: str | None = None
    """A second sentence."""

    fix: str | None = None
    """The way out: advice on the pin or leak, or the command that ends a fault."""

    rule: str | None = None
    """Rule by which most of the connections are pinned."""

    digest_id: str | None = None
    """The digest of the statement that pins most of them."""


class Summary:
    """Writes the headlines of one proxy."""

    def __init__(
        self, proxy: Proxy, history: History, leaks: Leaks, timeline: Timeline
    ) -> None:
        self.proxy = proxy
        self.history = history
        self.leaks = leaks
        self.timeline = timeline

    def headlines(self) -> Iterator[Headline]:
        members = self.proxy.group.members
        yield from map(self._unavailable, (m for m in members if m.monitor.error))
        yield from map(self._fault, self.proxy.faults.on.values())
        yield from self._waiting()
        yield from self._leaked()
        yield self._pinned()

    def _unavailable(self, member: Member) -> Headline:
        health = member.monitor.health
        since = self.timeline.unavailable_since(member.name)
        lasting = ""
        if since is not None:
            seconds = (self.timeline.now() - since).total_seconds()
            lasting = f" for {spelled(seconds)}"
        return Headline(
            kind="unavailable",
            text=f"The target {member.name} has been {health.state} "
            f"({health.reason}){lasting}: {health.description}",
        )

    def _fault(self, fault: Fault) -> Headline:
        text = f"The fault {fault.name} is active: {fault.kind}, {fault.meaning}."
        if fault.until is not None:
            left = fault.until - self.proxy.clock.now
            text += f" It ends by itself in {spelled(left)}."
        return Headline(
            kind="fault", text=text, fix=f"pinwatch fault remove {fault.name}"
        )

    def _waiting(self) -> Iterator[Headline]:
        waiting = list(chain.from_iterable(p.waiting for p in self.proxy.pools))
        if waiting:
            began = min(borrower.wait_began for borrower in waiting)
            one = len(waiting) == 1
            yield Headline(
                kind="waiting",
                text=f"{number_of(len(waiting), 'client')} {'waits' if one else 'wait'}"
                f" for a database connection,{'' if one else ' the longest'} for "
                f"{spelled(self.proxy.clock.now - began)}.",
            )

    def _leaked(self) -> Iterator[Headline]:
        since = self.timeline.now() - HOUR
        kept = self.leaks.leaks()
        recent = list(takewhile(lambda leak: leak.event.at >= since, kept))
        if recent:
            latest = recent[0].event
            left = state(latest.kind, latest.name)
            yield Headline(
                kind="leaked",
                text=f"Hidden state was left {number_of(len(recent), 'time')} in the "
                f"last hour; the latest is {left} ({latest.function}).",
                fix=latest.advice,
            )

    def _pinned(self) -> Headline:
        pins = [pin for pin in self.history.pins(lasting=True) if pin.event.first]
        if not pins:
            return Headline(
                kind="clear", text="Nothing is pinned.", detail=self._recent()
            )
        now = self.history.clock.now
        seconds = sorted(pin.seconds_at(now) for pin in pins)
        pin, share = _main(pins)
        total = sum(pool.open_count for pool in self.proxy.pools)
        lasting = spelled(seconds[-1])
        up_to = "" if spelled(seconds[0]) == lasting else "up to "
        return Headline(
            kind="pinned",
            text=f"{len(pins)} of {number_of(max(total, len(pins)), 'connection')} "
            f"{'has' if len(pins) == 1 else 'have'} been pinned for {up_to}{lasting}, "
            f"{share} {pin.event.rule}{_place(pin)}.",
            fix=pin.event.advice,
            rule=pin.event.rule,
            digest_id=pin.digest_id,
        )

    def _recent(self) -> str | None:
        pins = self.timeline.pins()
        return (
            f"{number_of(pins, 'session')} pinned in the last hour." if pins else None
        )


def _main(pins: list[Pin]) -> tuple[Pin, str]:
    """Return the oldest pin of the digest that pins most, and how much it pins.

    If no digest pins more than half of the connections, it is the oldest of all.
    """
    digest, count = Counter(pin.digest_id for pin in pins).most_common(1)[0]
    if count <= len(pins) * HALF:
        return min(pins, key=lambda pin: pin.since), "the longest by"
    oldest = min((p for p in pins if p.digest_id == digest), key=lambda pin: pin.since)
    if count < len(pins):
        return oldest, "most by"
    return oldest, "by" if count == 1 else "all by"


def _place(pin: Pin) -> str:
    """Return where the application sent the statement, as far as tags say it."""
    found = source(pin.event.tags)
    if found.file:
        return f" at {found}"
    if found.function:
        return f" in {found}"
    name = pin.event.application_name
    return f" of the application {name}" if name else ""


def summary_route(
    proxy: Proxy, history: History, leaks: Leaks, timeline: Timeline
) -> Operation:
    summary = Summary(proxy, history, leaks, timeline)

    async def show(request: Request) -> Response:
        """List sentences about the present state, the most urgent first: unavailable
        targets, active faults, waiting clients, leaks, and pins."""
        return json_list_response(summary.headlines())

    return Operation("/api/summary", show, Headline, several=True)

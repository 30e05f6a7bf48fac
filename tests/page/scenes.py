"""An hour with an incident ten minutes before its end, and an outage in progress."""

from contextlib import ExitStack
from math import sin
from typing import Final

from pinwatch import events
from tests.harness import eventually
from tests.page.conftest import Seen

MINUTE: Final = 60  # seconds
TENANT: Final = (
    "SELECT set_config('app.tenant', '{}', false) "
    "/*code.filepath='app/db.py',code.lineno='30',framework='fastapi'*/"
)
NIGHTLY: Final = "SELECT pg_advisory_lock({}) /*source_location='jobs/nightly.py:88'*/"
OUTAGE: Final = events.HealthChanged(
    "default", "UNAVAILABLE", "UNREACHABLE", "The connection was refused."
)
RECOVERY: Final = events.HealthChanged("default", "AVAILABLE", None, None)


class Hour:
    """Plays the hour on the figures of a proxy, minute by minute."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.figures = seen.figures

    def play(self) -> None:
        """Play 60 minutes that end now."""
        self.figures.back(60 * MINUTE)
        self._quiet(12)
        self._with_pins("worker", ["LISTEN jobs"], minutes=3)
        self._quiet(6)
        self._with_pins("nightly", [NIGHTLY.format(n) for n in (7, 8)], minutes=5)
        self._quiet(20)
        self._incident()
        self._quiet(9)

    def _incident(self) -> None:
        """Nine sessions pin, others wait, then the target fails for a minute."""
        with ExitStack() as stack:
            for number in range(9):
                self._pin(stack, "orders", TENANT.format(number))
                self.figures.pool.pinned = {"set_config": number + 1}
                self.live(24, waiting=2 * number, wait=0.02 * 2**number)
            self.seen.observe(OUTAGE)
            self.live(65, clients=58, waiting=40, statements=0, borrows=0)
            self.seen.observe(RECOVERY, events.FailedOver("default", "default", 65.0))
        self.figures.pool.pinned = {}
        self._left()
        self.live(19, clients=52, wait=0.4)

    def _with_pins(self, application: str, texts: list[str], minutes: int) -> None:
        with ExitStack() as stack:
            for text in texts:
                self._pin(stack, application, text)
            rule = "listen" if application == "worker" else "advisory_lock"
            self.figures.pool.pinned = {rule: len(texts)}
            self._quiet(minutes)
        self.figures.pool.pinned = {}
        self._left()

    def _pin(self, stack: ExitStack, application: str, sql: str) -> None:
        client = stack.enter_context(self.seen(application_name=application))
        client.query(sql)

    def _left(self) -> None:
        eventually(lambda: not self.seen.clients.proxy.clients)

    def _quiet(self, minutes: int) -> None:
        self.live(minutes * MINUTE)

    def live(
        self,
        seconds: int,
        clients: int = 42,
        waiting: int = 0,
        statements: int = 180,
        borrows: int = 60,
        wait: float = 0.004,
    ) -> None:
        """Let seconds pass, with these numbers and rates a second."""
        figures = self.figures
        for _ in range(seconds):
            at = figures.clock.real
            sway = sin(at / 190) + 0.4 * sin(at / 37) + 0.2 * sin(at / 7)
            figures.sessions = [object()] * int(clients + 5 * sway)
            figures.pool.open_count = int(9.5 + 1.4 * sway)
            figures.pool.waiting = [object()] * waiting
            figures.endpoint.plain.statements += int(statements * (1 + sway / 5))
            figures.endpoint.borrows_at_once += borrows
            for number in range(borrows // 20):
                figures.endpoint.borrow_latency.observe(wait * (1 + number))
            figures.live(1)

"""The command ``python -m bench.soak``; see its ``--help``."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer
import uvloop

from bench.process import NotStarted, raise_file_limit
from bench.server import running as running_server
from bench.soak import checks, proxy
from bench.soak.checks import Check
from bench.soak.run import Outcome, Plan, server_connections, soak

FOLDER: Final = Path("build/soak")


def main(
    minutes: Annotated[float, typer.Argument(help="Length of the soak.")] = 5,
    clients: Annotated[int, typer.Option(min=1, help="Clients at a time.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 1,
    think: Annotated[
        float, typer.Option(help="Mean seconds between two requests of a client.")
    ] = 0.4,
    faults: Annotated[bool, typer.Option(help="Inject faults.")] = True,
    results: Annotated[
        Path, typer.Option(help="Folder for the curve and the log.")
    ] = FOLDER,
) -> None:
    """Let many clients of all kinds work through pinwatch, with faults; then compare.

    The exit status is 1 if a sum is wrong, if something is left, or if memory grows.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    raise_file_limit(2 * clients)
    plan = Plan(minutes, clients, seed, think, faults)
    results.mkdir(parents=True, exist_ok=True)
    try:
        found = _run(plan, results)
    except NotStarted as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    width = max(len(check.name) for check in found)
    for check in found:
        print(
            f"{'ok  ' if check.passed else 'FAIL'} {check.name:{width}} {check.found}"
        )
    raise typer.Exit(0 if all(check.passed for check in found) else 1)


def _run(plan: Plan, results: Path) -> list[Check]:
    """Run the soak and write its curve. Raises NotStarted."""
    with TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_server(folder) as server, proxy.running(server, folder) as up:
            outcome = uvloop.run(soak(plan, server, up, _say))
            found = list(checks.checks(outcome, server))
            status = up.stop()
            left = server_connections(server)
            found += checks.after_the_end(status, up.log, left)
            _write(outcome, plan, results)
            for file in folder.glob("report.*"):
                (results / file.name).write_bytes(file.read_bytes())
            (results / "pinwatch.log").write_bytes(up.log.read_bytes())
    return found


def _write(outcome: Outcome, plan: Plan, results: Path) -> None:
    stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    path = results / f"{stamp}-{plan.minutes:g}-minutes.csv"
    outcome.curve.write(path)
    books = outcome.books
    print(outcome.curve.drawing())
    print(f"Curve: {path}")
    for title, counts in (
        ("Visits", books.visits),
        ("Faults", Counter(outcome.faults)),
        ("Visits that ended early", books.errors),
    ):
        parts = (f"{name} {many:,}" for name, many in counts.most_common())
        print(f"{title}: {', '.join(parts) or 'none'}")


def _say(text: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)


if __name__ == "__main__":
    typer.run(main)

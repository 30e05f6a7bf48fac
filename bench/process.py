"""Processes: start them, wait for the port, read CPU and memory, stop them."""

from __future__ import annotations

import os
import pwd
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
UNPRIVILEGED: Final = "nobody"

SPARE_FILES: Final = 500
"""Open files of a proxy or a load, in addition to one per client."""


class NotStarted(Exception):
    """A process ended or did not listen; the text says which and quotes its log."""


def raise_file_limit(clients: int) -> str | None:
    """Raise the limit of open files, for child processes, too.

    Return the reason if that is impossible, otherwise None.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(clients + SPARE_FILES, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return f"only {hard} open files are allowed" if hard < wanted else None
    return None


def free_port() -> int:
    """Return a free TCP port of the loopback address."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def unprivileged() -> str | None:
    """Return the user for programs that refuse to run as root; None if not root.

    PostgreSQL and PgBouncer refuse.
    """
    return UNPRIVILEGED if os.geteuid() == 0 else None


def give_to(user: str | None, path: Path) -> None:
    """Make ``user`` the owner of path, unless it is None."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


@contextmanager
def listening(
    command: Sequence[str | Path],
    *,
    port: int,
    log: Path,
    user: str | None = None,
    stop: signal.Signals = signal.SIGINT,
    patience: float = 20.0,
) -> Iterator[int]:
    """Run command, wait until it accepts connections, and yield its process id.

    Its output goes to ``log``. It is stopped by ``stop``, and killed when ``patience``
    seconds later it is still there. Raises NotStarted when it ends, or has not
    listened on ``port`` within ``patience`` seconds.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
        )
    try:
        _wait_for(process, port, log, patience)
        yield process.pid
    finally:
        if process.poll() is None:
            process.send_signal(stop)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(
    process: subprocess.Popen[bytes], port: int, log: Path, patience: float
) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotStarted(f"exit status {process.returncode}: {tail(log)}")
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise NotStarted(f"not listening after {patience:.0f} s: {tail(log)}")


def tail(log: Path, lines: int = 3) -> str:
    """Return the last lines of a log, joined by " | "."""
    return " | ".join(log.read_text(errors="replace").splitlines()[-lines:])


def family(pid: int) -> list[int]:
    """Return pid and the ids of its descendants; a thread may end meanwhile."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found.extend(map(int, children.read_text().split()))
    return found


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process and its descendants, in seconds.

    It comes from the process's CPU clock (clock_getcpuclockid(3)), in nanoseconds;
    /proc/PID/stat has only hundredths of a second.
    """
    return sum(time.clock_gettime((~member << 3) | 2) for member in family(pid))


def server_seconds(postmaster: int) -> float:
    """Return the CPU seconds of a PostgreSQL server, with its ended backends.

    Backends have no children, and there may be a thousand, so none are searched.
    """
    total = time.clock_gettime((~postmaster << 3) | 2)
    proc = Path(f"/proc/{postmaster}")
    for backend in (proc / f"task/{postmaster}/children").read_text().split():
        with suppress(OSError):
            total += time.clock_gettime((~int(backend) << 3) | 2)
    waited = (proc / "stat").read_text().rpartition(")")[2].split()[13:15]
    return total + sum(map(int, waited)) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process and its descendants, in 2**20 bytes."""
    kilobytes = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024


def machine_seconds() -> float:
    """Return the CPU seconds that the machine has used since it started."""
    fields = Path("/proc/stat").read_text().split(maxsplit=9)
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")

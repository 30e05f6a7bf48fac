"""The memory of a process: its curve, and the slope of the curve's last two thirds."""

from __future__ import annotations

import asyncio
import csv
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

INTERVAL: Final = 1.0
"""Seconds between two samples."""

MEASURED: Final = 2 / 3
"""Share of the curve, its end, whose slope is judged."""

LIMIT: Final = 0.05
"""Slope in MB a minute that is too steep."""

MB: Final = 1024.0
"""Kilobytes, which the kernel counts in."""

ROWS: Final = 12
COLUMNS: Final = 72


class Sample(NamedTuple):
    """Memory in MB of 2**20 bytes, and the number of open files."""

    seconds: float
    rss: float
    pss: float
    uss: float
    """Memory that no other process shares."""
    anonymous: float
    """Memory that is in no file: heap and stacks."""
    files: int


def sample(pid: int, seconds: float) -> Sample:
    """Read the memory of a process from /proc/PID/smaps_rollup."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    words = (line.split() for line in text.splitlines()[1:])
    kilobytes = {name: int(value) for name, value, *_ in words}
    private = kilobytes["Private_Clean:"] + kilobytes["Private_Dirty:"]
    return Sample(
        round(seconds, 1),
        kilobytes["Rss:"] / MB,
        kilobytes["Pss:"] / MB,
        private / MB,
        kilobytes["Anonymous:"] / MB,
        len(open_files(pid)),
    )


def open_files(pid: int) -> list[str]:
    """Return what the file descriptors of a process refer to, without numbers."""
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
        names.append(target.partition(":[")[0])
    return sorted(names)


@dataclass(slots=True)
class Curve:
    """The samples of a run."""

    pid: int
    samples: list[Sample] = field(default_factory=list)

    async def record(self) -> None:
        """Take a sample in each interval, until it is cancelled."""
        began = time.monotonic()
        while True:
            self.samples.append(sample(self.pid, time.monotonic() - began))
            await asyncio.sleep(INTERVAL)

    @property
    def measured(self) -> list[Sample]:
        """The samples of the last two thirds."""
        return self.samples[round(len(self.samples) * (1 - MEASURED)) :]

    @property
    def slope(self) -> float:
        """The slope in MB a minute of the memory that is the process's alone."""
        points = [(one.seconds / 60, one.uss) for one in self.measured]
        return least_squares(points)

    def write(self, path: Path) -> None:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Sample._fields)
            writer.writerows((f"{value:.10g}" for value in s) for s in self.samples)

    def drawing(self) -> str:
        """Draw the memory over time in characters, from 0 to the end."""
        values = [one.uss for one in self.samples]
        low, high = min(values), max(values)
        step = (high - low) / (ROWS - 1) or 1.0
        columns = min(COLUMNS, len(values))
        heights = [
            round((values[column * len(values) // columns] - low) / step)
            for column in range(columns)
        ]
        lines = []
        for row in range(ROWS - 1, -1, -1):
            dots = "".join("*" if height == row else " " for height in heights)
            lines.append(f"{low + row * step:8.2f} MB |{dots}".rstrip())
        minutes = self.samples[-1].seconds / 60
        lines.append(f"{'':12}+{'-' * columns}")
        return "\n".join([*lines, f"{'':12} 0 to {minutes:.1f} minutes"])


def least_squares(points: list[tuple[float, float]]) -> float:
    """Return the slope of the line with the least squares of vertical distances."""
    many = len(points)
    if many < 2:
        raise ValueError("a line needs two points")
    mean_x = sum(x for x, _ in points) / many
    mean_y = sum(y for _, y in points) / many
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return above / sum((x - mean_x) ** 2 for x, _ in points)

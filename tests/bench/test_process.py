"""Readings of processes that run meanwhile."""

import subprocess
import sys

from bench.process import family

THREADS = """
from threading import Thread
print("ready", flush=True)
while True:
    Thread(target=int).start()
"""


def test_threads_that_end_while_they_are_counted() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", THREADS], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            for _ in range(3_000):
                assert family(process.pid) == [process.pid]
        finally:
            process.kill()

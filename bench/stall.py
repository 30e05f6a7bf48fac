"""The longest stall of the event loop by a statement: python -m bench.stall.

The worst statements are up to 16 KB, the longest that are parsed, and have something
that pins, so that each has to be judged. A text that is cheap is judged on the loop,
and stalls it for as long as that takes. An expensive one goes to a thread, which stalls
the loop for as long as it keeps the interpreter lock.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Thread
from time import perf_counter, sleep
from typing import Final

from pinwatch.cli.serve import SWITCH_INTERVAL
from pinwatch.pins.rules import MAX_STATEMENT
from pinwatch.pins.scan import CHEAP, is_expensive
from pinwatch.pins.tokens import tokens
from pinwatch.pins.verdict import judge

ROUNDS: Final = 5
PINS: Final = "nextval('s')"


@dataclass(frozen=True, slots=True)
class Stall:
    """A worst statement, named for its excess, with times in milliseconds.

    judging is the time of the verdict and the digest; longest is the longest time for
    which the loop was blocked.
    """

    name: str
    size: int
    judging: float
    longest: float


def repeated(before: str, part: str, after: str = "", close: str = "") -> str:
    """Return a statement with as many parts as fit, each closed at the end."""
    room = MAX_STATEMENT - len((before + after).encode())
    count = room // len((part + close).encode())
    return before + part * count + after + close * count


def worst() -> dict[str, str]:
    """Return the statements by the name of their excess."""
    select = f"SELECT {PINS}, "
    where = f"SELECT {PINS} FROM t WHERE a"
    return {
        "sums": repeated(select + "1", "+1"),
        "plus signs": repeated(select, "+", "1"),
        "operators": repeated(select + "1", " @-+-+ 1"),
        "minus signs": repeated(select, "- ", "1"),
        "comments": repeated(select + "1", "/**/"),
        "comments in comments": repeated(select + "1", "/*", close="*/"),
        "letters": repeated(select, "a"),
        "letters that are not ASCII": repeated(select, "\u00e9,", "1"),
        "strings": repeated(select + "1", ",'\u00e9'"),
        "Unicode escapes": repeated(select + "1", ",U&'\\0061'"),
        "dollar quotes": repeated(select + "1", ",$a$$a$"),
        "open dollar quotes": repeated(select + "1", " $a", " $b$"),
        "semicolons": repeated("SET a=1", ";"),
        "numbers": repeated(f"{where} IN (1", ",1", ")"),
        "ORs": repeated(where, " OR a"),
        "ANDs of comparisons": repeated(where, " AND a=1"),
        "NOTs": repeated(f"SELECT {PINS} FROM t WHERE ", "NOT ", "a"),
        "brackets": repeated(select, "(", "1", ")"),
        "calls in calls": repeated(select, "lower(", "1", ")"),
        "arrays in arrays": repeated(select, "ARRAY[", "1", "]"),
        "casts": repeated(select + "1", "::int"),
        "sub-selects in the list": repeated(select, "(SELECT ", "1", ")"),
        "sub-selects in FROM": repeated(
            f"{select}1 FROM ", "(SELECT 1 FROM ", "t", ")x"
        ),
        "values": repeated(f"INSERT INTO t VALUES ({PINS})", ",(1,2,3)"),
        "unions": repeated(f"SELECT {PINS}", " UNION SELECT 1"),
        "statements": repeated("SET a=1", ";SELECT 1"),
        "statements that pin": repeated("SET a=1", ";SET a=1"),
        "cursors": repeated("SET a=1", ";DECLARE c CURSOR FOR SELECT 1"),
        "calls that pin": repeated(f"SELECT {PINS}", f",{PINS}"),
    }


def stalls(rounds: int = ROUNDS) -> Iterator[Stall]:
    """Yield each statement, whole and cut to the longest length that is cheap.

    Each time is the shortest of ``rounds`` measurements. Threads switch as often as in
    `pinwatch up`, from now on.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    for name, text in worst().items():
        for sql in (text.encode(), text.encode()[:CHEAP]):
            measured = [_stall(sql) for _ in range(rounds)]
            judging, longest = map(min, zip(*measured, strict=True))
            yield Stall(name, len(sql), 1e3 * judging, 1e3 * longest)


def _stall(sql: bytes) -> tuple[float, float]:
    """Return the seconds of the verdict and of the longest stall."""
    tokens.cache_clear()
    if is_expensive(sql):
        return _in_thread(lambda: judge(sql))
    began = perf_counter()
    judge(sql)
    took = perf_counter() - began
    return took, took


def _in_thread(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of work, and of this thread's longest wait meanwhile."""
    thread = Thread(target=work)
    began = latest = perf_counter()
    longest = 0.0
    thread.start()
    while thread.is_alive():
        sleep(0)  # lets the other thread run, as a system call of the loop does
        now = perf_counter()
        longest, latest = max(longest, now - latest), now
    return latest - began, longest


def longest(rounds: int = ROUNDS) -> Stall:
    return max(stalls(rounds), key=lambda stall: stall.longest)


def sentence(stall: Stall) -> str:
    return (
        f"Longest stall of the event loop by one statement: {stall.longest:.1f} ms, "
        f"by {stall.size:,} bytes of {stall.name}."
    )


def main() -> None:
    print("| kind | bytes | verdict ms | stall ms |")
    print("|---|---:|---:|---:|")
    found = sorted(stalls(), key=lambda stall: stall.longest, reverse=True)
    for stall in found:
        print(
            f"| {stall.name} | {stall.size:,} | {stall.judging:.1f} "
            f"| {stall.longest:.1f} |"
        )
    print(f"\n{sentence(found[0])}")


if __name__ == "__main__":
    main()

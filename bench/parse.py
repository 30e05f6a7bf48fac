"""What the statements that are the worst to judge cost: python -m bench.parse.

Each is 16 KB, the longest that is parsed, and has a function that pins, so that it has
to be. The processor's time is for a text that was never seen before; the loop stands
still for it, once.
"""

from collections.abc import Iterator
from time import process_time
from typing import Final

from pinwatch.pins.rules import MAX_STATEMENT
from pinwatch.pins.verdict import verdict

ROUNDS: Final = 5
PINS: Final = "nextval('s')"


def repeated(before: str, part: str, after: str = "", close: str = "") -> str:
    """With as many parts, each closed at the end, as there is room for."""
    room = MAX_STATEMENT - len(before) - len(after)
    count = room // (len(part) + len(close))
    return before + part * count + after + close * count


def worst() -> dict[str, str]:
    """Statements by what they have too much of."""
    select = f"SELECT {PINS}, "
    where = f"SELECT {PINS} FROM t WHERE a"
    return {
        "sums": repeated(select + "1", "+1"),
        "minus signs": repeated(select, "- ", "1"),
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
        "calls that pin": repeated(f"SELECT {PINS}", f",{PINS}"),
    }


def measured() -> Iterator[tuple[str, float, float]]:
    """Name, and milliseconds of the verdict and of the digest for the log."""
    for name, text in worst().items():
        verdicts, digests = [], []
        for _ in range(ROUNDS):
            began = process_time()
            found = verdict(text.encode())
            judged = process_time()
            found.digest  # noqa: B018 - it is made when it is first asked for
            verdicts.append(judged - began)
            digests.append(process_time() - judged)
        yield name, 1e3 * min(verdicts), 1e3 * min(digests)


def main() -> None:
    print("| 16 KB of | verdict ms | digest ms |")
    print("|---|---:|---:|")
    for name, judged, digested in measured():
        print(f"| {name} | {judged:.1f} | {digested:.1f} |")


if __name__ == "__main__":
    main()

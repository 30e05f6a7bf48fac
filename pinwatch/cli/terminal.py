"""Output for people: styled lines, and a bar that shows progress.

rich is imported where it is used, so that --help is quick.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


def print_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines, each with its style for rich."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for line, style in lines:
        console.print(line, style=style, markup=False)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function that receives the number of bytes or files done.

    A bar on standard error shows the sum, if that is a terminal and total is known.
    """
    if total is None or not sys.stderr.isatty():
        yield lambda size: None
        return

    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda size: bar.advance(task, size)

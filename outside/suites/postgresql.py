"""PostgreSQL's own tests, built from Debian's source of the server's version."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from outside import commands, outcomes, server
from outside.commands import Broken
from outside.outcomes import Outcomes
from outside.server import Place
from outside.workshop import Workshop, program

_DEFAULTS: Final = {
    "lc_messages": "C",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "bytea_output": "hex",
    "timezone_abbreviations": "Default",
    "intervalstyle": "postgres_verbose",
}
"""Settings of a new database, as pg_regress makes it. The last one stands for its
PGOPTIONS, which psql does not get: RDS Proxy rejects the startup parameter."""

_LAUNCHER: Final = "env -u PGOPTIONS PGSSLMODE=disable"
"""Before each program of the tests. With TLS some errors of libpq have other texts."""

TIMEOUT: Final = 1800
"""Seconds that a run may take."""

_PARTS: Final = ("test/regress", "test/isolation", "test/modules/libpq_pipeline")
_HEADER: Final = Path(__file__).with_name("isolation.h")
_OUTER_MAKE: Final = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
"""Variables of `make outside`. PostgreSQL's make generates no headers where it believes
that another one runs it."""
_CONFIGURE: Final = ("--without-readline", "--without-zlib", "--without-icu")


def setup(database: str) -> tuple[str, ...]:
    """Return the statements that create a database as pg_regress does."""
    locale = "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    return (
        f"CREATE DATABASE {database} {locale}",
        *(f"ALTER DATABASE {database} SET {k} TO '{v}'" for k, v in _DEFAULTS.items()),
    )


def build(workshop: Workshop) -> Path:
    """Return the source tree with the test programs built. Raises Skipped, Broken."""
    version = server.version(server.programs())
    for name in ("cc", "make"):
        program(name, "apt-get install gcc make libc6-dev")
    major = version.partition(".")[0]
    source = workshop.debian_source(f"postgresql-{major}", version)

    def compile_in(folder: Path) -> None:
        workshop.say("building PostgreSQL's test programs")
        tree = folder / "tree"
        shutil.copytree(source, tree, symlinks=True)
        tester = tree / "src" / "test" / "isolation" / "isolationtester.c"
        tester.write_text(_with_header(tester.read_text()))
        log = workshop.log("postgresql")
        quiet = (tree / "configure", "--quiet", *_CONFIGURE, "CFLAGS=-O0")
        commands.must(quiet, log=log, folder=tree)
        alone = [word for name in _OUTER_MAKE for word in ("-u", name)]
        make = ["env", *alone, "make", "--silent", f"--jobs={os.cpu_count()}"]
        for part in _PARTS:
            commands.must([*make, "-C", f"src/{part}", "all"], log=log, folder=tree)

    return workshop.once(f"postgresql-{version}", compile_in) / "tree" / "src"


def _with_header(source: str) -> str:
    """Return the source of isolationtester with isolation.h after its own headers."""
    last = source.rindex("#include")
    end = source.index("\n", last) + 1
    return source[:end] + _HEADER.read_text() + source[end:]


def run(
    program: Path,
    database: str,
    tests: Sequence[str],
    place: Place,
    folder: Path,
    inputs: Path,
) -> Outcomes:
    """Run pg_regress, or a program like it, in a folder that the server can use.

    ``inputs`` has the folders sql or specs, and expected, and libraries for the
    server. The differences of output are kept in ``folder``.
    """
    with _scratch() as scratch:
        shutil.copytree(inputs, scratch, dirs_exist_ok=True, ignore=_UNUSED)
        log = folder / "regress.log"
        options: list[str | Path] = [
            *("--use-existing", f"--dbname={database}", f"--dlpath={scratch}"),
            *(f"--host={place.host}", f"--port={place.port}", f"--user={place.user}"),
            *(f"--bindir={server.programs()}", f"--launcher={_LAUNCHER}"),
            *(f"--inputdir={scratch}", f"--outputdir={scratch}"),
            "--max-concurrent-tests=20",
        ]
        status = commands.run(
            [program, *options, *tests], log=log, timeout=TIMEOUT, folder=scratch
        )
        for name in ("regression.diffs", "regression.out"):
            if (scratch / name).exists():
                shutil.copy(scratch / name, folder)
    if status is None:
        raise Broken(f"{program.name} did not end within {TIMEOUT} s: see {log}")
    return outcomes.regress(log.read_text(errors="replace"))


_UNUSED: Final = shutil.ignore_patterns("*.o", "*.c", "results", "tmp_check")


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a folder that the server, another user, can read and write."""
    with TemporaryDirectory(prefix="outside-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "results").mkdir()
        (folder / "results").chmod(0o777)
        yield folder

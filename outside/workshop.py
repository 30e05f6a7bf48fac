"""The cache folder: downloads, virtual environments and builds of the suites."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock

from outside import commands
from outside.commands import Broken, Skipped

_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SOURCES: Final = """\
{kind} [signed-by={key}] http://deb.debian.org/debian {release} main
{kind} [signed-by={key}] http://deb.debian.org/debian {release}-updates main
{kind} [signed-by={key}] http://deb.debian.org/debian-security {release}-security main
"""
_UNSERVED: Final = re.compile(
    r"resolv|temporary failure|max retries|timed out|timeout|could not connect"
    r"|unable to connect|connection (?:refused|reset|failed)|failed to establish"
    r"|no such host|unreachable|404 +not found|unable to find a source"
    r"|no matching distribution|unknown revision|50[234] "
    r"|no matching version|code (?:e404|enotfound|econn|etimedout)",
    re.IGNORECASE,
)
"""Messages of pip, apt-get, go and npm about a registry that cannot be reached, or that
does not have the version."""

_PATIENCE: Final = 120
"""Seconds that a registry may take to answer."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """The cache folder of the suites. Every step is done once and then found again.

    ``source`` is the folder of checkouts that the user gave, ``say`` receives progress
    texts.
    """

    folder: Path
    say: Callable[[str], None]
    source: Path | None = None
    alone: bool = False
    """True if ``source`` itself is the checkout of the only suite."""

    def sdist(self, name: str, version: str) -> Path:
        """Return the unpacked source distribution of a Python package."""
        place = self.folder / "sdist" / f"{name}-{version}"
        if not place.exists():
            self.say(f"downloading {name} {version}")
            inbox = self._empty("inbox")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            self._fetch(
                [*pip, "--no-binary", name, "--dest", inbox, f"{name}=={version}"],
                "PyPI",
            )
            self._unpack(next(inbox.glob("*.tar.gz")), place)
        return place

    def python(self, name: str, requirements: Sequence[str]) -> Path:
        """Return the interpreter of a virtual environment with these packages."""
        digest = hashlib.sha256(" ".join([sys.version, *requirements]).encode())
        place = self.folder / "venv" / f"{name}-{digest.hexdigest()[:12]}"
        python = place / "bin" / "python"
        if not (place / "complete").exists():
            self.say(f"installing {name}'s packages")
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            log = self.log(f"venv-{name}")
            commands.must([sys.executable, "-m", "venv", place], log=log)
            self._fetch(
                [python, "-m", "pip", "install", "--quiet", *requirements], "PyPI"
            )
            (place / "complete").touch()
        return python

    def npm(self, name: str, packages: Sequence[str]) -> Path:
        """Return the folder node_modules with these packages of the npm registry."""
        digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()

        def install(place: Path) -> None:
            self.say(f"installing {name}'s packages")
            quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
            npm = ["npm", "install", *quiet, f"--prefix={place}"]
            self._fetch([*npm, *packages], "the npm registry")

        return self.once(f"npm-{name}-{digest[:12]}", install) / "node_modules"

    def debian_source(self, package: str, version: str) -> Path:
        """Return the unpacked upstream source of a Debian source package.

        Debian's own patches are not applied.
        """
        place = self.folder / "debian" / f"{package}-{version}"
        if not place.exists():
            self.say(f"downloading Debian's source of {package} {version}")
            request = ("source", "--download-only", f"{package}={version}")
            inbox = self._apt("deb-src", *request)
            self._unpack(next(inbox.glob("*.orig.tar.*")), place)
        return place

    def debian_package(self, package: str, version: str) -> Path:
        """Return the folder with the files of a Debian package, uninstalled."""
        place = self.folder / "debian" / f"{package}-{version}"
        if not place.exists():
            self.say(f"downloading Debian's {package} {version}")
            inbox = self._apt("deb", "download", f"{package}={version}")
            unpacked = self._empty("unpacked")
            archive = next(inbox.glob("*.deb"))
            extract = ("dpkg-deb", "--extract", archive, unpacked)
            commands.must(extract, log=self.log("dpkg-deb"))
            place.parent.mkdir(parents=True, exist_ok=True)
            unpacked.rename(place)
        return place

    def go_module(self, module: str, version: str) -> Path:
        """Return a writable copy of a Go module."""
        place = self.folder / "go" / f"{module.replace('/', '-')}-{version}"
        if not place.exists():
            self.say(f"downloading {module} {version}")
            go = program("go", "install Go")
            log = self._fetch(
                [go, "mod", "download", "-json", f"{module}@{version}"],
                "the Go module proxy",
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(json.loads(log)["Dir"], place)
            subprocess.run(["chmod", "-R", "u+w", place], check=True)
        return place

    def checkout(self, suite: str, project: str) -> Path:
        """Return the folder of a checkout that the user gave. Raises Skipped."""
        if self.source is None:
            raise Skipped(
                f"no registry carries the tests of {project}: give a checkout of it, "
                f"make outside SUITE={suite} SOURCE=FOLDER"
            )
        place = self.source if self.alone else self.source / suite
        if not place.is_dir():
            raise Skipped(f"there is no checkout of {project} in {place}")
        return place.absolute()

    def once(self, name: str, build: Callable[[Path], None]) -> Path:
        """Return the folder of a build, after ``build`` has filled it."""
        place = self.folder / "built" / name
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            build(place)
            (place / "complete").touch()
        return place

    def lock(self) -> AbstractContextManager[object]:
        """Wait until no other run prepares a suite in this folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "lock").acquire()

    def log(self, name: str) -> Path:
        """Return the path of the log of a step."""
        folder = self.folder / "log"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"

    def _empty(self, name: str) -> Path:
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place

    def _unpack(self, archive: Path, place: Path) -> None:
        """Unpack an archive whose only entry is a folder, as ``place``."""
        unpacked = self._empty("unpacked")
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        (only,) = unpacked.iterdir()
        place.parent.mkdir(parents=True, exist_ok=True)
        only.rename(place)

    def _fetch(
        self, command: Sequence[str | Path], registry: str, folder: Path | None = None
    ) -> str:
        """Run a client of a registry; return its output.

        Raises Skipped if the registry cannot be reached or lacks the version.
        """
        name = Path(command[0]).name
        log = self.log(f"fetch-{name}")
        program(name if str(command[0]) == name else str(command[0]), "install it")
        try:
            commands.must(command, log=log, timeout=_PATIENCE, folder=folder)
        except Broken as error:
            if unserved(log.read_text(errors="replace")) or "timeout" in str(error):
                raise Skipped(f"{registry} did not serve it: {error}") from None
            raise
        return log.read_text(errors="replace")

    def _apt(self, kind: str, *request: str) -> Path:
        """Download with apt-get's up-to-date lists; return the folder of the files.

        ``kind`` is deb or deb-src.
        """
        apt = ["apt-get", *self._apt_options(kind)]
        self._fetch([*apt, "update"], "Debian's packages")
        inbox = self._empty("inbox")
        self._fetch([*apt, *request], "Debian's packages", inbox)
        return inbox

    def _apt_options(self, kind: str) -> list[str]:
        """Return options for apt-get that keep its lists in the cache folder."""
        place = self.folder / "apt"
        for folder in ("lists/partial", "cache/archives/partial"):
            (place / folder).mkdir(parents=True, exist_ok=True)
        release = debian_release()
        sources = place / "sources.list"
        sources.write_text(_SOURCES.format(kind=kind, key=_KEYRING, release=release))
        options = {
            "Dir::Etc::sourcelist": sources.absolute(),
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": (place / "lists").absolute(),
            "Dir::Cache": (place / "cache").absolute(),
            "APT::Sandbox::User": "root",
        }
        return [f"-o{name}={value}" for name, value in options.items()]


def unserved(log: str) -> bool:
    """Return True if the log of a registry's client says that it got no answer."""
    return _UNSERVED.search(log) is not None


def checkout_version(folder: Path, tags: str = "*") -> str:
    """Return the tag or commit of a checkout, or "unknown" without git.

    ``tags`` is the pattern of its releases' tags, if it has other tags as well.
    """
    describe = ("git", "-C", folder, "describe", "--always", "--tags", "--match", tags)
    done = subprocess.run(describe, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def program(name: str, remedy: str) -> str:
    """Return the path of a program. Raises Skipped if it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise Skipped(f"{name} is not installed: {remedy}")
    return found


def debian_release() -> str:
    """Return the code name of the Debian release. Raises Skipped elsewhere."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        lines = []
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    if values.get("ID") != "debian" or not os.path.exists(_KEYRING):
        raise Skipped("this is not Debian, whose source packages are needed")
    return values["VERSION_CODENAME"]

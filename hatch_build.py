"""Build the wheel in pure Python or, with PINWATCH_COMPILE=1, with compiled modules."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILED: Final = (
    "pinwatch/clock.py",
    "pinwatch/counters.py",
    "pinwatch/pins/cache.py",
    "pinwatch/pins/databases.py",
    "pinwatch/pins/scan.py",
    "pinwatch/pool/interfaces.py",
    "pinwatch/pool/linked_list.py",
    "pinwatch/pool/pool.py",
    "pinwatch/relay/client_login.py",
    "pinwatch/relay/client_messages.py",
    "pinwatch/relay/client_session.py",
    "pinwatch/relay/client_stream.py",
    "pinwatch/relay/database_connection.py",
    "pinwatch/relay/database_stream.py",
    "pinwatch/relay/interfaces.py",
    "pinwatch/relay/pin_state.py",
    "pinwatch/relay/prepared.py",
    "pinwatch/relay/reply_queue.py",
    "pinwatch/relay/reply_tracker.py",
    "pinwatch/relay/secure_transport.py",
    "pinwatch/relay/startup_defaults.py",
    "pinwatch/sockets/calls.py",
    "pinwatch/sockets/outbox.py",
    "pinwatch/sockets/poller.py",
    "pinwatch/sockets/polls.py",
    "pinwatch/sockets/stream.py",
    "pinwatch/sockets/transport.py",
    "pinwatch/tls/stream.py",
    "pinwatch/wire/messages.py",
)
"""The modules that handle every chunk. `parameters` and `statements` are not
compiled, because compiled classes do not allow weak references to their instances."""

IN_C: Final = {"pinwatch.sockets._calls": "pinwatch/sockets/_calls.c"}
"""C extensions that the compiled modules use, by module name."""


WEAK_LIST: Final = (
    r"\(\*\(\(PyObject \*\*\)\(\(char \*\)self"
    r" \+ sizeof\(PyObject \*\) \+ sizeof\(\w+\)\)\)\);"
)
"""An object's list of weak references in the C code of mypyc for Python 3.11."""

DIRECT_CALLS: Final = ("-fvisibility=hidden", "-fno-plt")
"""Compiler options for direct calls, within the modules and to Python."""


class CompilingHook(BuildHookInterface[BuilderConfig]):
    """Adds the compiled modules beside their sources; Python imports them first."""

    def dependencies(self) -> list[str]:
        """Return the requirements of the build: mypyc, and dependencies with types."""
        if not _wanted():
            return []
        return ["mypy[mypyc]>=2.4", *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless it is not requested or the install is editable."""
        if not _wanted() or version == "editable":
            return
        self._folder = TemporaryDirectory(prefix="pinwatch-build-")
        built = Path(self._folder.name, "built")
        _compile(Path(self._folder.name), built)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"] |= {
            str(path): path.relative_to(built).as_posix()
            for path in built.rglob("*")
            if path.is_file()
        }

    def finalize(
        self, version: str, build_data: dict[str, Any], artifact_path: str
    ) -> None:
        """Remove the temporary files once the wheel contains them."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def _wanted() -> bool:
    return os.environ.get("PINWATCH_COMPILE", "") not in ("", "0")


def _compile(scratch: Path, target: Path) -> None:
    """Compile the modules into target, as a wheel lays them out.

    Raises RuntimeError for a module that has no source or was not compiled.
    """
    _check_sources()
    # Only a build that compiles has these packages.
    from mypyc.build import mypycify
    from setuptools import Distribution, Extension

    generated = str(scratch / "generated")
    extensions = mypycify(
        ["--follow-imports=silent", *COMPILED],  # `make lint` reports errors of others
        group_name="pinwatch",
        target_dir=generated,
        debug_level="0",
    )
    for path in Path(generated).rglob("*.c"):
        path.write_text(_clear_weak_references(path.read_text()))
    extensions += [Extension(name, [source]) for name, source in IN_C.items()]
    for extension in extensions:
        extension.extra_compile_args += DIRECT_CALLS
    distribution = Distribution({"name": "pinwatch", "ext_modules": extensions})
    command = distribution.get_command_obj("build_ext")
    command.build_lib = str(target)
    command.build_temp = str(scratch / "temporary")
    distribution.run_command("build_ext")
    _check_compiled(target)


def _clear_weak_references(code: str) -> str:
    """Return the C code with weak references cleared as the interpreter clears them.

    mypyc treats the list of weak references to an object, which generic classes have,
    as a reference that the object owns: the first weak reference is freed with the
    object, while it is in use (https://github.com/mypyc/mypyc/issues/1102).
    """
    code = re.sub("Py_VISIT" + WEAK_LIST, "", code)
    clear = "if (Py_REFCNT(self) == 0) PyObject_ClearWeakRefs((PyObject *)self);"
    return re.sub("Py_CLEAR" + WEAK_LIST, clear, code)


def _check_sources() -> None:
    missing = [path for path in (*COMPILED, *IN_C.values()) if not Path(path).exists()]
    if missing:
        raise RuntimeError(f"hatch_build.py lists missing files: {', '.join(missing)}")


def _check_compiled(target: Path) -> None:
    wanted = [path.removesuffix(".py") for path in COMPILED]
    wanted += [name.replace(".", "/") for name in IN_C]
    plain = [path for path in wanted if not list(target.glob(f"{path}.*.so"))]
    if plain:
        raise RuntimeError(f"These modules were not compiled: {', '.join(plain)}")

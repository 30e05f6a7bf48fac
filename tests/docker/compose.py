"""docker/compose.yaml, and what its services find where it mounts it."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docker"
FILE: Final = FOLDER / "compose.yaml"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]


def mounts(service: str) -> dict[Path, Path]:
    """Return the mounted host paths by container path."""
    volumes = (volume.split(":") for volume in SERVICES[service].get("volumes", ()))
    return {Path(to): (FOLDER / source).resolve() for source, to, *_ in volumes}


def contents(service: str, variables: Mapping[str, str]) -> dict[Path, str]:
    """Return the contents of the compose file's inline configs by container path."""
    return {
        Path(config["target"]): interpolated(
            COMPOSE["configs"][config["source"]]["content"], variables
        )
        for config in SERVICES[service].get("configs", ())
    }


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Return text with ${NAME:-default} replaced, as Compose does."""
    return re.sub(
        r"\$\{(\w+):-([^}]*)\}",
        lambda found: variables.get(found[1]) or found[2],
        text,
    )


def lay_out(service: str, root: Path, variables: Mapping[str, str]) -> None:
    """Copy the service's files below root, at their container paths."""
    for to, source in mounts(service).items():
        place = below(root, to)
        if source.is_dir():
            shutil.copytree(source, place)
        else:
            shutil.copy(source, place)
    for to, text in contents(service, variables).items():
        below(root, to).write_text(text)


def below(root: Path, path: Path) -> Path:
    place = root / path.relative_to("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def option(service: str, name: str) -> str:
    """Return the value of --name=value in the service's command."""
    (value,) = [
        argument.partition("=")[2]
        for argument in SERVICES[service]["command"]
        if argument.startswith(f"--{name}=")
    ]
    return str(value)

"""A Prometheus with the very files that compose mounts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.docker.compose import lay_out, option
from tests.prometheus import INTERVAL, Prometheus, running


@contextmanager
def prometheus(
    root: Path, target: str, variables: dict[str, str]
) -> Iterator[Prometheus]:
    """Run Prometheus with the files that compose mounts, copied below root.

    The paths in these files are relative to the files. Two values of prometheus.yaml
    are changed: the address of pinwatch, which is a name in compose's network, and the
    scrape interval.
    """
    lay_out("prometheus", root, variables)
    file = root / option("prometheus", "config.file")[1:]
    file.write_text(yaml.safe_dump(here(yaml.safe_load(file.read_text()), target)))
    with running(file) as found:
        yield found


def here(configuration: dict[str, Any], target: str) -> dict[str, Any]:
    (scraped,) = configuration["scrape_configs"]
    (static,) = scraped["static_configs"]
    assert static["targets"] == ["pinwatch:9632"]
    static["targets"] = [target]
    configuration["global"] = dict.fromkeys(configuration["global"], INTERVAL)
    return configuration

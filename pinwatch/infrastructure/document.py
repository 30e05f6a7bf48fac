"""Reads and parses a file: encodings, JSON and YAML, and limits for each.

Does not know what the document describes. Raises SettingError.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from pinwatch.errors import SettingError

MAX_BYTES: Final = 32 * 2**20
"""The largest file. A pipe or a device may never end."""

MAX_YAML_CHARACTERS: Final = 2**20
"""The longest YAML. CloudFormation does not accept longer templates."""

MAX_YAML_VALUES: Final = 200_000
"""The most values in a document, with every alias replaced by its value."""

MAX_INTEGER_BITS: Final = 64

BARE: Final = ("Ref", "Condition")  # the functions without "Fn::"
SPACE: Final = re.compile(r"\s*")
SKIPPED: Final = re.compile(r"(?:(?:\[command\]|::).*\n?|[ \t\r]*\n)*")
"""Empty lines, and lines that the wrapper of setup-terraform adds."""


def load(path: Path) -> str:
    """Return the text of a file, which may be a pipe."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingError(f"Cannot read {path}: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise SettingError(f"{path} is larger than {MAX_BYTES // 2**20} MiB.")
    return decode(data, str(path))


def decode(data: bytes, file: str) -> str:
    """Decode UTF-8, UTF-16 or UTF-32, with or without a byte order mark."""
    try:
        return data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise SettingError(
            f"{file} is not text: for a saved plan, give the output of terraform show "
            "-json."
        ) from None


def parse(text: str, file: str) -> Any:
    """Return the document in text; of several JSON documents, a list."""
    text = text[_end(SKIPPED, text, 0) :]
    if text.lstrip().startswith("{"):
        return _json(text, file)
    return _yaml(text, file)


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Return where a match that begins at place ends."""
    match = pattern.match(text, place)
    return match.end() if match else place


def _json(text: str, file: str) -> Any:
    """Parse JSON. It is nearly YAML, but its errors are clearer as JSON's."""
    try:
        documents = list(_documents(text))
    except ValueError as error:
        raise SettingError(f"{file} is not valid JSON: {error}.") from None
    return documents[0] if len(documents) == 1 else documents


def _documents(text: str) -> Iterator[Any]:
    """Yield each JSON document: the log of terraform plan -json has one a line."""
    decoder = json.JSONDecoder()
    place = _end(SPACE, text, 0)
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        yield document
        place = _end(SPACE, text, _end(SKIPPED, text, place))


def _yaml(text: str, file: str) -> Any:
    if len(text) > MAX_YAML_CHARACTERS:
        raise SettingError(
            f"{file} has {len(text):,} characters, but CloudFormation accepts "
            f"templates of at most {MAX_YAML_CHARACTERS:,}."
        )
    try:
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _limit(node, file)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        why = where + str(error.problem or error.context)
    except yaml.YAMLError as error:  # a character that YAML may not have
        why = str(error).partition("\n")[0]
    except ValueError as error:  # a date that does not exist, a number without digits
        why = str(error)
    except (AttributeError, LookupError):  # such as !!bool perhaps
        why = "a value does not fit its tag"
    raise SettingError(f"{file} is not valid YAML: {why}.")


def _limit(root: yaml.Node, file: str) -> None:
    """Refuse aliases that multiply: a few lines of them expand to gigabytes.

    Each node is visited once, so that the size is known before anything is expanded.
    """
    sizes: dict[int, int] = {}
    visiting: set[int] = set()
    stack = [root]
    while stack:
        node = stack[-1]
        if id(node) in sizes:
            stack.pop()
            continue
        children = _children(node)
        if id(node) not in visiting:
            visiting.add(id(node))
            for child in children:
                if id(child) in visiting and id(child) not in sizes:
                    raise SettingError(f"{file} has an alias within its own anchor.")
            stack.extend(child for child in children if id(child) not in sizes)
            continue
        stack.pop()
        size = 1 + sum(sizes[id(child)] for child in children)
        if size > MAX_YAML_VALUES:
            raise SettingError(
                f"{file} has more than {MAX_YAML_VALUES:,} values with its aliases "
                "expanded."
            )
        sizes[id(node)] = size


def _children(node: yaml.Node) -> list[yaml.Node]:
    match node:
        case yaml.SequenceNode():
            return list(node.value)
        case yaml.MappingNode():
            return [part for pair in node.value for part in pair]
        case _:
            return []


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # PyYAML has no types
    """PyYAML's safe loader, by libyaml if that is there, with CloudFormation's tags.

    !Ref is {"Ref": ...}, and !Sub is {"Fn::Sub": ...}.
    """


def _function(loader: Any, tag: str, node: yaml.Node) -> dict[str, Any]:
    argument: Any
    match node:
        case yaml.ScalarNode():
            argument = loader.construct_scalar(node)
        case yaml.SequenceNode():
            argument = loader.construct_sequence(node, deep=True)
        case _:
            argument = loader.construct_mapping(node, deep=True)
    return {tag if tag in BARE else f"Fn::{tag}": argument}


def _integer(loader: Any, node: yaml.Node) -> int | str:
    """Return a number that is too large for any setting as it is written."""
    value: int = loader.construct_yaml_int(node)
    return value if value.bit_length() <= MAX_INTEGER_BITS else str(node.value)


Loader.add_multi_constructor("!", _function)
Loader.add_constructor("tag:yaml.org,2002:int", _integer)

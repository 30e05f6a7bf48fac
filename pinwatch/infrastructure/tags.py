"""YAML with the short tags of CloudFormation: !Ref is Ref, !Sub is Fn::Sub."""

from typing import Any, Final

import yaml

BARE: Final = ("Ref", "Condition")  # the functions without "Fn::"


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # PyYAML has no types
    """The safe one of PyYAML, by libyaml where that is."""


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


Loader.add_multi_constructor("!", _function)


def parse(text: str) -> Any:
    """Raises yaml.YAMLError."""
    return yaml.load(text, Loader)

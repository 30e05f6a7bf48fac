"""A file's text to what it says of one proxy: which language, which proxy.

Pure: opens no file, asks no AWS. Raises SettingError.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from pinwatch.errors import SettingError
from pinwatch.infrastructure import tags
from pinwatch.infrastructure.cloudformation import PROXY, Template
from pinwatch.infrastructure.found import Found, Infrastructure, sort
from pinwatch.infrastructure.terraform import Stack

MAJOR_VERSIONS: Final = ("0", "1")  # of terraform show's format

LOOP: Final = "Fn::ForEach::"


def read(text: str, file: str, proxy: str | None = None) -> Found:
    """What the text of file says of the proxy, by either name, or of the only one."""
    try:
        infrastructure = _infrastructure(_parsed(text, file), file)
        chosen = _choose(infrastructure, file, proxy)
        return sort(file, chosen, infrastructure.properties(chosen))
    except RecursionError:
        raise SettingError(f"{file} refers to itself without end.") from None


def _parsed(text: str, file: str) -> Any:
    """JSON is nearly YAML, but its errors are told better as JSON's."""
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text)
        return tags.parse(text)
    except ValueError as error:
        raise SettingError(f"{file} is not valid JSON: {error}.") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1
        why = f"line {line}: {error.problem}"
        raise SettingError(f"{file} is not valid YAML: {why}.") from None
    except yaml.YAMLError as error:  # a character that YAML may not have
        why = str(error).partition("\n")[0]
        raise SettingError(f"{file} is not valid YAML: {why}.") from None


def _infrastructure(parsed: Any, file: str) -> Infrastructure:
    match parsed:
        case {"format_version": str(version)}:
            return _stack(parsed, version, file)
        case {"Resources": dict(resources)}:
            _refuse_loops(resources, file)
            return Template(parsed)
        case {"terraform_version": str(), "version": int()}:
            hint = "a state as Terraform keeps it: give the output of terraform show"
            raise SettingError(f"{file} is {hint} -json.")
        case _:
            raise SettingError(
                f"{file} is neither a CloudFormation template nor the output of "
                "terraform show -json."
            )


def _refuse_loops(resources: Mapping[Any, Any], file: str) -> None:
    """Where a proxy, or what belongs to one, is made in a loop."""
    for name, resource in resources.items():
        if str(name).startswith(LOOP) and PROXY in str(resource):
            raise SettingError(
                f"{file} has {PROXY} in {name}, which can't be read: give the template "
                "as aws cloudformation get-template --template-stage Processed has it."
            )


def _stack(parsed: dict[str, Any], version: str, file: str) -> Stack:
    if version.partition(".")[0] not in MAJOR_VERSIONS:
        raise SettingError(
            f"{file} has the format_version {version}, but must have 0 or 1."
        )
    try:
        return Stack(parsed)
    except (AttributeError, KeyError, TypeError):
        raise SettingError(f"{file} is not what terraform show -json prints.") from None


def _choose(infrastructure: Infrastructure, file: str, wanted: str | None) -> str:
    proxies = infrastructure.proxies()
    if not proxies:
        raise SettingError(f"{file} has no {infrastructure.kind}.")
    if wanted is None:
        if len(proxies) > 1:
            raise SettingError(
                f"{file} has the proxies {_listed(proxies)}: choose one with --proxy."
            )
        return next(iter(proxies))
    if wanted in proxies:
        return wanted
    named = [proxy for proxy, name in proxies.items() if name == wanted]
    if len(named) != 1:
        raise SettingError(f"{file} has no proxy {wanted}, but {_listed(proxies)}.")
    return named[0]


def _listed(proxies: Mapping[str, str | None]) -> str:
    """With the names in RDS where they are others and known."""
    names: Iterable[str] = (
        proxy if name in (None, proxy) else f"{proxy} ({name})"
        for proxy, name in proxies.items()
    )
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last

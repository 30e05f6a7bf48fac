"""Reads the settings of one proxy from the text of a file.

Decides on the language and on the proxy. Opens no file and sends no request to AWS.
Raises SettingError.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from pinwatch.errors import SettingError
from pinwatch.infrastructure import document
from pinwatch.infrastructure.cloudformation import PROXY, Misspelt, Template
from pinwatch.infrastructure.found import Found, listed, sort
from pinwatch.infrastructure.printed import Printed
from pinwatch.infrastructure.reader import Reader
from pinwatch.infrastructure.terraform import Stack
from pinwatch.text import printable

MAJOR_VERSIONS: Final = ("0", "1")  # of terraform show's format

LOOP: Final = "Fn::ForEach::"


def read(text: str, file: str, proxy: str | None = None) -> Found:
    """Return the settings of a proxy, by either of its names, or of the only one."""
    try:
        reader = _reader(document.parse(text, file), file)
        chosen = _choose(reader, file, proxy)
        return sort(file, chosen, reader.properties(chosen))
    except Misspelt as error:
        raise SettingError(f"{file}: {printable(str(error))}.") from None
    except RecursionError:
        raise SettingError(
            f"{file} refers to itself without end, or is nested too deeply."
        ) from None


def _reader(parsed: Any, file: str) -> Reader:
    match parsed:
        case {"format_version": str(version)}:
            return _stack(parsed, version, file)
        case {"Resources": dict(resources)}:
            _refuse_loops(resources, file)
            return Template(parsed)
        case {"terraform_version": str(), "version": int()}:
            hint = "a state as Terraform keeps it: give the output of terraform show"
            raise SettingError(f"{file} is {hint} -json.")
        case list() if any(map(_is_printed, parsed)):
            *_, last = filter(_is_printed, parsed)
            return _reader(last, file)
        case {"@level": _} | [{"@level": _}, *_]:
            raise SettingError(
                f"{file} is a log, as terraform plan -json prints it, and has no "
                "values: save the plan with -out, and give the output of terraform "
                "show -json."
            )
        case _:
            raise SettingError(
                f"{file} is neither a CloudFormation template nor the output of "
                "terraform show -json."
            )


def _is_printed(parsed: Any) -> bool:
    """Return whether this is a document of terraform show -json."""
    return isinstance(parsed, dict) and "format_version" in parsed


def _refuse_loops(resources: Mapping[Any, Any], file: str) -> None:
    """Refuse a template that makes proxies, or resources of proxies, in a loop."""
    for name, resource in resources.items():
        if str(name).startswith(LOOP) and PROXY in str(resource):
            raise SettingError(
                f"{file} has {PROXY} in {printable(str(name))}, which can't be read: "
                "give the output of aws cloudformation get-template --template-stage "
                "Processed."
            )


def _stack(parsed: dict[str, Any], version: str, file: str) -> Stack:
    if version.partition(".")[0] not in MAJOR_VERSIONS:
        raise SettingError(
            f"{file} has the format_version {printable(version)}, but must have 0 or 1."
        )
    try:
        return Stack(Printed.model_validate(parsed))
    except ValidationError:
        raise SettingError(f"{file} is not what terraform show -json prints.") from None


def _choose(reader: Reader, file: str, wanted: str | None) -> str:
    proxies = reader.proxies()
    if not proxies:
        raise SettingError(f"{file} has no {reader.kind}.")
    if wanted is None:
        if len(proxies) > 1:
            raise SettingError(
                f"{file} has the proxies {_labels(proxies)}: choose one with --proxy."
            )
        return next(iter(proxies))
    if wanted in proxies:
        return wanted
    named = {proxy: name for proxy, name in proxies.items() if name == wanted}
    if not named:
        raise SettingError(f"{file} has no proxy {wanted}, but {_labels(proxies)}.")
    if len(named) > 1:
        raise SettingError(
            f"{file} has {len(named)} proxies with the name {wanted}: choose "
            f"{listed(map(printable, named), 'or')} with --proxy."
        )
    return next(iter(named))


def _labels(proxies: Mapping[str, str | None]) -> str:
    """Return the proxies with their names in RDS, where those differ and are known."""
    return printable(
        listed(
            proxy if name in (None, proxy) else f"{proxy} ({name})"
            for proxy, name in proxies.items()
        )
    )

"""The sources of settings: the command line, the environment, a TOML file.

The first source that has a setting wins. A variable's name is PINWATCH_ and the name of
the setting, with "__" for the dot: PINWATCH_CONNECTION_POOL__MAX_CONNECTIONS_PERCENT.
Its value is JSON if the setting is a list.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pinwatch.config.describe import settings
from pinwatch.config.model import LintSettings, Settings
from pinwatch.config.sentence import nearest, sentence, unknown
from pinwatch.errors import SettingError

Model = TypeVar("Model", bound=BaseModel)

PREFIX: Final = "PINWATCH_"
MAX_FILE: Final = 1_000_000  # bytes of the TOML file


def load(command_line: Mapping[str, Any], file: Path | None = None) -> Settings:
    """Read and check the settings.

    ``command_line`` has the settings given as options; ``file`` is TOML. Raises
    SettingError.
    """
    return _load(Settings, command_line, {} if file is None else _read(file))


class _Lint(BaseModel):
    """The settings without those of the proxy."""

    lint: LintSettings = LintSettings()


def load_lint(file: Path | None) -> LintSettings:
    """Read and check the settings of ``pinwatch lint``, from variables and the file.

    Those of the proxy are not checked, except for their names.
    """
    in_file = {} if file is None else _read(file)
    for name in in_file:
        if name not in settings():
            raise SettingError(unknown(name))
    table = {name: in_file[name] for name in _Lint.model_fields if name in in_file}
    return _load(_Lint, {}, table).lint


def _load(
    model: type[Model], command_line: Mapping[str, Any], in_file: dict[str, Any]
) -> Model:
    """Read a model of settings from all sources; raises SettingError."""
    _refuse_misspelt_variables()

    class Loaded(model, BaseSettings):  # type: ignore[valid-type, misc]
        model_config = SettingsConfigDict(
            env_prefix=PREFIX,
            env_nested_delimiter="__",
            env_ignore_empty=True,
            enable_decoding=False,
        )

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            variables = InitSettingsSource(settings_cls, _with_lists(env_settings()))
            toml_settings = InitSettingsSource(settings_cls, in_file)
            return init_settings, variables, toml_settings

    try:
        return model(**dict(Loaded(**command_line)))
    except ValidationError as error:
        raise SettingError(sentence(error)) from None


def _with_lists(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the variables' values, lists parsed as JSON; raises SettingError."""
    read: dict[str, Any] = {}
    for key, value in given.items():
        name = prefix + key
        if isinstance(value, Mapping):
            value = _with_lists(value, f"{name}.")
        elif name in settings() and settings()[name].is_list:
            value = _list(variable(name), value)
        read[key] = value
    return read


def _list(name: str, text: str) -> Any:
    """Parse a JSON list; errors do not quote it, because it may have a password."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, list):
        raise SettingError(f"{name} must be a list, as JSON.")
    return read


def variable(name: str) -> str:
    """Return the name of a setting's variable."""
    return PREFIX + name.upper().replace(".", "__")


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bytes(file, MAX_FILE).decode())
    except RecursionError:
        raise SettingError(f"{file} is not valid TOML: nested too deep.") from None
    except ValueError as error:
        raise SettingError(f"{file} is not valid TOML: {error}.") from None


def read_bytes(file: Path, max_bytes: int) -> bytes:
    """Read a file or a pipe to its end; raises SettingError, also if it is too long."""
    try:
        with file.open("rb") as content:
            read = content.read(max_bytes + 1)
    except OSError as error:
        raise SettingError(f"Cannot read {file}: {error.strerror}.") from None
    if len(read) > max_bytes:
        raise SettingError(f"{file} is longer than {max_bytes:,} bytes.")
    return read


def _refuse_misspelt_variables() -> None:
    """Refuse names that resemble a setting; raises SettingError.

    Other names may be Kubernetes's: a service called pinwatch gives containers a
    variable PINWATCH_SERVICE_HOST:
    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    for given in os.environ:
        name = given.upper().removeprefix(PREFIX).lower().replace("__", ".")
        if given.upper().startswith(PREFIX) and name not in settings():
            depth = name.count(".")
            meant = nearest(name, (s for s in settings() if s.count(".") == depth))
            if meant is not None:
                raise SettingError(
                    f"{given} is not a setting: did you mean {variable(meant)}?"
                )

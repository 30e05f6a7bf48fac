"""The parts of terraform show -json that are read, as pydantic models.

OpenTofu prints the same.
https://developer.hashicorp.com/terraform/internals/json-format
"""

from typing import Any

from pydantic import BaseModel, Field

Json = dict[str, Any]


class Resource(BaseModel):
    """An instance of a resource. ``deposed_key`` marks one that is to be destroyed."""

    address: str
    mode: str
    type: str
    name: str
    values: Json = Field(default_factory=dict)
    sensitive_values: Any = None
    depends_on: list[str] = Field(default_factory=list)
    deposed_key: str | None = None


class Module(BaseModel):
    resources: list[Resource] = Field(default_factory=list)
    child_modules: list["Module"] = Field(default_factory=list)


class Values(BaseModel):
    root_module: Module = Field(default_factory=Module)


class Change(BaseModel):
    after_unknown: Any = None


class ResourceChange(BaseModel):
    address: str
    deposed: str | None = None
    change: Change = Field(default_factory=Change)


class Configured(BaseModel):
    """A resource as it is written, for all its instances."""

    address: str
    expressions: Json = Field(default_factory=dict)
    for_each_expression: Any = None
    depends_on: list[str] = Field(default_factory=list)
    provider_config_key: str | None = None


class Output(BaseModel):
    expression: Any = None


class ModuleConfiguration(BaseModel):
    resources: list[Configured] = Field(default_factory=list)
    module_calls: dict[str, "ModuleCall"] = Field(default_factory=dict)
    outputs: dict[str, Output] = Field(default_factory=dict)


class ModuleCall(BaseModel):
    expressions: Json = Field(default_factory=dict)
    for_each_expression: Any = None
    module: ModuleConfiguration = Field(default_factory=ModuleConfiguration)


class Provider(BaseModel):
    expressions: Json = Field(default_factory=dict)


class Configuration(BaseModel):
    provider_config: dict[str, Provider] = Field(default_factory=dict)
    root_module: ModuleConfiguration = Field(default_factory=ModuleConfiguration)


class Variable(BaseModel):
    value: Any = None


class Printed(BaseModel):
    """A plan, with ``planned_values``, or a state, with ``values``."""

    planned_values: Values | None = None
    values: Values | None = None
    variables: dict[str, Variable] = Field(default_factory=dict)
    resource_changes: list[ResourceChange] = Field(default_factory=list)
    configuration: Configuration = Field(default_factory=Configuration)

"""docs/configuration.md says what the settings are; the model does too."""

import json
from pathlib import Path

from pinwatch.cli.up import up
from pinwatch.config.describe import Setting, settings
from pinwatch.config.load import load
from pinwatch.config.model import Address

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()


def row(setting: Setting) -> str:
    default = setting.default
    match default:
        case None | [] | {}:
            default = "none"
        case [str(host), int(port)]:
            default = str(Address(host, port))
        case bool() | int():
            default = json.dumps(default)
    return f"| `{setting.name}` | {setting.allowed} | {default} | {setting.about} |"


def test_each_setting_has_its_row() -> None:
    tables = {name.rpartition(".")[0] for name in settings()}
    expected = [row(s) for s in settings().values() if s.name not in tables]
    assert [line for line in PAGE.splitlines() if line.startswith("| `")] == expected


def test_each_option_is_named() -> None:
    options = set(up.__annotations__) - {"return", "config", "from_", "proxy"}
    assert options - {"probe"} <= set(settings())
    assert all(f"`--{name.replace('_', '-')}`" in PAGE for name in options)


def test_the_example_is_right(tmp_path: Path) -> None:
    file = tmp_path / "pinwatch.toml"
    file.write_text(PAGE.partition("```toml\n")[2].partition("```")[0])
    assert load({}, file).connection_pool.connection_borrow_timeout == 5

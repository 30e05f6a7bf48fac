"""The parts that a file may have: encodings, wrappers and logs; and their limits."""

import codecs
import json
from pathlib import Path
from typing import Any, Final

import pytest

from pinwatch.errors import SettingError
from pinwatch.infrastructure import document
from pinwatch.infrastructure.read import read

TEMPLATE: Final = """\
Resources:
  Proxy:
    Type: AWS::RDS::DBProxy
    Properties: {EngineFamily: POSTGRESQL, DBProxyName: größe}
"""
PLAN: Final = {
    "format_version": "1.2",
    "planned_values": {
        "root_module": {
            "resources": [
                {
                    "address": "aws_db_proxy.this",
                    "mode": "managed",
                    "type": "aws_db_proxy",
                    "name": "this",
                    "values": {"name": "orders", "engine_family": "POSTGRESQL"},
                }
            ]
        }
    },
}
PRINTED: Final = json.dumps(PLAN)
VERSION: Final = json.dumps(
    {"@level": "info", "@message": "Terraform 1.11.4", "type": "version", "ui": "1.2"}
)
CHANGE: Final = json.dumps(
    {
        "@level": "info",
        "change": {"resource": {"addr": "aws_db_proxy.this"}, "action": "create"},
        "type": "planned_change",
    }
)


def refusal(text: str) -> str:
    with pytest.raises(SettingError) as raised:
        document.parse(text, "a.yaml")
    return str(raised.value)


class TestEncodings:
    @pytest.mark.parametrize("text", [TEMPLATE, PRINTED], ids=["yaml", "json"])
    @pytest.mark.parametrize(
        ("mark", "encoding"),
        [
            (b"", "utf-8"),
            (codecs.BOM_UTF8, "utf-8"),
            (b"", "utf-16-le"),
            (codecs.BOM_UTF16_LE, "utf-16-le"),
            (b"", "utf-16-be"),
            (codecs.BOM_UTF16_BE, "utf-16-be"),
            (b"", "utf-32-le"),
            (codecs.BOM_UTF32_LE, "utf-32-le"),
            (b"", "utf-32-be"),
            (codecs.BOM_UTF32_BE, "utf-32-be"),
        ],
    )
    def test_the_text_is_the_same(self, mark: bytes, encoding: str, text: str) -> None:
        windows = text.replace("\n", "\r\n")
        data = mark + windows.encode(encoding)
        assert document.decode(data, "a") == windows
        assert document.parse(windows, "a") == document.parse(text, "a")

    @pytest.mark.parametrize(
        "data",
        [b"PK\x03\x04\x14\x00\x08\xff", b"\xff\xfe{", b"\x80", b"\xff\xfe\x00\xd8"],
    )
    def test_bytes_that_are_not_text_are_refused(self, data: bytes) -> None:
        with pytest.raises(SettingError) as raised:
            document.decode(data, "a.plan")
        assert str(raised.value) == (
            "a.plan is not text: for a saved plan, give the output of terraform show "
            "-json."
        )


class TestWrapper:
    """The wrapper that hashicorp/setup-terraform puts around terraform."""

    COMMAND: Final = "[command]/opt/tf/terraform-bin show -json plan.bin\n"
    AFTER: Final = "\n\n::debug::Terraform exited with code 0.\n::debug::stderr: \n"

    @pytest.mark.parametrize("before", ["", COMMAND, f"\r\n{COMMAND}::debug::x\n  "])
    @pytest.mark.parametrize("after", ["", "\n", AFTER, AFTER.replace("\n", "\r\n")])
    def test_its_lines_are_skipped(self, before: str, after: str) -> None:
        assert document.parse(before + PRINTED + after, "a") == PLAN

    def test_they_are_skipped_before_yaml(self) -> None:
        text = "[command]/usr/bin/aws cloudformation get-template\n" + TEMPLATE
        assert document.parse(text, "a") == document.parse(TEMPLATE, "a")

    def test_indented_yaml_keeps_its_indentation(self) -> None:
        assert document.parse("\n  a: 1\n  b: 2\n", "a") == {"a": 1, "b": 2}

    def test_other_text_after_the_document_is_refused(self) -> None:
        assert refusal('{"a": 1}\nb').startswith("a.yaml is not valid JSON: Expecting")


class TestLogs:
    """terraform plan -json prints one document per line, without values."""

    SENTENCE: Final = (
        "a.json is a log, as terraform plan -json prints it, and has no values: save "
        "the plan with -out, and give the output of terraform show -json."
    )

    @pytest.mark.parametrize(
        "text",
        [
            VERSION,
            f"{VERSION}\n{CHANGE}\n",
            f"[command]/tf/terraform-bin plan -json\n{VERSION}\r\n{CHANGE}\r\n",
        ],
    )
    def test_it_has_no_values(self, text: str) -> None:
        with pytest.raises(SettingError) as raised:
            read(text, "a.json")
        assert str(raised.value) == self.SENTENCE

    @pytest.mark.parametrize(
        "text",
        [
            f"{VERSION}\n{CHANGE}\n{PRINTED}\n",
            f"{PRINTED}\n{VERSION}\n",
            f"{VERSION}\n[command]/tf/terraform-bin show -json p\n{PRINTED}",
        ],
    )
    def test_a_plan_among_its_lines_is_read(self, text: str) -> None:
        assert read(text, "a.json").settings["db_proxy_name"] == "orders"

    def test_the_last_of_several_plans_is_read(self) -> None:
        later = PRINTED.replace("orders", "bills")
        assert read(f"{PRINTED}\n{later}", "a").settings["db_proxy_name"] == "bills"


def laughs(levels: int, entry: str = "[{0}, {0}]") -> str:
    """Each line doubles the one before it."""
    lines = ["a0: &a0 [x, x]"]
    for level in range(1, levels):
        alias = f"*a{level - 1}"
        lines.append(f"a{level}: &a{level} {entry.format(alias)}")
    return "\n".join(lines)


class TestLimits:
    MULTIPLIED: Final = "a.yaml has more than 200,000 values with its aliases expanded."

    @pytest.mark.parametrize(
        "text",
        [
            laughs(30),
            laughs(900),
            laughs(30, "{{l: {0}, r: {0}}}"),
            laughs(30, "{{<<: [{0}, {0}]}}").replace("[x, x]", "{x: y}"),
            laughs(30, "!Join ['', [{0}, {0}]]"),
        ],
        ids=["lists", "many", "mappings", "merges", "functions"],
    )
    def test_aliases_that_multiply_are_refused(self, text: str) -> None:
        assert refusal(text) == self.MULTIPLIED

    def test_aliases_that_do_not_are_read(self) -> None:
        parsed = document.parse(laughs(10), "a.yaml")
        assert parsed["a9"][0] is parsed["a9"][1]

    @pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: [*a]}", "&a [b, *a]"])
    def test_an_alias_within_its_anchor_is_refused(self, text: str) -> None:
        assert refusal(text) == "a.yaml has an alias within its own anchor."

    def test_long_yaml_is_refused(self) -> None:
        text = "a" * (document.MAX_YAML_CHARACTERS + 1)
        assert refusal(text) == (
            "a.yaml has 1,048,577 characters, but CloudFormation accepts templates of "
            "at most 1,048,576."
        )

    def test_a_large_file_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "a"
        with file.open("wb") as sparse:
            sparse.truncate(document.MAX_BYTES + 1)
        with pytest.raises(SettingError, match=r"a is larger than 32 MiB\.$"):
            document.load(file)

    def test_a_device_that_never_ends_is_refused(self) -> None:
        with pytest.raises(SettingError, match=r"^/dev/zero is larger than 32 MiB\.$"):
            document.load(Path("/dev/zero"))

    @pytest.mark.parametrize("digits", [20, 4_000, 10_000])
    def test_a_large_number_is_text(self, digits: int) -> None:
        written = "0x" + "f" * digits
        assert document.parse(f"a: {written}", "a") == {"a": written}

    def test_text_that_functions_multiply_is_not_resolved(self) -> None:
        inner: Any = "x"
        for _ in range(60):
            inner = {"Fn::Sub": ["${a}${a}", {"a": inner}]}
        properties = {"DBProxyName": inner, "EngineFamily": "POSTGRESQL"}
        resource = {"Type": "AWS::RDS::DBProxy", "Properties": properties}
        proxy = read(json.dumps({"Resources": {"Proxy": resource}}), "a")
        [row] = proxy.unresolved
        assert row.note == "it has more than 1,048,576 characters"

    def test_conditions_that_multiply_are_evaluated_once(self) -> None:
        conditions: dict[str, Any] = {"C0": {"Fn::Equals": ["a", {"Ref": "P"}]}}
        for level in range(1, 60):
            last = {"Condition": f"C{level - 1}"}
            conditions[f"C{level}"] = {"Fn::And": [last, last]}
        properties = {"EngineFamily": "POSTGRESQL"}
        resource = {"Type": "AWS::RDS::DBProxy", "Properties": properties}
        document = {
            "Conditions": conditions,
            "Resources": {"Proxy": resource | {"Condition": "C59"}},
        }
        [row] = read(json.dumps(document), "a").unresolved
        assert row.note == "the template has no P: it is assumed to hold"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 2020-13-45", "month must be in 1..12"),
        ("a: !!bool perhaps", "a value does not fit its tag"),
        ("a: !!timestamp never", "a value does not fit its tag"),
        ("{" * 100, "Expecting property name enclosed in double quotes"),
        ("[" * 100_000, "line 1: exceeded maximum nesting depth"),
    ],
)
def test_values_that_are_not_valid_are_refused(text: str, why: str) -> None:
    assert why in refusal(text)

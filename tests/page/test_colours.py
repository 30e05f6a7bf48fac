"""Each colour has the contrast of WCAG 2.2 AA: 4.5 for text, and 3 for lines.

https://www.w3.org/TR/WCAG22/#contrast-minimum
https://www.w3.org/TR/WCAG22/#non-text-contrast
"""

import re
from pathlib import Path
from typing import Final

import pytest

import pinwatch.web

STATIC: Final = Path(pinwatch.web.__file__).parent / "static"
BASE: Final = (STATIC / "base.css").read_text()
STYLES: Final = {path.name: path.read_text() for path in STATIC.glob("*.css")}
SCRIPTS: Final = {path.name: path.read_text() for path in STATIC.glob("*.js")}
DECLARATION: Final = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")
LITERAL: Final = re.compile(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*;)|\b(rgb|hsl)a?\(")

TEXT: Final = 4.5
LINE: Final = 3.0
NEEDED: Final = {
    **dict.fromkeys(
        [
            *((name, "sheet") for name in ("ink", "quiet", "accent", "pinned")),
            *((name, "sheet") for name in ("good", "down", "fault")),
            *((name, "ground") for name in ("ink", "quiet", "accent")),
            *(("ink", name) for name in ("idle", "borrowed", "transaction", "mark")),
            ("sheet", "ink"),  # the chosen side of a switch
            ("on-pinned", "pinned"),
        ],
        TEXT,
    ),
    **dict.fromkeys(
        [
            *((f"series-{number}", "sheet") for number in range(1, 7)),
            ("control", "sheet"),  # borders of fields and buttons
            ("pinned", "mark"),  # the line under the words that pin
            ("pinned", "ground"),
        ],
        LINE,
    ),
}
"""The least contrast of a colour on another one."""

DECORATION: Final = {"hairline"}
"""Colours of lines between things that are apart without them."""


def colours(dark: bool) -> dict[str, str]:
    light, _, rest = BASE.partition("@media (prefers-color-scheme: dark)")
    found = dict(DECLARATION.findall(light))
    if dark:
        found |= dict(DECLARATION.findall(rest))
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_is_computed_as_in_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#f0c36a", "#ffffff") == pytest.approx(1.65, abs=0.01)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("colour", "ground"), NEEDED, ids=" on ".join)
def test_each_colour(colour: str, ground: str, dark: bool) -> None:
    found = colours(dark)
    assert contrast(found[colour], found[ground]) >= NEEDED[colour, ground]


def test_each_colour_is_checked() -> None:
    checked = {name for pair in NEEDED for name in pair}
    assert set(colours(dark=False)) == checked | DECORATION
    dark = DECLARATION.findall(BASE.partition("scheme: dark")[2])
    assert {name for name, _ in dark} == set(colours(dark=False))


@pytest.mark.parametrize("style", STYLES)
def test_no_other_colour_is_used(style: str) -> None:
    rules = DECLARATION.sub("", STYLES[style])
    assert LITERAL.search(rules) is None
    assert set(re.findall(r"var\(--([\w-]+)\)", rules)) <= set(colours(dark=False))


@pytest.mark.parametrize("script", SCRIPTS)
def test_charts_take_their_colours_from_the_styles(script: str) -> None:
    assert re.search(r"#[0-9a-fA-F]{6}\b|rgba?\(", SCRIPTS[script]) is None
    named = set(re.findall(r'colour\("--([\w-]+)"\)', SCRIPTS[script]))
    assert named <= set(colours(dark=False))

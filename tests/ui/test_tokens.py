"""The numbers of the visual language, computed from the file itself."""

import re

import pytest

from ui import FOLDER

TOKENS = (FOLDER / "static" / "tokens.css").read_text()
STATES = ("waiting", "called", "in-room", "done", "problem")
TEXT_ON = [
    *((text, ground) for text in ("ink", "ink-soft", "accent") for ground in ("paper", "surface")),
    *((text, ground) for text in ("ink", "accent") for ground in ("accent-soft",)),
    *((f"state-{s}", ground) for s in STATES for ground in ("paper", "surface", f"state-{s}-soft")),
    *(("ink", f"state-{s}-soft") for s in STATES),
    ("accent-ink", "accent"),
    ("accent-ink", "accent-strong"),
]
BOUNDARIES = [(edge, ground) for edge in ("line", "focus", "accent") for ground in ("paper", "surface")]


def _block(selector: str) -> dict[str, str]:
    body = TOKENS.split(selector + " {", 1)[1].split("\n}", 1)[0]
    return dict(re.findall(r"--([\w-]+):\s*(.+?);", body))


def _palette(theme: str) -> dict[str, str]:
    values = _block("\n:root")
    if theme == "contrast":
        values |= _block(':root[data-theme="contrast"]')
    pick = 1 if theme == "light" else 2
    pair = re.compile(r"light-dark\((#\w{6}), (#\w{6})\)")
    return {name: m.group(pick) if (m := pair.fullmatch(value)) else value for name, value in values.items()}


def _luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_the_standard_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_reaches_seven_to_one(theme: str, text: str, ground: str):
    palette = _palette(theme)
    assert contrast(palette[text], palette[ground]) >= 7, f"{text} on {ground}"


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
@pytest.mark.parametrize(("edge", "ground"), BOUNDARIES)
def test_boundaries_reach_three_to_one(theme: str, edge: str, ground: str):
    palette = _palette(theme)
    assert contrast(palette[edge], palette[ground]) >= 3, f"{edge} on {ground}"


def test_touch_targets_of_the_kiosk_are_20_mm_on_a_22_inch_full_hd_screen():
    px_per_mm = (1920**2 + 1080**2) ** 0.5 / (22 * 25.4)
    target_px = int(_block(':root[data-audience="kiosk"]')["target"].removesuffix("px"))
    assert target_px / px_per_mm >= 20


def test_nothing_moves_when_the_reader_asks_for_no_motion():
    still = _block("@media (prefers-reduced-motion: reduce)")
    moving = [name for name in _block("\n:root") if name.startswith("motion")]
    assert moving
    assert {still[name] for name in moving} == {"0s"}


def test_no_other_style_names_a_colour():
    own = [p for p in (FOLDER / "static").glob("*.css") if p.name != "tokens.css"]
    colour = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|rgba|hsl|hsla|oklch|light-dark)\(")
    named = {p.name: colour.findall(p.read_text()) for p in own}
    assert not any(named.values()), named

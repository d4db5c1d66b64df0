"""The colours of sources can be told apart, and stand out from what is behind them, also for the colour-blind."""

from __future__ import annotations

import math
import re
from itertools import combinations
from typing import TypeAlias

import pytest

from tests.web.page_files import WEB

Colour: TypeAlias = tuple[float, float, float]
CONTRAST_LEAST = 3.0
DIFFERENCE_LEAST = 9.5
THEMES = ("light", "dark")
# The sight of an eye without one kind of cones, in linear light.
# Source: Machado, Oliveira, Fernandes (2009), IEEE TVCG 15(6), severity 1.
SIGHTS: dict[str, tuple[Colour, Colour, Colour]] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_WHITE = (0.95047, 1.0, 1.08883)


def colours(theme: str) -> dict[str, Colour]:
    """Return the style sheet's colours of a theme in linear light."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", (WEB / "app.css").read_text(encoding="utf-8"))
    return {name: _linear(pair[THEMES.index(theme)]) for name, *pair in found}


def _linear(text: str) -> Colour:
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return _light(red), _light(green), _light(blue)


def _light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _times(matrix: tuple[Colour, Colour, Colour], colour: Colour) -> Colour:
    one, two, three = (sum(a * b for a, b in zip(row, colour, strict=True)) for row in matrix)
    return one, two, three


def _shown(colour: Colour) -> Colour:
    red, green, blue = (min(1.0, max(0.0, part)) for part in colour)
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of WCAG 2.2."""
    low, high = sorted(_times(_XYZ, colour)[1] for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _lab(colour: Colour) -> Colour:
    x, y, z = (
        value ** (1 / 3) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116
        for value in (part / white for part, white in zip(_times(_XYZ, colour), _WHITE, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: Colour, other: Colour) -> float:
    """Return how different two colours look: CIEDE2000. Source: Sharma, Wu, Dalal (2005)."""
    (l1, a1, b1), (l2, a2, b2) = _lab(one), _lab(other)
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25**7))) / 2
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = math.degrees(math.atan2(b1, a1)) % 360, math.degrees(math.atan2(b2, a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180
    dl, dc, dh = l2 - l1, c2 - c1, 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    light, c = (l1 + l2) / 2, (c1 + c2) / 2
    h = (h1 + turn / 2) % 360
    t = 1 - 0.17 * _cos(h - 30) + 0.24 * _cos(2 * h) + 0.32 * _cos(3 * h + 6) - 0.20 * _cos(4 * h - 63)
    sl = 1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2)
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t
    rc = 2 * math.sqrt(c**7 / (c**7 + 25**7))
    rt = -math.sin(math.radians(60 * math.exp(-(((h - 275) / 25) ** 2)))) * rc
    dl, dc, dh = dl / sl, dc / sc, dh / sh
    return math.sqrt(dl**2 + dc**2 + dh**2 + rt * dc * dh)


def _cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))


@pytest.mark.parametrize("theme", THEMES)
def test_colours_stand_out_from_page_and_panel(theme: str) -> None:
    """Nine slots, that of the others included, each with the contrast that WCAG asks of graphics."""
    found = colours(theme)
    slots = {name: colour for name, colour in found.items() if name.startswith("slot-")}
    assert len(slots) == 9
    for name, colour in slots.items():
        assert min(contrast(colour, found[behind]) for behind in ("page", "panel")) >= CONTRAST_LEAST, name


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("theme", THEMES)
def test_colours_can_be_told_apart(theme: str, sight: str) -> None:
    """Each of the 36 pairs differs, as normal and as colour-blind eyes see it."""
    slots = [_times(SIGHTS[sight], colour) for name, colour in colours(theme).items() if name.startswith("slot-")]
    assert min(difference(one, other) for one, other in combinations(map(_shown, slots), 2)) >= DIFFERENCE_LEAST


def test_figures_are_those_of_black_and_white() -> None:
    """Contrast and difference of the two most distant colours are known."""
    assert contrast((1, 1, 1), (0, 0, 0)) == pytest.approx(21)
    assert difference((0, 0, 0), (1, 1, 1)) == pytest.approx(100, abs=0.01)

"""Lines of text as a text reader gives them, and where they stand to one another. Pure."""

from __future__ import annotations

import math
import statistics
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kioskd.core.printed_card import Box


@dataclass(frozen=True, slots=True)
class TextLine:
    """One run of text on a card. What it says is a patient's: it stays out of the repr."""

    text: str = field(repr=False)
    box: Box
    confidence: float
    """From 0 to 1, the mean of its characters."""
    second_text: str = field(default="", repr=False)
    """What another look at the same place said; empty: there was none."""
    second_confidence: float = 0.0
    """Of its least sure character."""


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line in the upright frame of its card: x to the right, y down, in pixels."""

    line: TextLine
    left: float
    top: float
    right: float
    bottom: float

    @property
    def text(self) -> str:
        """What it says after both looks."""
        return agreed(self.line)[0]

    @property
    def height(self) -> float:
        return max(self.bottom - self.top, 1.0)

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def is_beside(self, other: PlacedLine) -> bool:
        """On the same row: their heights overlap by half of the smaller one."""
        overlap = min(self.bottom, other.bottom) - max(self.top, other.top)
        return overlap > 0.5 * min(self.height, other.height)

    def is_in_column_of(self, other: PlacedLine) -> bool:
        """Their left edges agree, or one stands within the width of the other."""
        if abs(self.left - other.left) < 1.2 * max(self.height, other.height):
            return True
        overlap = min(self.right, other.right) - max(self.left, other.left)
        return overlap > 0.5 * min(self.right - self.left, other.right - other.left)


def placed(lines: Iterable[TextLine]) -> list[PlacedLine]:
    """The lines with the card's tilt taken out, from top to bottom."""
    clean = [line for line in lines if line.text.strip()]
    if not clean:
        return []
    tilt = _tilt([line.box for line in clean])
    turned = [_turned(line, -tilt) for line in clean]
    return sorted(turned, key=lambda one: (one.middle, one.left))


def agreed(line: TextLine) -> tuple[str, float]:
    """What a line says after both looks and how sure that is: two that differ outweigh any score.

    Where they differ in spaces alone, the one with more of them is right: readers of text lose spaces, and make none.
    """
    if not line.second_text:
        return line.text, line.confidence * 0.95
    if _bare(line.text) != _bare(line.second_text):
        sure = 0.5 * min(line.confidence, line.second_confidence)
        if _unmarked(line.text) == _unmarked(line.second_text):
            # Accents get lost; none is seen where there is none.
            return max(line.text, line.second_text, key=_marks), sure
        return (line.text if line.confidence >= line.second_confidence else line.second_text), sure
    text = max(line.text, line.second_text, key=lambda one: len(one.split()))
    return text, math.sqrt(max(line.confidence, 0.0) * max(line.second_confidence, 0.0))


def joined(first: PlacedLine, lines: Sequence[PlacedLine]) -> list[PlacedLine]:
    """The line and those that follow it on its row with no more than a wide space between them: one value."""
    found = [first]
    for one in sorted(lines, key=lambda line: line.left):
        gap = one.left - found[-1].right
        if one is not first and one.is_beside(first) and -0.5 * first.height < gap < 0.9 * first.height:
            found.append(one)
    return found


def right_of(label: PlacedLine, lines: Sequence[PlacedLine]) -> PlacedLine | None:
    """The nearest line to the right on the same row."""
    row = [one for one in lines if one is not label and one.is_beside(label) and one.left > label.right - label.height]
    return min(row, key=lambda one: one.left, default=None)


def below(label: PlacedLine, lines: Sequence[PlacedLine]) -> PlacedLine | None:
    """The nearest line underneath in the same column, not further than two and a half lines of print."""
    near = [
        one
        for one in lines
        if one is not label
        and -0.3 * label.height < one.top - label.bottom < 2.5 * max(label.height, one.height)
        and one.is_in_column_of(label)
    ]
    return min(near, key=lambda one: (one.top, one.left), default=None)


def above(label: PlacedLine, lines: Sequence[PlacedLine]) -> PlacedLine | None:
    """The nearest line over it in the same column, not further than one and a half lines of print."""
    near = [
        one
        for one in lines
        if one is not label
        and -0.3 * label.height < label.top - one.bottom < 1.5 * max(label.height, one.height)
        and one.is_in_column_of(label)
    ]
    return max(near, key=lambda one: (one.bottom, -one.left), default=None)


def _unmarked(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", _bare(text)) if not unicodedata.combining(c))


def _marks(text: str) -> int:
    return sum(unicodedata.combining(c) > 0 for c in unicodedata.normalize("NFD", text))


def _bare(text: str) -> str:
    return "".join(text.split())


def _tilt(boxes: Sequence[Box]) -> float:
    """The angle of the print in radians: of the longer lines, whose edges are the more exact."""
    edges = [(right[0] - left[0], right[1] - left[1]) for left, right, _, _ in boxes]
    longest = sorted(edges, key=lambda edge: -math.hypot(*edge))[: max(3, len(edges) // 2)]
    return statistics.median(math.atan2(y, x) for x, y in longest)


def _turned(line: TextLine, angle: float) -> PlacedLine:
    cosine, sine = math.cos(angle), math.sin(angle)
    points = [(x * cosine - y * sine, x * sine + y * cosine) for x, y in line.box]
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
    left, right = sorted(((ax + dx) / 2, (bx + cx) / 2))
    top, bottom = sorted(((ay + by) / 2, (cy + dy) / 2))
    return PlacedLine(line, left, top, right, bottom)

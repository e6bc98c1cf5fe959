"""Lines of text to the fields of a card: which design it is, what each side says, both weighed together. Pure.

Never raises on what a photo may hold: text is what strangers print.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drivers.ocr import european_card, german_card, us_card
from drivers.ocr.findings import Finding
from drivers.ocr.lines import PlacedLine, TextLine, placed
from kioskd.core.printed_card import Box, Design, FieldName, PrintedCard, ReadField, Side

_MOST_LINES, _MOST_IN_LINE = 120, 300
"""More than any card has; what is beyond is not looked at."""


def read_fields(front: Sequence[TextLine], back: Sequence[TextLine] = ()) -> PrintedCard:
    """What both sides say, each field once, in the order of ``FieldName``. Boxes are those of the lines."""
    sides = [(Side.FRONT, *_side(front)), (Side.BACK, *_side(back))]
    found = [(side, one) for side, _, findings in sides for one in findings if one.value]
    designs = [design for _, design, findings in sides if findings]
    by_name = {name: [(side, one) for side, one in found if one.name is name] for name in FieldName}
    fields = tuple(_weighed(several) for several in by_name.values() if several)
    # A German card has a European one on its back: the front says whose it is.
    return PrintedCard(designs[0] if designs else Design.UNKNOWN, fields)


def _side(lines: Sequence[TextLine]) -> tuple[Design, list[Finding]]:
    upright = placed(_short(line) for line in lines[:_MOST_LINES])
    if european_card.is_european(upright):
        return Design.EUROPEAN, european_card.findings(upright)
    if german_card.is_german(upright):
        return Design.GERMAN_EGK, german_card.findings(upright)
    return Design.US_INSURANCE, us_card.findings(upright)


def _short(line: TextLine) -> TextLine:
    return replace(line, text=line.text[:_MOST_IN_LINE], second_text=line.second_text[:_MOST_IN_LINE])


def _weighed(several: Sequence[tuple[Side, Finding]]) -> ReadField:
    """One field of all findings of it: the same value twice is surer, two values are a doubt about both."""
    side, best = max(several, key=lambda one: one[1].confidence)
    sure = best.confidence
    for _, other in several:
        if other is not best:
            sure = 1 - (1 - sure) * (1 - other.confidence) if other.value == best.value else min(sure, 0.6)
    return ReadField(best.name, best.value, min(max(sure, 0.0), 1.0), _around(best.lines), side)


def _around(lines: Sequence[PlacedLine]) -> Box:
    """One box around the lines, along the first one's edges."""
    first, last = lines[0].line.box, lines[-1].line.box
    return (first[0], last[1], last[2], first[3])

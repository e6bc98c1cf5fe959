"""What one side of a card seems to say, before both sides are weighed against each other. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers.ocr.formats import Form, sureness, value_of
from drivers.ocr.lines import PlacedLine
from kioskd.core.printed_card import MOST_CHARACTERS, Design, FieldName


@dataclass(frozen=True, slots=True)
class Finding:
    """One field and the lines that it was read from."""

    name: FieldName
    value: str = field(repr=False)
    form: Form
    text_confidence: float
    lines: tuple[PlacedLine, ...]

    @property
    def confidence(self) -> float:
        return sureness(self.text_confidence, self.form)


def taken(name: FieldName, text: str, text_confidence: float, lines: Sequence[PlacedLine], design: Design) -> Finding:
    """The finding that a text is, for this field."""
    value, form = value_of(name, text[: 4 * MOST_CHARACTERS], design)
    return Finding(name, value[:MOST_CHARACTERS].strip(), form, text_confidence, tuple(lines))

"""Lines as the text reader gave them for drawn cards, kept in ``recorded_lines.json``, with what stands on the cards.

``python -m tests.drivers.ocr.recorded`` reads the drawn cards again and writes the file anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drivers.ocr import TextLine
from kioskd.core.printed_card import FieldName

FILE = Path(__file__).with_name("recorded_lines.json")


def _line(entry: dict[str, Any]) -> TextLine:
    a, b, c, d = ((round(x), round(y)) for x, y in entry["box"])
    return TextLine(entry["text"], (a, b, c, d), entry["score"], entry["second"], entry["second_score"])


def recorded() -> dict[str, tuple[list[TextLine], list[TextLine], dict[FieldName, str]]]:
    """Front, back and truth of each recorded card."""
    cards = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        name: (
            [_line(entry) for entry in card["front"]],
            [_line(entry) for entry in card["back"]],
            {FieldName(field): value for field, value in card["truth"].items()},
        )
        for name, card in cards.items()
    }


def record() -> None:
    """One card of each design, each in another condition."""
    from drivers.ocr.photographed import CONDITIONS, photo
    from drivers.ocr.reading_process import TextReader
    from drivers.ocr.synthetic import DESIGNS, paper_card

    reader = TextReader()
    cards: dict[str, Any] = {}
    for place, (design, condition) in enumerate(zip(DESIGNS, CONDITIONS, strict=False)):
        card = paper_card(design, 100 + place)
        sides = {"front": card.front, "back": card.back}
        cards[f"{design}, {condition}"] = {
            name: reader.read(photo(image, condition, place))["lines"] if image else [] for name, image in sides.items()
        } | {"truth": card.truth}
    lines = json.dumps(cards, ensure_ascii=False, indent=0, default=lambda number: round(float(number), 3))
    FILE.write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    record()

"""Photos of a card in, its fields out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from drivers.codes import PictureUnreadable
from drivers.ocr.fields import read_fields
from drivers.ocr.lines import TextLine
from drivers.ocr.process import MOST_BYTES, ReadingProcess
from kioskd.core.printed_card import Box, PhotoRefused, PhotoTrouble, PrintedCard, ReadField, Side
from kioskd.errors import DeviceUnavailable

USUAL_WITHIN_S = 20.0
"""Both sides take about 2 s on two cores, the first photo after a pause 2 s more."""
_Matrix = Sequence[float]


class PrintedCardReader:
    """Reads what is printed on insurance cards: a ``ports.PrintedCardReader``.

    Any thread; one card at a time. The process that reads lives for ``idle_s`` after the last photo.
    """

    def __init__(self, name: str = "card photo", *, idle_s: float = 60.0, command: Sequence[str] | None = None) -> None:
        self._name = name
        self._process = ReadingProcess(name, idle_s=idle_s, command=command)

    @property
    def pid(self) -> int | None:
        """The reading process, while there is one."""
        return self._process.pid

    def read_card(
        self, front: bytes, back: bytes | None = None, within_s: float = USUAL_WITHIN_S
    ) -> PrintedCard | PhotoRefused:
        """The fields of a card from photos of its sides (JPEG, PNG or WebP), or why a photo must be taken again.

        A back on which nothing is printed is no trouble. ``within_s`` is for each side. Raises PictureUnreadable (these
        bytes are no picture) or DeviceUnavailable (not installed, hung, ended).
        """
        lines: dict[Side, list[TextLine]] = {Side.FRONT: [], Side.BACK: []}
        places: dict[Side, _Matrix] = {}
        for side, picture in ((Side.FRONT, front), (Side.BACK, back)):
            if picture is None:
                continue
            if len(picture) > MOST_BYTES:
                raise PictureUnreadable(f"the photo has more than {MOST_BYTES // 10**6} MB; take it with fewer pixels")
            answer = self._process.ask(picture, within_s)
            trouble = self._trouble(answer)
            if trouble is PhotoTrouble.NOTHING_PRINTED and side is Side.BACK:
                continue
            if trouble is not None:
                return PhotoRefused(side, trouble)
            lines[side], places[side] = self._lines(answer)
        card = read_fields(lines[Side.FRONT], lines[Side.BACK])
        return replace(card, fields=tuple(_in_photo(one, places[one.side]) for one in card.fields))

    def close(self) -> None:
        """End the reading process. MUST NOT raise; MAY be called twice."""
        self._process.close()

    def _trouble(self, answer: dict[str, Any]) -> PhotoTrouble | None:
        if said := answer.get("no_photo"):
            raise PictureUnreadable(f"{said}; take the photo again")
        if said := answer.get("missing"):
            raise DeviceUnavailable(
                self._name, f"text can't be read ({said}); install kioskd with its extra: kioskd[ocr]"
            )
        said = answer.get("trouble")
        if said is None:
            return None
        if said not in list(PhotoTrouble):
            raise DeviceUnavailable(self._name, "the process that reads text told of a trouble that is not known")
        return PhotoTrouble(said)

    def _lines(self, answer: dict[str, Any]) -> tuple[list[TextLine], _Matrix]:
        try:
            found = [_line(one) for one in answer["lines"]]
            matrix = [float(part) for part in answer["to_photo"]]
        except (KeyError, TypeError, ValueError):
            # `from None`: the error may quote the card.
            raise DeviceUnavailable(self._name, "the process that reads text answered in another form") from None
        if len(matrix) != 9:
            raise DeviceUnavailable(self._name, "the process that reads text did not say where the card is")
        return found, matrix


def _line(answer: dict[str, Any]) -> TextLine:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = answer["box"]
    box = ((round(ax), round(ay)), (round(bx), round(by)), (round(cx), round(cy)), (round(dx), round(dy)))
    return TextLine(
        str(answer["text"]), box, float(answer["score"]), str(answer["second"]), float(answer["second_score"])
    )


def _in_photo(field: ReadField, matrix: _Matrix) -> ReadField:
    """The field with its box where it is in the photo."""
    a, b, c, d = (_point(corner, matrix) for corner in field.box)
    box: Box = (a, b, c, d)
    return replace(field, box=box)


def _point(point: tuple[int, int], matrix: _Matrix) -> tuple[int, int]:
    x, y = point
    w = matrix[6] * x + matrix[7] * y + matrix[8]
    if not math.isfinite(w) or abs(w) < 1e-9:
        return point
    return round((matrix[0] * x + matrix[1] * y + matrix[2]) / w), round(
        (matrix[3] * x + matrix[4] * y + matrix[5]) / w
    )

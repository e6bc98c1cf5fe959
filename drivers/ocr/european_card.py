"""The European Health Insurance Card: the numbers 1 to 9 before its labels mean the same in every language. Pure.

Decision S2 of the Administrative Commission (2010/C 106/09): 3 name, 4 given names, 5 date of birth, 6 personal
identification number, 7 identification number and acronym of the institution, 8 number of the card, 9 expiry date. The
certificate that replaces it provisionally also has 1, the form, and 2, the state; on the card the state's letters stand
alone. Dates are day, month, year.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from drivers.ocr.findings import Finding, taken
from drivers.ocr.formats import STATE_NUMBERS, Form, compact, kvnr
from drivers.ocr.lines import PlacedLine, agreed, below, joined, right_of
from kioskd.core.printed_card import Design, FieldName

_FIELDS = {
    1: FieldName.FORM,
    2: FieldName.COUNTRY,
    3: FieldName.FAMILY,
    4: FieldName.GIVEN,
    5: FieldName.BIRTH_DATE,
    6: FieldName.MEMBER_ID,
    7: FieldName.PAYER_ID,
    8: FieldName.CARD_NUMBER,
    9: FieldName.VALID_UNTIL,
}
_NUMBERED = re.compile(r"\(?([1-9])\s?[.,:;)·]?\s?(\D*)")
_INSTITUTION = re.compile(r"([0-9A-Z][0-9A-Z ]{1,13}?)\s*[-–—:/]\s*(\D.*)|([0-9]{2,10})\s+([^\W\d].*)")
_TITLES = re.compile(
    r"europ\w*\s*(?:health|kranken|ziekte|sygesikring|sairaan|sjukf|karta|sanitar)|cart\w*\s*europ|tarjeta\s*sanitaria|tessera\s*europea"
    r"|cartão\s*europeu|assicurazione\s*malattia|assurance\s*maladie|health\s*insurance\s*card",
    re.IGNORECASE,
)


def numbered(lines: Sequence[PlacedLine]) -> list[tuple[int, PlacedLine]]:
    """The labels that begin with their number. A number alone counts where it has a full stop."""
    found = []
    for line in lines:
        match = _NUMBERED.fullmatch(line.text.strip())
        if match is None:
            continue
        words = match[2].strip()
        if sum(c.isalpha() for c in words) >= 3 or (not words and re.search("[.,)]", line.text)):
            found.append((int(match[1]), line))
    return found


def is_european(lines: Sequence[PlacedLine]) -> bool:
    """By its title and some numbers, or by most of its numbers."""
    numbers = {number for number, _ in numbered(lines)} & set(range(3, 10))
    return len(numbers) >= 4 or (len(numbers) >= 2 and any(_TITLES.search(line.text) for line in lines))


def findings(lines: Sequence[PlacedLine]) -> list[Finding]:
    """The numbered fields of a side, and the state."""
    labels = numbered(lines)
    label_lines = {id(line) for _, line in labels}
    values = [line for line in lines if id(line) not in label_lines]
    found = [one for number, line in labels for one in _field(number, line, values)]
    return _with_state(found, values)


def _field(number: int, label: PlacedLine, values: Sequence[PlacedLine]) -> list[Finding]:
    is_alone = not any(c.isalpha() for c in label.text)
    first = (right_of(label, values) or below(label, values)) if is_alone else below(label, values)
    if first is None:
        return []
    parts = joined(first, values)
    read = [agreed(part.line) for part in parts]
    text, sure = " ".join(part for part, _ in read), min(sure for _, sure in read)
    if number == 7:
        return _institution(text, sure, parts)
    one = taken(_FIELDS[number], text, sure, parts, Design.EUROPEAN)
    if number == 6 and kvnr(one.value) == (one.value, Form.PROVEN):
        one = replace(one, form=Form.PROVEN)
    return [one]


def _institution(text: str, sure: float, parts: Sequence[PlacedLine]) -> list[Finding]:
    """Field 7: ``93044 - AOK NORDMARK`` is the institution's number and its acronym."""
    match = _INSTITUTION.fullmatch(text.strip())
    if match is None:
        return [taken(FieldName.PAYER_ID, text, sure, parts, Design.EUROPEAN)]
    number, acronym = (match[1], match[2]) if match[1] else (match[3], match[4])
    return [
        taken(FieldName.PAYER_ID, number, sure, parts, Design.EUROPEAN),
        taken(FieldName.PAYER, acronym, sure, parts, Design.EUROPEAN),
    ]


def _with_state(found: list[Finding], values: Sequence[PlacedLine]) -> list[Finding]:
    """The state's two letters, proven where the number of the card begins with the same state's number."""
    if any(one.name is FieldName.COUNTRY and one.form is not Form.ODD for one in found):
        return found
    alone = [line for line in values if compact(line.text) in STATE_NUMBERS]
    if len(alone) != 1:
        return found
    text, sure = agreed(alone[0].line)
    state = taken(FieldName.COUNTRY, text, sure, alone, Design.EUROPEAN)
    number = next((one.value for one in found if one.name is FieldName.CARD_NUMBER), "")
    if number[2:5] == STATE_NUMBERS.get(state.value, "none"):
        state = replace(state, form=Form.PROVEN)
    return [*(one for one in found if one.name is not FieldName.COUNTRY), state]

"""The front of the German health card (eGK): two numbers with check digits, a name, the insurer. Pure.

Both numbers are known by their check digits, so it does not matter where an insurer prints them or whether the small
word for them stands above or below. The name is the line of letters over them that is not the insurer's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from drivers.ocr.findings import Finding, taken
from drivers.ocr.formats import Form, compact, is_ik, kvnr
from drivers.ocr.lines import PlacedLine, agreed
from kioskd.core.printed_card import Design, FieldName

_TITLE = re.compile(r"gesundheits?\s*karte|elektronische\s*gesundheit|krankenversicherten", re.IGNORECASE)
_LABELS = re.compile(
    r"versicher(?:ung|ten|ter)|kenn-?nummer|nummer|name\b|karte\b|\bCAN\b|gültig|kassen-?nr", re.IGNORECASE
)
_INSURER = re.compile(
    r"kasse|\b(?:AOK|BKK|IKK|TK|DAK|KKH|HEK|hkk|KNAPPSCHAFT|SVLFG|BARMER)\b|kranken|betriebs", re.IGNORECASE
)


def is_german(lines: Sequence[PlacedLine]) -> bool:
    """By its title, or by an insured's number with a right check digit."""
    return any(_TITLE.search(line.text) or kvnr(line.text)[1] is Form.PROVEN for line in lines)


def findings(lines: Sequence[PlacedLine]) -> list[Finding]:
    """KVNR, IK, insurer and name."""
    read = [(line, *agreed(line.line)) for line in lines]
    number = _best(
        [
            taken(FieldName.MEMBER_ID, word, sure, [line], Design.GERMAN_EGK)
            for line, text, sure in read
            for word in _words(text, r"[A-Z0-9]{10}")
        ]
    )
    institution = _best(
        [
            taken(FieldName.PAYER_ID, word, sure, [line], Design.GERMAN_EGK)
            for line, text, sure in read
            for word in _words(text, r"10[0-9]{7}")
            if is_ik(word)
        ]
    )
    found = [one for one in (number, institution) if one is not None]
    letters = [one for one in read if _is_letters(one[1])]
    insurer = _insurer(letters)
    if insurer is not None:
        found.append(taken(FieldName.PAYER, insurer[1], insurer[2], [insurer[0]], Design.GERMAN_EGK))
    if found and (name := _name(letters, insurer, found)) is not None:
        found.append(name)
    return found


_Read = tuple[PlacedLine, str, float]


def _words(text: str, pattern: str) -> list[str]:
    """Words of a line, and the whole line without its spaces, that have a form."""
    candidates = [*map(compact, text.split()), compact(text)]
    return [word for word in dict.fromkeys(candidates) if re.fullmatch(pattern, word)]


def _best(found: Sequence[Finding]) -> Finding | None:
    right = [one for one in found if one.form is not Form.ODD]
    values = {one.value for one in right}
    return max(right, key=lambda one: one.confidence) if len(values) == 1 else None


def _is_letters(text: str) -> bool:
    return sum(c.isalpha() for c in text) >= 3 and not re.search("[0-9]", text) and not _TITLE.search(text)


def _insurer(letters: Sequence[_Read]) -> _Read | None:
    """What is printed twice, else what sounds like an insurer; the largest of them."""
    texts = [compact(text) for _, text, _ in letters]
    twice = [one for one in letters if texts.count(compact(one[1])) > 1]
    sounding = [one for one in letters if _INSURER.search(one[1])]
    return max(twice or sounding, key=lambda one: (one[2], one[0].height), default=None)


def _name(letters: Sequence[_Read], insurer: _Read | None, found: Sequence[Finding]) -> Finding | None:
    """The largest line over the numbers that is neither the insurer's nor one of the card's own words."""
    numbers = [one.lines[0] for one in found if one.name is not FieldName.PAYER]
    if not numbers:
        return None
    limit = min(line.top for line in numbers)
    mine = [
        one
        for one in letters
        if one[0].bottom < limit + 2
        and not _LABELS.search(one[1])
        and not _INSURER.search(one[1])
        and (insurer is None or compact(one[1]) != compact(insurer[1]))
        and len(one[1].split()) >= 2
    ]
    if not mine:
        return None
    line, text, sure = max(mine, key=lambda one: one[0].height)
    one = taken(FieldName.NAME, text, sure, [line], Design.GERMAN_EGK)
    # With several lines to choose from, size alone said which is the name.
    return one if len(mine) == 1 or one.form is Form.ODD else replace(one, form=Form.DOUBTFUL)

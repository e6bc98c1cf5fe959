"""US insurance cards: nothing but labels tells what a number is, and every insurer words them differently. Pure.

A label stands before its value on the line, or alone with the value to its right or under it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from drivers.ocr.findings import Finding, taken
from drivers.ocr.formats import Form
from drivers.ocr.lines import PlacedLine, agreed, below, joined, right_of
from kioskd.core.printed_card import Design, FieldName

_NUMBER = r"\s*(?:no\b\.?|nos\.|num\b\.?|number|nbr\b\.?|code|#)?"
_HOLDER = (
    r"(?:member|subscriber|enrollee|participant|insured|recipient|cardholder|beneficiary|medicaid|medicare|policy)"
)

# The first that fits a place is what stands there, so the longer wording comes before the shorter one.
_LABELS: tuple[tuple[FieldName, str], ...] = (
    (FieldName.PAYER_ID, rf"(?:electronic\s*)?payer\s*id{_NUMBER}|edi\s*(?:payer\s*)?(?:id|#|no\b\.?|number){_NUMBER}"),
    (FieldName.RX_BIN, rf"(?:rx\s*)?bin{_NUMBER}|ansi\s*bin"),
    (FieldName.RX_PCN, rf"(?:rx\s*)?pcn{_NUMBER}"),
    (FieldName.RX_GROUP, rf"rx\s*(?:group|grp|gp)(?:\s*id)?{_NUMBER}"),
    (FieldName.BIRTH_DATE, r"(?:date\s*of\s*birth|birth\s*date|d\.?o\.?b\b\.?)"),
    (
        FieldName.VALID_FROM,
        r"(?:coverage\s*)?(?:effective|eff\b\.?)(?:\s*date)?|coverage\s*(?:begins|starts?)(?:\s*date)?",
    ),
    (
        FieldName.VALID_UNTIL,
        r"(?:expiration|expiry|expires|exp\b\.?|termination|term\b\.?)(?:\s*date)?|valid\s*(?:thru|through|until|to)",
    ),
    (FieldName.NAME, rf"{_HOLDER}(?:['’]?s)?\s*name|patient\s*name"),
    (
        FieldName.MEMBER_ID,
        rf"(?:{_HOLDER}(?:['’]?s)?\s*)?(?:identification|id)\b{_NUMBER}|{_HOLDER}\s*(?:no\b\.?|number|#)",
    ),
    (FieldName.GROUP, rf"(?:group|grp)(?:\s*id)?{_NUMBER}"),
    (FieldName.NAME, r"name|member|subscriber|enrollee|insured"),
)
_PARTS = "|".join(f"(?P<l{place}>{pattern})" for place, (_, pattern) in enumerate(_LABELS))
# A label begins a word. Readers of text lose spaces, so that RxPCN may follow the number before it at once.
_BEGIN = r"(?:(?<![A-Za-z0-9])|(?<=[0-9])(?=rx)|(?-i:(?<=[A-Z0-9])(?=Rx[A-Z])))"
_LABEL = re.compile(rf"{_BEGIN}(?:{_PARTS})(?P<stop>\s*[:;.#]+\s*|\s+|$)", re.IGNORECASE)
# Words after which a value follows without a colon; the others are words of any sentence.
_STRONG = frozenset({FieldName.PAYER_ID, FieldName.RX_BIN, FieldName.RX_PCN, FieldName.RX_GROUP, FieldName.BIRTH_DATE})
_INSURER_WORDS = re.compile(
    r"health|insur|care\b|medica|blue|cross|shield|plan\b|mutual|life|assurance|benefit|aetna|cigna|humana|kaiser|anthem|united",
    re.IGNORECASE,
)
_SLOGANS = re.compile(r"program|services?\b|customer|provider|card\b|www\.|\d{3}-\d{4}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Label:
    field: FieldName
    begin: int
    end: int
    is_plain: bool
    """Punctuation follows, or nothing does: it can be nothing but a label."""


def _labels(text: str) -> Iterator[_Label]:
    for match in _LABEL.finditer(text):
        place = next(place for place in range(len(_LABELS)) if match[f"l{place}"] is not None)
        field = _LABELS[place][0]
        has_mark = bool(re.search("[:;#]", match["stop"])) or match[f"l{place}"].rstrip().endswith("#")
        is_whole = match.end() == len(text) and match.start() == 0
        is_plain = (
            has_mark
            or is_whole
            or (match[f"l{place}"].lower().endswith(("no.", "number")) and field is not FieldName.NAME)
        )
        if (
            is_plain
            or field in _STRONG
            or (field is FieldName.MEMBER_ID and re.match("[A-Z]*[0-9]", text[match.end() :]))
        ):
            yield _Label(field, match.start(), match.end(), is_plain)


def findings(lines: Sequence[PlacedLine]) -> list[Finding]:
    """Every field of a side that a label points at, and the payer, which has none."""
    found: list[Finding] = []
    labelled = {id(line) for line in lines if _is_label_line(line.text)}
    values = [line for line in lines if id(line) not in labelled]
    used: set[int] = set()
    for line in lines:
        text, sure = agreed(line.line)
        marks = list(_labels(text))
        for mark, following in zip_longest(marks, marks[1:]):
            inline = text[mark.end : following.begin if following else None].strip()
            if inline:
                found.append(taken(mark.field, inline, sure, [line], Design.US_INSURANCE))
                used.add(id(line))
            elif following is None and (value := _value_near(mark.field, line, values)):
                found.append(value)
                used.update(id(one) for one in value.lines)
    used |= labelled
    payer = _payer(lines, [line for line in lines if id(line) not in used])
    return [*found, payer] if payer else found


def _is_label_line(text: str) -> bool:
    marks = list(_labels(text))
    return bool(marks) and not text[marks[-1].end :].strip()


def _value_near(field: FieldName, label: PlacedLine, values: Sequence[PlacedLine]) -> Finding | None:
    """The value to the right or underneath: whichever has the form of the field, the right one first."""
    candidates = []
    beside, under = right_of(label, values), below(label, values)
    if beside is not None and beside.left - label.right < 6 * label.height:
        candidates.append(beside)
    if under is not None:
        candidates.append(under)
    found = [_taken_from(field, [*joined(one, values)]) for one in candidates]
    fitting = [one for one in found if one.form is not Form.ODD]
    return next(iter([*fitting, *found]), None)


def _taken_from(field: FieldName, parts: list[PlacedLine]) -> Finding:
    read = [agreed(part.line) for part in parts]
    text = " ".join(part for part, _ in read)
    return taken(field, text, min(sure for _, sure in read), parts, Design.US_INSURANCE)


def _payer(lines: Sequence[PlacedLine], free: Sequence[PlacedLine]) -> Finding | None:
    """The largest print of the upper part that is no label and no slogan; surer if it sounds like an insurer."""
    if not lines:
        return None
    top, bottom = min(line.top for line in lines), max(line.bottom for line in lines)
    upper = [
        line
        for line in free
        if line.middle < top + 0.45 * (bottom - top)
        and sum(c.isalpha() for c in line.text) >= 4
        and not _SLOGANS.search(line.text)
    ]
    sounding = [line for line in upper if _INSURER_WORDS.search(line.text)]
    largest = max(sounding or upper, key=lambda line: line.height, default=None)
    if largest is None:
        return None
    text, sure = agreed(largest.line)
    payer = taken(FieldName.PAYER, text, sure, [largest], Design.US_INSURANCE)
    return payer if sounding or payer.form is Form.ODD else replace(payer, form=Form.DOUBTFUL)

"""What wristbands and labels say. Texts go through ``translate(language, text)``, in the site's first language.

Only what is written here can stand on a band: two identifiers of the person, and a warning of a similar name that staff
asked for. An allergy, an infection and the like never do: the daemon does not know them, and a band without a mark
would be read as "none".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from kioskd.core.patient import Patient
from kioskd.core.printing import SheetKind
from kioskd.ports import LabelSheet, Newborn, SheetWords, UnknownPerson, WristbandSheet


@dataclass(frozen=True, slots=True)
class SheetStyle:
    """How a site writes its bands and labels. ``number_groups``: see ``core.patient.in_groups``."""

    number_groups: tuple[int, ...] = ()
    words: SheetWords = field(default_factory=SheetWords)


PLAIN = SheetStyle()


def sheet_style(language: str, translate: Callable[[str, str], str], number_groups: tuple[int, ...] = ()) -> SheetStyle:
    """The style of a site whose staff read this language."""

    def _(text: str) -> str:
        return translate(language, text)

    words = SheetWords(
        born=_("Born"),
        number=_("No."),
        similar_name=_("Similar name"),
        unknown=_("Unknown"),
        unknown_male=_("Unknown male"),
        unknown_female=_("Unknown female"),
        arrived=_("Arrived"),
        baby_of=_("Baby of"),
        baby_of_several=_("Baby {order} of"),
        mother=_("Mother"),
    )
    return SheetStyle(number_groups, words)


def wristband_sheet(
    patient: Patient,
    band_number: int,
    gs1_company_prefix: str,
    style: SheetStyle = PLAIN,
    is_name_similar: bool = False,
) -> WristbandSheet | None:
    """The band of a patient, or None when two identifiers of the person are not known (NPSG.01.01.01)."""
    born = patient.birth_date or patient.partial_birth_date
    if born is None or not patient.record_number or not (patient.family or patient.given):
        return None
    return WristbandSheet(
        family=patient.family,
        given=patient.given,
        birth_date=born,
        record_number=patient.record_number,
        band_number=band_number,
        gsrn=gsrn(gs1_company_prefix, patient.record_number),
        number_groups=style.number_groups,
        is_name_similar=is_name_similar,
        words=style.words,
    )


def unnamed_sheet(
    person: UnknownPerson | Newborn,
    record_number: str,
    band_number: int,
    gs1_company_prefix: str,
    style: SheetStyle = PLAIN,
) -> WristbandSheet | None:
    """The band of who has no name yet, or None without a record number, or a newborn's mother, to tell them by."""
    has_mother = isinstance(person, UnknownPerson) or bool(person.mother_family or person.mother_given)
    if not record_number or not has_mother:
        return None
    return WristbandSheet(
        family="",
        given="",
        birth_date=None,
        record_number=record_number,
        band_number=band_number,
        gsrn=gsrn(gs1_company_prefix, record_number),
        number_groups=style.number_groups,
        unknown=person if isinstance(person, UnknownPerson) else None,
        newborn=person if isinstance(person, Newborn) else None,
        words=style.words,
    )


def on_the_clock_of(zone: ZoneInfo, person: UnknownPerson | Newborn) -> UnknownPerson | Newborn:
    """The same person with the aware time in the local time of a site."""
    if isinstance(person, UnknownPerson):
        return replace(person, arrived_at=person.arrived_at.astimezone(zone))
    return replace(person, born_at=person.born_at.astimezone(zone))


def label_sheet(
    kind: SheetKind, patient: Patient, made_at: datetime, title: str = "", code: str = "", style: SheetStyle = PLAIN
) -> LabelSheet | None:
    """A label of a patient's specimen or document, or None when two identifiers of the person are not known.

    ``made_at``: the site's local time. ``code``: what the barcode says, the record number if it is empty.
    """
    born = patient.birth_date or patient.partial_birth_date
    if born is None or not patient.record_number or not (patient.family or patient.given):
        return None
    return LabelSheet(
        kind=kind,
        family=patient.family,
        given=patient.given,
        birth_date=born,
        record_number=patient.record_number,
        made_at=made_at,
        title=title,
        code=code,
        number_groups=style.number_groups,
        words=style.words,
    )


def gsrn(company_prefix: str, record_number: str) -> str:
    """GS1 service relation number (AI 8018): prefix + record number + check digit, 18 digits; empty if it can't be.

    GS1 General Specifications 2.5.2 and 7.9: weights 3 and 1 from the right.
    """
    room = 17 - len(company_prefix)
    # Only a record number that is all digits: leaving letters out would give A123 and B123 one identity.
    if not company_prefix or not re.fullmatch(r"[0-9]+", record_number) or len(record_number) > room:
        return ""
    body = company_prefix + record_number.rjust(room, "0")
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return body + str(-total % 10)

"""Who stands at the kiosk: a card against the patients that records hold. Refuses rather than guesses.

Identifier, family name, given name and birth date must all agree with exactly one patient. Names are compared
without case, accents and hyphens, and German umlauts equal their two-letter forms: cards and records are
typed by different people. Everything else is a ``Reason`` that staff see.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from kioskd.core.appointment import Appointment, next_expected
from kioskd.core.patient import Identifier, Patient, Sex


class Reason(StrEnum):
    """Why a patient was sent to the desk. Staff always see it; a patient never does."""

    NO_PATIENT = "no-patient"
    SEVERAL_PATIENTS = "several-patients"
    NAME_DIFFERS = "name-differs"
    BIRTH_DATE_DIFFERS = "birth-date-differs"
    NO_APPOINTMENT = "no-appointment"
    NOT_ME = "not-me"
    ASKED_FOR_HELP = "asked-for-help"
    CARD_UNREADABLE = "card-unreadable"
    CARD_NOT_SUPPORTED = "card-not-supported"
    CARD_REMOVED_EARLY = "card-removed-early"
    CARD_CHANGED = "card-changed"
    READER_FAILED = "reader-failed"
    RECORDS_UNREACHABLE = "records-unreachable"
    HUB_UNREACHABLE = "hub-unreachable"
    TIMED_OUT = "timed-out"
    CLOSED = "page-closed"
    ANOTHER_CARD = "another-card"


@dataclass(frozen=True, slots=True)
class Card:
    """What a chip card says of its holder. ``birth_date`` is None when the card gives only a part of it."""

    kind: str
    identifier: Identifier
    family: str
    given: str
    birth_date: date | None
    sex: Sex = Sex.UNKNOWN
    insurer_name: str = ""
    insurer_id: str = ""


@dataclass(frozen=True, slots=True)
class Identified:
    """One patient of records, and the appointment of today that the check-in is for."""

    patient: Patient
    appointment: Appointment


@dataclass(frozen=True, slots=True)
class Refused:
    """Not identified: to the desk, with the reason."""

    reason: Reason
    patient: Patient | None = None
    """Known when the person was found and only the appointment is missing."""


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa"})
# Letters that Unicode does not take apart. A German card can't hold them (ISO 8859-15), a record can.
_STROKES = str.maketrans({"ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})


def comparable(name: str) -> str:
    """A name as it is compared: lower case, umlauts written out, no accents, letters only."""
    composed = unicodedata.normalize("NFC", name).casefold().translate(_UMLAUTS | _STROKES)
    return "".join(c for c in unicodedata.normalize("NFD", composed) if c.isalpha())


def _given_agrees(card: str, record: str) -> bool:
    """Whether given names agree: one side may hold more of them, in the same order ("Anna Maria", "Anna")."""
    a, b = ([c for part in name.replace("-", " ").split() if (c := comparable(part))] for name in (card, record))
    shorter = min(len(a), len(b))
    return shorter > 0 and (a[:shorter] == b[:shorter] or "".join(a) == "".join(b))


def agreement(card: Card, patient: Patient) -> Reason | None:
    """Why card and patient do not agree, or None when they do."""
    if card.birth_date is None or patient.birth_date is None or card.birth_date != patient.birth_date:
        return Reason.BIRTH_DATE_DIFFERS
    if not comparable(card.family) or comparable(card.family) != comparable(patient.family):
        return Reason.NAME_DIFFERS
    if not _given_agrees(card.given, patient.given):
        return Reason.NAME_DIFFERS
    return None


def find_patient(card: Card, candidates: Sequence[Patient]) -> Patient | Reason:
    """The one patient whose identifier, name and birth date agree with the card, or why there is none."""
    same = [p for p in candidates if card.identifier in p.identifiers]
    if not same:
        return Reason.NO_PATIENT
    if len({p.id for p in same}) > 1:
        # Two records with one insurance number: choosing by the better name would be a guess.
        return Reason.SEVERAL_PATIENTS
    return agreement(card, same[0]) or same[0]


def identify(card: Card, candidates: Sequence[Patient], todays: Sequence[Appointment]) -> Identified | Refused:
    """The patient and appointment that a card stands for; ``todays`` may hold other patients' appointments too."""
    patient = find_patient(card, candidates)
    if isinstance(patient, Reason):
        return Refused(patient)
    appointment = next_expected(a for a in todays if a.patient_id == patient.id)
    if appointment is None:
        return Refused(Reason.NO_APPOINTMENT, patient)
    return Identified(patient, appointment)

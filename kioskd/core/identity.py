"""Who stands at the kiosk: a card against the patients that records hold. Refuses rather than guesses.

Identifier, family name, given name and birth date must all agree with exactly one patient. Names are compared
without case, accents and hyphens, German umlauts equal their two-letter forms, and Serbian Cyrillic equals Latin:
cards and records are typed by different people. Everything else is a ``Reason`` that staff see.

A card proves a card, not a person. Where a family shares one number, it leads to several records, and only the one
whose name and birth date agree is meant; more than one, or none, is for the desk.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from kioskd.core.appointment import Appointment, next_expected
from kioskd.core.patient import Identifier, PartialDate, Patient, Sex


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
    """It answers, and its data are laid out in a way that is not known."""
    CARD_EXPIRED = "card-expired"
    CARD_LOCKED = "card-locked"
    """The card, or the part of it that is needed, was blocked by its issuer."""
    CARD_DAMAGED = "card-damaged"
    """Its data contradict their own check digits, or its memory reports a fault."""
    CARD_MUTE = "card-mute"
    """It does not answer at all: the wrong way round, or the chip is dead. No reader can tell which."""
    CARD_NOT_SUPPORTED = "card-not-supported"
    CARD_CLOSED_BY_RADIO = "card-closed-by-radio"
    """Contactless, it wants the password that is printed on it; with contacts it may be open."""
    CARD_REMOVED_EARLY = "card-removed-early"
    CARD_CHANGED = "card-changed"
    READER_FAILED = "reader-failed"
    RECORDS_UNREACHABLE = "records-unreachable"
    HUB_UNREACHABLE = "hub-unreachable"
    TIMED_OUT = "timed-out"
    CLOSED = "page-closed"
    ANOTHER_CARD = "another-card"
    CODE_UNKNOWN = "code-unknown"
    CODE_NOT_FOR_US = "code-not-for-us"
    """A kind that is known and no use here, such as a prescription or a web address."""
    CODE_UNUSABLE = "code-unusable"
    """A card or letter as a code that is damaged, forged, cut short or of an old form."""
    CODE_UNTRUSTED = "code-untrusted"
    """Whoever issued it is not on the site's list."""
    LETTER_UNKNOWN = "letter-unknown"
    LETTER_EXPIRED = "letter-expired"
    LETTER_USED = "letter-used"
    LETTER_LOCKED = "letter-locked"
    """Too many different birth dates were given with it."""

    @property
    def is_card_trouble(self) -> bool:
        """Whether the card itself is what is wrong."""
        return self in CARD_TROUBLE


CARD_TROUBLE = frozenset(
    {
        Reason.CARD_UNREADABLE,
        Reason.CARD_EXPIRED,
        Reason.CARD_LOCKED,
        Reason.CARD_DAMAGED,
        Reason.CARD_MUTE,
        Reason.CARD_NOT_SUPPORTED,
        Reason.CARD_CLOSED_BY_RADIO,
    }
)
"""What is wrong with a card itself. Patients get the same words for all of them: that the card could not be read and
that they can go on without it. What exactly it was is for staff."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a chip card says of its holder; what it does not say is empty or None.

    ``birth_date`` is None when the card gives only a part of it, which is ``partial_birth_date`` then.
    """

    kind: str
    identifier: Identifier
    family: str
    given: str
    birth_date: date | None
    sex: Sex = Sex.UNKNOWN
    insurer_name: str = ""
    insurer_id: str = ""
    partial_birth_date: PartialDate | None = None
    undivided_name: str = ""
    """The whole name, where the card does not say which part is the family name; ``family`` and ``given`` are empty
    then."""
    other_spellings: tuple[tuple[str, str], ...] = ()
    """The same name in another script or form that the card gives too: family and given."""
    valid_until: date | None = None
    """The last day on which the card is good; None when it does not say or never ends."""
    suffices_for_billing: bool = False
    """Whether what was read is all that the insurer asks for. If not, the desk must still read or see the card."""
    is_shared_by_family: bool = False
    """Whether several people of a family have this identifier, so that it never stands for one of them alone."""
    is_family_cut: bool = False
    """Whether the card says that it had no room for the whole family name."""
    is_given_cut: bool = False


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
# Letters that Unicode does not take apart.
_STROKES = str.maketrans({"ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "œ": "oe"})
# Serbian Cyrillic as Serbia itself writes it in Latin (without its accents, which do not count).
_CYRILLIC = str.maketrans(
    dict(zip("абвгдђежзијклмнопрстћуфхцчш", "abvgddezzijklmnoprstcufhccs", strict=True))
    | {"љ": "lj", "њ": "nj", "џ": "dz"}
)


def comparable(name: str) -> str:
    """A name as it is compared: lower case, umlauts written out, no accents, Latin for Cyrillic, letters only.

    Đ is also written Dj abroad, so both are a D. Marks that make another letter, as the vowels of Thai do, count.
    """
    composed = unicodedata.normalize("NFC", name).casefold().translate(_UMLAUTS | _STROKES | _CYRILLIC)
    letters = (c for c in unicodedata.normalize("NFD", composed) if c.isalpha() or _is_vowel_sign(c))
    return "".join(letters).replace("dj", "d")


def _is_vowel_sign(mark: str) -> bool:
    """Whether it is a mark without which another name is left, as in the scripts of India, Thailand and Japan.

    Accents are not, nor the vowel points of Arabic and Hebrew, which people write or leave out.
    """
    is_of_such_a_script = "\u0900" <= mark <= "\u1aaf" or "\u3099" <= mark <= "\u309a"
    return is_of_such_a_script and unicodedata.category(mark) in {"Mn", "Mc"}


_CUT_AT_LEAST = 12
"""Letters that are left of a name that was cut; the fields of AAMVA have 20 and more."""


def _given_agrees(card: str, record: str) -> bool:
    """Whether given names agree: one side may hold more of them, in the same order ("Anna Maria", "Anna")."""
    a, b = ([c for part in name.replace("-", " ").split() if (c := comparable(part))] for name in (card, record))
    shorter = min(len(a), len(b))
    return shorter > 0 and (a[:shorter] == b[:shorter] or "".join(a) == "".join(b))


def _name_agrees(card: Card, patient: Patient) -> bool:
    """Whether one of the card's spellings is the record's name."""
    if whole := comparable(card.undivided_name):
        family, given = patient.family, patient.given
        return whole in {comparable(f"{family} {given}"), comparable(f"{given} {family}")}
    return any(
        _family_agrees(card, family, patient.family)
        and (_given_agrees(given, patient.given) or (card.is_given_cut and _is_begin(given, patient.given)))
        for family, given in ((card.family, card.given), *card.other_spellings)
    )


def _family_agrees(card: Card, family: str, record: str) -> bool:
    if comparable(family) == comparable(record) != "":
        return True
    return card.is_family_cut and _is_begin(family, record)


def _is_begin(cut: str, record: str) -> bool:
    """Whether a name that was cut is the begin of a record's; nobody cuts a name that is short."""
    begin = comparable(cut)
    return len(begin) >= _CUT_AT_LEAST and comparable(record).startswith(begin)


def _birth_date_agrees(card: Card, patient: Patient) -> bool:
    """Whether both say the same: the same day, or the same part of a date where neither knows more."""
    if card.birth_date is None and patient.birth_date is None:
        return card.partial_birth_date is not None and card.partial_birth_date == patient.partial_birth_date
    return card.birth_date == patient.birth_date


def agreement(card: Card, patient: Patient) -> Reason | None:
    """Why card and patient do not agree, or None when they do."""
    if not _birth_date_agrees(card, patient):
        return Reason.BIRTH_DATE_DIFFERS
    return None if _name_agrees(card, patient) else Reason.NAME_DIFFERS


def find_patient(card: Card, candidates: Sequence[Patient]) -> Patient | Reason:
    """The one patient whose identifier, name and birth date agree with the card, or why there is none."""
    same = list({p.id: p for p in candidates if card.identifier in p.identifiers}.values())
    if not same:
        return Reason.NO_PATIENT
    if len(same) == 1:
        return agreement(card, same[0]) or same[0]
    if not card.is_shared_by_family:
        # Two records with one insurance number: choosing by the better name would be a guess.
        return Reason.SEVERAL_PATIENTS
    agreeing = [p for p in same if agreement(card, p) is None]
    if not agreeing:
        return Reason.NO_PATIENT
    return agreeing[0] if len(agreeing) == 1 else Reason.SEVERAL_PATIENTS


def find_by_number(
    identifier: Identifier, birth_date: date, candidates: Sequence[Patient], is_shared_by_family: bool = False
) -> Patient | Reason:
    """The one patient with this number and birth date, or why there is none. For a code that gives a number alone."""
    same = list({p.id: p for p in candidates if identifier in p.identifiers}.values())
    if len(same) > 1 and not is_shared_by_family:
        return Reason.SEVERAL_PATIENTS
    agreeing = [p for p in same if p.birth_date == birth_date]
    if len(agreeing) > 1:
        return Reason.SEVERAL_PATIENTS
    return agreeing[0] if agreeing else Reason.BIRTH_DATE_DIFFERS if same else Reason.NO_PATIENT


def is_expired(card: Card, on: date) -> bool:
    """Whether the card's last day is before ``on``, a date of the site."""
    return card.valid_until is not None and card.valid_until < on


def identify(card: Card, candidates: Sequence[Patient], todays: Sequence[Appointment]) -> Identified | Refused:
    """The patient and appointment that a card stands for; ``todays`` may hold other patients' appointments too."""
    patient = find_patient(card, candidates)
    if isinstance(patient, Reason):
        return Refused(patient)
    appointment = next_expected(a for a in todays if a.patient_id == patient.id)
    if appointment is None:
        return Refused(Reason.NO_APPOINTMENT, patient)
    return Identified(patient, appointment)

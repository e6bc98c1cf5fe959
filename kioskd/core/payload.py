"""What a code that was read says, once its bytes are understood. Pure values; ``drivers.codes.payloads`` makes them.

A code holds one of these: a card (``CardPayload``), a number that needs a birth date beside it (``NumberPayload``),
a letter of the clinic (``LetterPayload``), a link to a card (``LinkPayload``), a card or letter that can't be used
(``Unusable``), something that is well known and no use here (``Stranger``), or something nobody knows (``Unknown``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from kioskd.core.identity import Card, Reason
from kioskd.core.patient import Identifier


class CodeKind(StrEnum):
    """What kind of code it is, as far as its first characters tell."""

    DRIVING_LICENCE = "aamva-dl"
    """Driving licence or identity card of a state or province of North America (AAMVA DL/ID)."""
    HEALTH_CARD = "smart-health-card"
    HEALTH_LINK = "smart-health-link"
    LETTER = "letter"
    NUMBER = "number"
    PRESCRIPTION = "prescription"
    VACCINATION = "vaccination-certificate"
    """The EU's digital COVID certificate."""
    MEDICATION_PLAN = "medication-plan"
    WEB_ADDRESS = "web-address"
    CONTACT = "contact"
    NETWORK = "network"
    PAYMENT = "payment"
    ONE_TIME_PASSWORD = "one-time-password"  # noqa: S105 - the name of a kind, no password
    BOARDING_PASS = "boarding-pass"  # noqa: S105 - as above
    PHONE = "phone"
    MESSAGE = "message"
    EVENT = "event"
    PLACE = "place"
    PRODUCT = "product"
    """The number of a thing in a shop, or of a medicine's package."""


@dataclass(frozen=True, slots=True)
class CardPayload:
    """The code is a card, signed by who issued it or printed on it; to be identified as a chip card is."""

    card: Card = field(repr=False)


@dataclass(frozen=True, slots=True)
class NumberPayload:
    """A number of a person and nothing else. The birth date must be asked: a number alone never stands for anybody."""

    name: str
    """What the site calls such numbers, such as ``nhs-number``."""
    identifier: Identifier = field(repr=False)
    is_shared_by_family: bool = False


@dataclass(frozen=True, slots=True)
class LetterPayload:
    """An appointment letter of a clinic with kioskd; only the hub can tell whether it is ours and still good.

    The birth date must be asked. ``letter`` goes to ``ports.Hub.identify_letter`` as it is.
    """

    letter: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkPayload:
    """A SMART Health Link to a host that the site allows, not yet fetched."""

    host: str
    address: str = field(repr=False)
    key: bytes = field(repr=False)
    """32 bytes, for A256GCM."""
    is_direct: bool = False
    """Flag U: the file itself is at the address, fetched by GET; else a manifest, by POST."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """The kind is one that we take, and this one can't be used."""

    kind: CodeKind
    reason: Reason
    what: str
    """Why, for the log and for staff; quotes nothing of the code."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A kind that is known and no use at a check-in."""

    kind: CodeKind


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows what it is. ``length``: bytes."""

    length: int


Payload = CardPayload | NumberPayload | LetterPayload | LinkPayload | Unusable | Stranger | Unknown


def log_words(payload: Payload, length: int) -> str:
    """What a log may say of a code of ``length`` bytes: its kind and length, and why it was of no use."""
    match payload:
        case CardPayload(card=card):
            kind = card.kind
        case NumberPayload(name=name):
            kind = name
        case LetterPayload():
            kind = CodeKind.LETTER.value
        case LinkPayload():
            kind = CodeKind.HEALTH_LINK.value
        case Unusable(kind=code, what=what):
            kind = f"{code} ({what})"
        case Stranger(kind=code):
            kind = f"{code}, not for a check-in"
        case Unknown():
            kind = "unknown"
    return f"{kind}, {length} bytes"

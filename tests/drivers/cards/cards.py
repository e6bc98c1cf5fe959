"""Every kind of card that is installed, and how a test reads an image."""

from __future__ import annotations

from datetime import date

from drivers.cards.image import CardImage
from drivers.cards.iso7816 import handle_status
from kioskd.core.identity import CARD_TROUBLE, Card, Reason, is_expired
from kioskd.errors import CardUnreadable
from kioskd.ports import CardKind, Transmit
from kioskd.station.devices.registry import card_kinds

KINDS = tuple(card_kinds())
TODAY = date(2026, 11, 24)
OWN_REASONS = CARD_TROUBLE - {Reason.CARD_MUTE, Reason.CARD_EXPIRED, Reason.CARD_NOT_SUPPORTED}
"""What a kind of card may raise; the others are for the reader to say."""


def transmit_to(image: CardImage) -> Transmit:
    return handle_status(image.power_on().respond)


def kind_named(name: str) -> CardKind:
    return next(kind for kind in KINDS if kind.name == name)


def claiming(image: CardImage) -> list[str]:
    """The kinds that take the card for one of theirs, each asked as if it were the only one."""
    return [kind.name for kind in KINDS if kind.is_present(transmit_to(image))]


def read_between_two_numbers(transmit: Transmit) -> Card:
    """What the reader makes of a card: the first kind that claims it reads it, between two reads of its number."""
    kind = next((kind for kind in KINDS if kind.is_present(transmit)), None)
    if kind is None:
        raise CardUnreadable("card", Reason.CARD_NOT_SUPPORTED, "no kind claims it")
    number = kind.read_id(transmit)
    card = kind.read(transmit)
    if kind.read_id(transmit) != number:
        raise CardUnreadable("card", Reason.CARD_CHANGED, "another card was there at the end of the read")
    return card


def outcome(image: CardImage) -> Card | Reason:
    """What is read, or why nothing is."""
    try:
        card = read_between_two_numbers(transmit_to(image))
    except CardUnreadable as refusal:
        return Reason(refusal.reason)
    return Reason.CARD_EXPIRED if is_expired(card, TODAY) else card

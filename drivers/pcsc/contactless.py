"""Cards by radio: how PC/SC shows them, and which of them open nothing without a password.

A reader makes the ATR of a contactless card up (PC/SC part 3, 3.1.3.2.3): ``3B 8n 80 01``, then the card's historical
bytes, or for a card that only stores ``80 4F 0C`` with PC/SC's own identifier. Such a storage card has no number that
an insurer or a state vouches for: nothing is read from it. Identity cards and new health cards are silent by radio
until a password that is printed on them was entered (PACE, ICAO 9303-11): the same card in the slot may be open. They
say so in EF.CardAccess.
"""

from __future__ import annotations

from drivers.cards.iso7816 import read_binary_sfi, select_file, unreadable
from kioskd.core.identity import Reason
from kioskd.errors import CardUnreadable
from kioskd.ports import Transmit

_PCSC_RID = bytes.fromhex("A000000306")
_STORAGE_CARD = b"\x80\x4f\x0c" + _PCSC_RID
_ROOT = b"\x3f\x00"
_SFI_CARD_ACCESS = 0x1C
_ID_PACE = bytes.fromhex("04007F0007020204")
"""0.4.0.127.0.7.2.2.4 without tag and length: every PACE protocol begins with it (BSI TR-03110-3, A.1.1.1)."""

_UNEXPLAINED = frozenset({Reason.CARD_UNREADABLE, Reason.CARD_NOT_SUPPORTED})


def is_contactless(atr: bytes) -> bool:
    """Whether a reader made this ATR up for a card by radio."""
    return len(atr) > 4 and atr[0] == 0x3B and atr[1] & 0xF0 == 0x80 and atr[2:4] == b"\x80\x01"


def is_storage_card(atr: bytes) -> bool:
    """Whether it is a card that only stores, such as a ticket or a door card."""
    return is_contactless(atr) and atr[4:].startswith(_STORAGE_CARD)


def wants_password(transmit: Transmit) -> bool:
    """Whether the card offers PACE. Raises what ``transmit`` raises."""
    transmit(select_file(_ROOT, 0x00))
    access, _ = transmit(read_binary_sfi(_SFI_CARD_ACCESS, 0, 0x100))
    return _ID_PACE in access


def explained(refusal: CardUnreadable, atr: bytes, transmit: Transmit) -> CardUnreadable:
    """Why a card could not be read, where the radio is the reason; else ``refusal`` as it is."""
    if refusal.reason not in _UNEXPLAINED or not is_contactless(atr):
        return refusal
    if is_storage_card(atr):
        return unreadable("a contactless card that only stores; it says nothing of a person", Reason.CARD_NOT_SUPPORTED)
    try:
        is_closed = wants_password(transmit)
    except CardUnreadable:
        return refusal
    what = "the card opens by radio only to the password that is printed on it (PACE); it may be open in the slot"
    return unreadable(what, Reason.CARD_CLOSED_BY_RADIO) if is_closed else refusal

"""PC/SC's error codes, and what they are for the daemon: the card's fault, or the reader's."""

from __future__ import annotations

from smartcard import scard

from kioskd.core.identity import Reason
from kioskd.errors import CardUnreadable, DeviceError, DeviceUnavailable

_REMOVED = frozenset({scard.SCARD_E_NO_SMARTCARD, scard.SCARD_W_REMOVED_CARD})
NO_ANSWER = frozenset(
    {
        scard.SCARD_W_UNRESPONSIVE_CARD,
        scard.SCARD_W_UNPOWERED_CARD,
        scard.SCARD_W_UNSUPPORTED_CARD,
        scard.SCARD_W_RESET_CARD,
        scard.SCARD_E_CARD_UNSUPPORTED,
        scard.SCARD_E_PROTO_MISMATCH,
        scard.SCARD_E_NOT_READY,
        scard.SCARD_E_NOT_TRANSACTED,
        scard.SCARD_E_INVALID_ATR,
        scard.SCARD_E_COMM_DATA_LOST,
    }
)
"""A card that is broken, or one that was pulled and pcscd has not seen it yet."""


class ExchangeFailed(Exception):
    """A command got no answer. Not a DeviceError, so that no kind of card takes it for one of its own."""

    def __init__(self, code: int) -> None:
        super().__init__(error_text(code))
        self.code = code


def error_text(code: int) -> str:
    """A PC/SC error for staff and logs: pcsc-lite's words and the code."""
    return f"{str(scard.SCardGetErrorMessage(code)).strip().rstrip('.')} (0x{code & 0xFFFFFFFF:08X})"


def error_of(device: str, code: int) -> DeviceError:
    """What a PC/SC error on connecting to or talking with a card is for the daemon."""
    if code in _REMOVED:
        return CardUnreadable(device, Reason.CARD_REMOVED_EARLY, "the card was taken out before it was read")
    if code in NO_ANSWER:
        what = f"the card does not answer: {error_text(code)}; it may be the wrong way round or broken"
        return CardUnreadable(device, Reason.CARD_MUTE, what)
    if code == scard.SCARD_E_TIMEOUT:
        return CardUnreadable(device, Reason.CARD_MUTE, "the card answers too slowly or not at all; it may be broken")
    if code == scard.SCARD_E_SHARING_VIOLATION:
        what = "another program holds the card; stop it, kioskd needs the reader for itself"
        return CardUnreadable(device, Reason.READER_FAILED, what)
    return DeviceUnavailable(device, f"pcscd or the reader failed: {error_text(code)}; is pcscd running?")

"""One card, held exclusively and in a transaction, and the commands that it is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from smartcard import scard

from drivers.pcsc.outcomes import ExchangeFailed

LET_GO_WITHIN_S = 3.0
"""How long another program may hold the card before that is a fault: some look at each card that goes in."""
ASK_AGAIN_S = 0.1


class Conversation:
    """The exchanges with one connected card. The first failure ends it for good, and so does ``deadline``."""

    def __init__(self, handle: Any, protocol: int, deadline: float) -> None:
        self._handle = handle
        self._deadline = deadline
        self._pci = scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
        self._failure: ExchangeFailed | None = None

    @property
    def atr(self) -> bytes:
        """The card's answer to reset; empty when pcscd can't say."""
        code, _, _, _, atr = scard.SCardStatus(self._handle)
        return bytes(atr) if code == scard.SCARD_S_SUCCESS else b""

    def transmit_raw(self, apdu: bytes) -> bytes:
        """The card's answer to one command. Raises ExchangeFailed, with SCARD_E_TIMEOUT after the deadline."""
        self.raise_failure()
        code, answer = scard.SCARD_E_TIMEOUT, []
        if time.monotonic() < self._deadline:
            code, answer = scard.SCardTransmit(self._handle, self._pci, list(apdu))
        if code == scard.SCARD_S_SUCCESS and len(answer) < 2:
            # A card pulled in the middle of its answer: some reader drivers report success and no bytes.
            code = scard.SCARD_E_NOT_TRANSACTED
        if code != scard.SCARD_S_SUCCESS:
            self._failure = ExchangeFailed(code)
            raise self._failure
        return bytes(answer)

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


@contextmanager
def held(context: Any, reader: str, deadline: float) -> Iterator[Conversation]:
    """The card in ``reader``, for nobody else; unpowered at the end. ``deadline`` as of ``time.monotonic``.

    Raises ExchangeFailed: also at the end of a body that made something of an exchange that failed.
    """
    handle, protocol = _connect(context, reader, min(deadline, time.monotonic() + LET_GO_WITHIN_S))
    conversation = Conversation(handle, protocol, deadline)
    try:
        code = scard.SCardBeginTransaction(handle)
        if code != scard.SCARD_S_SUCCESS:
            raise ExchangeFailed(code)
        try:
            yield conversation
        finally:
            # Before anything that a kind of card made of it: a failed exchange voids the read.
            conversation.raise_failure()
    finally:
        # Ends the transaction as well. Unpowered, the next card can't inherit what was selected.
        scard.SCardDisconnect(handle, scard.SCARD_UNPOWER_CARD)


def _connect(context: Any, reader: str, give_up_at: float) -> tuple[Any, int]:
    """Handle and protocol, which the card's ATR decides. Asks again while another program has the card."""
    protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
    while True:
        code, handle, protocol = scard.SCardConnect(context, reader, scard.SCARD_SHARE_EXCLUSIVE, protocols)
        if code == scard.SCARD_S_SUCCESS:
            return handle, protocol
        if code != scard.SCARD_E_SHARING_VIOLATION or time.monotonic() >= give_up_at:
            raise ExchangeFailed(code)
        time.sleep(ASK_AGAIN_S)  # pcscd tells nobody when a program lets a card go

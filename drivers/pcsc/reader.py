"""A chip-card reader over PC/SC (pcsc-lite), by ``smartcard.scard`` and a status loop of our own.

pyscard's CardMonitor is not used: its thread dies when pcscd restarts and never reports a removal again.

What makes a read whole, given what pcsc-lite does not promise:

* the card is held exclusively and in a transaction, so no other program can select another file in between;
* any exchange that fails voids the read, even if a later one would work: a card that was swapped within one poll of
  pcscd (about 0.4 s) answers on the old handle;
* the card's own number is read at the start and again at the end, and must be the same;
* after an attempt the card must be taken out before another one counts. pcscd counts insertions and removals
  of each reader (upper 16 bits of the event state), so a removal between two of our polls is seen too. A swap that
  pcscd itself does not notice is not: the next patient is then asked to take the card out once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from smartcard import scard

from drivers.cards.iso7816 import handle_status
from kioskd.core.identity import Card, Reason, is_expired
from kioskd.errors import CardUnreadable, DeviceError, DeviceUnavailable
from kioskd.ports import CardKind, Transmit

REMOVAL_SEEN_WITHIN_S = 2.0
"""How long after a failed exchange to wait for pcscd to notice that the card is gone. It polls every 0.4 s, and
on a busy machine later.
"""

_GONE_STATES: int = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE
_REMOVED = frozenset({scard.SCARD_E_NO_SMARTCARD, scard.SCARD_W_REMOVED_CARD})
_NO_ANSWER = frozenset(
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


class _ExchangeFailed(Exception):
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
    if code in _NO_ANSWER:
        what = f"the card does not answer: {error_text(code)}; it may be the wrong way round or broken"
        return CardUnreadable(device, Reason.CARD_MUTE, what)
    if code == scard.SCARD_E_SHARING_VIOLATION:
        return DeviceUnavailable(device, "another program holds the card; stop it, kioskd needs the reader for itself")
    return DeviceUnavailable(device, f"pcscd or the reader failed: {error_text(code)}; is pcscd running?")


class PcscReader:
    """A ``ports.CardReader``. ``reader`` is the name of the reader in pcscd, or a pattern of it."""

    def __init__(
        self, name: str, reader: str, card_kinds: Sequence[CardKind], today: Callable[[], date] = date.today
    ) -> None:
        self._name = name
        self._today = today
        self._pattern = reader
        self._card_kinds = tuple(card_kinds)
        self._context: Any = None
        self._reader = ""
        self._done_count: int | None = None
        """pcscd's event count of the card that was read or tried last; None as soon as the reader was seen empty."""

    def open(self) -> None:
        self.close()
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        if code != scard.SCARD_S_SUCCESS:
            raise DeviceUnavailable(self._name, f"pcscd does not answer: {error_text(code)}; is it running?")
        self._context = context
        try:
            self._reader = self._find_reader()
            self._event_state()
        except DeviceUnavailable:
            self.close()
            raise

    def close(self) -> None:
        context, self._context, self._done_count = self._context, None, None
        if context is not None:
            # The answer does not matter: the context of a pcscd that died is gone anyway.
            with suppress(scard.error):
                scard.SCardReleaseContext(context)

    def wait_for_card(self, seconds: float) -> bool:
        return self._wait(seconds, self._is_new_card)

    def wait_for_removal(self, seconds: float) -> bool:
        """Whether the card that was read last is out, also when the next one is already in."""
        return self._wait(seconds, self._is_taken_out)

    def read_card(self) -> Card:
        state = self._event_state()
        self._done_count = state >> 16
        if not state & scard.SCARD_STATE_PRESENT:
            raise error_of(self._name, scard.SCARD_E_NO_SMARTCARD)
        if state & scard.SCARD_STATE_MUTE:
            raise error_of(self._name, scard.SCARD_W_UNRESPONSIVE_CARD)
        try:
            return self._read_held()
        except _ExchangeFailed as failure:
            raise self._explain(failure.code) from failure
        except CardUnreadable as refusal:
            raise CardUnreadable(self._name, refusal.reason, refusal.what) from refusal

    # --- the status loop

    def _find_reader(self) -> str:
        code, names = scard.SCardListReaders(self._context, [])
        if code not in (scard.SCARD_S_SUCCESS, scard.SCARD_E_NO_READERS_AVAILABLE):
            raise error_of(self._name, code)
        for reader in names:
            # Equality first: real names hold brackets, which a pattern would take for a set of letters.
            if reader == self._pattern or fnmatchcase(reader, self._pattern):
                return str(reader)
        there_are = f"there are: {', '.join(names)}" if names else "there is none; is it plugged in?"
        raise DeviceUnavailable(self._name, f"no card reader is called {self._pattern!r}; {there_are}")

    def _event_state(self, known: int = scard.SCARD_STATE_UNAWARE, within_s: float = 0) -> int:
        """The reader's event state, or the state as soon as it differs from ``known``. Raises DeviceUnavailable."""
        if self._context is None:
            raise DeviceUnavailable(self._name, "the card reader is not open")
        asked = [(self._reader, known & ~scard.SCARD_STATE_CHANGED)]
        code, states = scard.SCardGetStatusChange(self._context, round(within_s * 1000), asked)
        if code == scard.SCARD_E_TIMEOUT:
            return known
        if code != scard.SCARD_S_SUCCESS:
            raise DeviceUnavailable(self._name, f"pcscd is gone: {error_text(code)}")
        state = int(states[0][1])
        if state & _GONE_STATES:
            raise DeviceUnavailable(self._name, f"the reader {self._reader} is gone; is it plugged in?")
        if not state & scard.SCARD_STATE_PRESENT:
            self._done_count = None
        return state

    def _wait(self, seconds: float, is_it: Callable[[int], bool]) -> bool:
        deadline = time.monotonic() + seconds
        state = self._event_state()
        while not is_it(state):
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                return False
            state = self._event_state(state, min(remaining_s, 1.0))
        return True

    def _is_new_card(self, state: int) -> bool:
        return bool(state & scard.SCARD_STATE_PRESENT) and state >> 16 != self._done_count

    def _is_taken_out(self, state: int) -> bool:
        was_swapped = self._done_count is not None and state >> 16 != self._done_count
        return not state & scard.SCARD_STATE_PRESENT or was_swapped

    # --- one read

    def _read_held(self) -> Card:
        """Connect, read, disconnect. Raises _ExchangeFailed, CardUnreadable or DeviceUnavailable."""
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        code, handle, protocol = scard.SCardConnect(self._context, self._reader, scard.SCARD_SHARE_EXCLUSIVE, protocols)
        if code != scard.SCARD_S_SUCCESS:
            raise error_of(self._name, code)
        conversation = _Conversation(handle, protocol)
        try:
            code = scard.SCardBeginTransaction(handle)
            if code != scard.SCARD_S_SUCCESS:
                raise _ExchangeFailed(code)
            try:
                card = self._read_same_card(handle_status(conversation.transmit_raw))
            finally:
                # Before anything that a kind of card made of it: a failed exchange voids the read.
                conversation.raise_failure()
            return card
        finally:
            # Ends the transaction as well. Unpowered, the next card can't inherit what was selected.
            scard.SCardDisconnect(handle, scard.SCARD_UNPOWER_CARD)

    def _read_same_card(self, transmit: Transmit) -> Card:
        kind = self._kind_of_card(transmit)
        number = kind.read_id(transmit)
        card = kind.read(transmit)
        if kind.read_id(transmit) != number:
            raise CardUnreadable(self._name, Reason.CARD_CHANGED, "another card was there at the end of the read")
        if is_expired(card, self._today()):
            raise CardUnreadable(self._name, Reason.CARD_EXPIRED, "the last day of the card is over")
        return card

    def _kind_of_card(self, transmit: Transmit) -> CardKind:
        """The first kind that claims the card. One that the card answers with nonsense does not hide the next."""
        trouble: CardUnreadable | None = None
        for kind in self._card_kinds:
            try:
                if kind.is_present(transmit):
                    return kind
            except CardUnreadable as refusal:
                trouble = trouble or refusal
        known = ", ".join(kind.name for kind in self._card_kinds) or "none"
        what = f"not a card that can be read here (known kinds: {known})"
        raise trouble or CardUnreadable(self._name, Reason.CARD_NOT_SUPPORTED, what)

    def _explain(self, code: int) -> DeviceError:
        """What a failed exchange was: pcscd says "not transacted" first and "removed" only at its next poll."""
        if code not in _NO_ANSWER:
            return error_of(self._name, code)
        state = self._done_count << 16 if self._done_count is not None else scard.SCARD_STATE_UNAWARE
        deadline = time.monotonic() + REMOVAL_SEEN_WITHIN_S
        while (remaining_s := deadline - time.monotonic()) > 0:
            state = self._event_state(state, remaining_s)
            if self._is_taken_out(state):
                return error_of(self._name, scard.SCARD_W_REMOVED_CARD)
        return error_of(self._name, code)


class _Conversation:
    """The exchanges with one connected card. The first failure ends it for good."""

    def __init__(self, handle: Any, protocol: int) -> None:
        self._handle = handle
        self._pci = scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
        self._failure: _ExchangeFailed | None = None

    def transmit_raw(self, apdu: bytes) -> bytes:
        self.raise_failure()
        code, answer = scard.SCardTransmit(self._handle, self._pci, list(apdu))
        if code == scard.SCARD_S_SUCCESS and len(answer) < 2:
            # A card pulled in the middle of its answer: some reader drivers report success and no bytes.
            code = scard.SCARD_E_NOT_TRANSACTED
        if code != scard.SCARD_S_SUCCESS:
            self._failure = _ExchangeFailed(code)
            raise self._failure
        return bytes(answer)

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

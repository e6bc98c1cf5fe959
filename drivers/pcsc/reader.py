"""A chip-card reader over PC/SC (pcsc-lite), by ``smartcard.scard`` and a status loop of our own.

pyscard's CardMonitor is not used: its thread dies when pcscd restarts and never reports a removal again.

What makes a read whole, given what pcsc-lite does not promise:

* the card is held exclusively and in a transaction, so no other program can select another file in between; one that
  has the card already is waited for, a few seconds;
* any exchange that fails voids the read, even if a later one would work: a card that was swapped within one poll of
  pcscd (about 0.4 s) answers on the old handle;
* the card's own number is read at the start and again at the end, and must be the same;
* a read ends in time, whatever the card does: see ``drivers.pcsc.watchdog``;
* after an attempt the card must be taken out before another one counts. pcscd counts insertions and removals
  of each reader (upper 16 bits of the event state), so a removal between two of our polls is seen too. A swap that
  pcscd itself does not notice is not: the next patient is then asked to take the card out once more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from smartcard import scard

from drivers.cards.iso7816 import handle_status
from drivers.pcsc.contactless import explained
from drivers.pcsc.conversation import held
from drivers.pcsc.outcomes import NO_ANSWER, ExchangeFailed, error_of, error_text
from drivers.pcsc.watchdog import CallHangs, WatchedCalls
from kioskd.core.identity import Card, Reason, is_expired
from kioskd.errors import CardUnreadable, DeviceError, DeviceUnavailable
from kioskd.ports import CardKind, Transmit

REMOVAL_SEEN_WITHIN_S = 2.0
"""How long after a failed exchange to wait for pcscd to notice that the card is gone. It polls every 0.4 s, and
on a busy machine later.
"""
READ_WITHIN_S = 8.0
"""A whole read, with connecting. The largest open files, 2.5 kB, take 3 s at 9600 baud (12 bits a byte)."""

_GONE_STATES: int = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE


def choose_reader(names: Sequence[str], pattern: str) -> str | None:
    """The first reader that ``pattern`` means, or None.

    pcscd ends each name by two numbers, " 00 00": which reader, and which slot of it. A reader that is plugged in again
    may get another first one, so a whole name also means the only reader that differs in nothing but that.
    """
    for name in names:
        # Equality first: real names hold brackets, which a pattern would take for a set of letters.
        if pattern in (name, name[: -len(" 00 00")]) or fnmatchcase(name, pattern):
            return name
    others = [name for name in names if _without_number(name) == _without_number(pattern)]
    return others[0] if len(others) == 1 else None


def _without_number(name: str) -> tuple[str, str]:
    """A reader's name in two parts, before and after its number; the whole name where there is no number."""
    parts = re.fullmatch(r"(.*) [0-9A-F]{2} ([0-9A-F]{2})", name)
    return (parts[1], parts[2]) if parts else (name, "")


class PcscReader:
    """A ``ports.CardReader``. ``reader`` is the name of the reader in pcscd, or a pattern of it."""

    def __init__(
        self,
        name: str,
        reader: str,
        card_kinds: Sequence[CardKind],
        today: Callable[[], date] = date.today,
        read_within_s: float = READ_WITHIN_S,
    ) -> None:
        self._name = name
        self._today = today
        self._pattern = reader
        self._card_kinds = tuple(card_kinds)
        self._read_within_s = read_within_s
        self._calls = WatchedCalls(name)
        self._context: Any = None
        self._reader = ""
        self._done_count: int | None = None
        """pcscd's event count of the card that was read or tried last; None as soon as the reader was seen empty."""

    def open(self) -> None:
        self.close()
        self._must_not_hang()
        self._context = self._new_context()
        try:
            self._calls.begin(self._new_context())
            self._reader = self._find_reader()
            self._event_state()
        except DeviceUnavailable:
            self.close()
            raise

    def close(self) -> None:
        self._calls.end()
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
        self._must_not_hang()
        deadline = time.monotonic() + self._read_within_s
        try:
            # A little longer, so that between two commands the conversation itself finds that it is over.
            return self._calls.call(lambda context: self._read_held(context, deadline), self._read_within_s + 0.25)
        except CallHangs as hangs:
            raise error_of(self._name, scard.SCARD_E_TIMEOUT) from hangs
        except ExchangeFailed as failure:
            raise self._explain(failure.code) from failure
        except CardUnreadable as refusal:
            raise CardUnreadable(self._name, refusal.reason, refusal.what) from refusal

    def _must_not_hang(self) -> None:
        """An earlier card that never answered is out; only the call to it may have to hear of that."""
        if self._calls.is_hanging(REMOVAL_SEEN_WITHIN_S):
            what = "the reader still waits for a card that never answered; unplug the reader and plug it in again"
            raise DeviceUnavailable(self._name, what)

    def _new_context(self) -> Any:
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        if code != scard.SCARD_S_SUCCESS:
            raise DeviceUnavailable(self._name, f"pcscd does not answer: {error_text(code)}; is it running?")
        return context

    # --- the status loop

    def _find_reader(self) -> str:
        code, names = scard.SCardListReaders(self._context, [])
        if code not in (scard.SCARD_S_SUCCESS, scard.SCARD_E_NO_READERS_AVAILABLE):
            raise error_of(self._name, code)
        chosen = choose_reader(names, self._pattern)
        if chosen is not None:
            return chosen
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

    def _read_held(self, context: Any, deadline: float) -> Card:
        """Connect, read, disconnect. Raises ExchangeFailed or CardUnreadable."""
        with held(context, self._reader, deadline) as conversation:
            transmit = handle_status(conversation.transmit_raw)
            try:
                return self._read_same_card(transmit)
            except CardUnreadable as refusal:
                raise explained(refusal, conversation.atr, transmit) from refusal

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
        if code not in NO_ANSWER:
            return error_of(self._name, code)
        state = self._done_count << 16 if self._done_count is not None else scard.SCARD_STATE_UNAWARE
        deadline = time.monotonic() + REMOVAL_SEEN_WITHIN_S
        while (remaining_s := deadline - time.monotonic()) > 0:
            state = self._event_state(state, remaining_s)
            if self._is_taken_out(state):
                return error_of(self._name, scard.SCARD_W_REMOVED_CARD)
        return error_of(self._name, code)

"""Newland's unified commands beside the codes, pure.

A command: ``~ SOH 0000``, ``@`` (for good) or ``#`` (until it loses power), tag, sub-tag, data, ``; ETX``. The answer
is the same with STX for ``~`` and ACK or NAK behind each command (NLS-HR52 guide). It comes among the codes, so it is
taken out of the stream before codes are cut from it. AIDENA (AIM identifiers) is in the NLS-FM430 guide, SCNTRG (start
and stop a reading) in a public host of such engines; neither was tried on a scanner here.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.scanner.framing import Framer, PlainWire
from drivers.scanner.wire import Aim, Read, Reply

__all__ = ["ANSWER", "COMMAND", "END", "NewlandWire", "command"]

COMMAND, ANSWER, END = b"~\x010000", b"\x02\x010000", b";\x03"
_LONGEST_ANSWER = 96
_ACK, _NAK = b"\x06", b"\x15"


def command(text: str) -> bytes:
    """A command such as ``#AIDENA1`` as it goes over the line."""
    return COMMAND + text.encode("ascii") + END


class NewlandWire(PlainWire):
    """A Newland scanner on a serial line. ``triggers``: readings are started and stopped from here."""

    hint = "see that it is a Newland with the same speed, or set profile to plain"

    def __init__(self, framer: Framer, aim: Aim, triggers: bool = False) -> None:
        super().__init__(framer, aim)
        self._wants_aim = aim != "none"
        self._triggers = triggers
        self._ahead = bytearray()
        self._reply: Reply | None = None

    @property
    def is_pending(self) -> bool:
        return bool(self._ahead) or super().is_pending

    @property
    def is_in_code(self) -> bool:
        return bool(self._ahead) or super().is_in_code

    def set_up(self) -> Sequence[bytes]:
        return (command("#AIDENA1"),) if self._wants_aim else ()

    def switch(self, is_enabled: bool) -> Sequence[bytes]:
        return (command("#SCNTRG0"),) if self._triggers and not is_enabled else ()

    def trigger(self) -> bytes:
        return command("#SCNTRG1") if self._triggers else b""

    def reply(self) -> Reply | None:
        reply, self._reply = self._reply, None
        return reply

    def feed(self, data: bytes) -> list[Read]:
        self._ahead += data
        done: list[Read] = []
        while (at := self._ahead.find(ANSWER)) >= 0:
            done += self._pass(at)
            end = self._ahead.find(END, len(ANSWER), _LONGEST_ANSWER)
            if end >= 0:
                self._take_answer(bytes(self._ahead[:end]))
                del self._ahead[: end + len(END)]
            elif len(self._ahead) >= _LONGEST_ANSWER:
                done += self._pass(len(ANSWER))  # only looked like one
            else:
                return done
        return done + self._pass(len(self._ahead) - self._begun())

    def gap(self) -> list[Read]:
        return self._pass(len(self._ahead)) + super().gap()

    def _begun(self) -> int:
        """How many bytes at the end may be the begin of an answer."""
        lengths = range(min(len(self._ahead), len(ANSWER) - 1), 0, -1)
        return next((length for length in lengths if self._ahead.endswith(ANSWER[:length])), 0)

    def _pass(self, count: int) -> list[Read]:
        passed = bytes(self._ahead[:count])
        del self._ahead[:count]
        return super().feed(passed) if passed else []

    def _take_answer(self, answer: bytes) -> None:
        self._reply = Reply.REFUSED if _NAK in answer or _ACK not in answer else Reply.DONE

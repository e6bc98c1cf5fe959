"""Zebra's (Symbol's) Simple Serial Interface, the host's side, pure.

A packet: length (of all but the checksum), opcode, source (0 the scanner, 4 the host), status, data, and 16 bits of
checksum, high byte first: the two's complement of the sum of what is before. Every packet is answered with ACK or NAK.
Status bit 0: sent again. Bit 1: more of the same message follows. DECODE_DATA: one byte for the kind of code, then its
data. Opcodes, status bits and parameters 9F, EC, EE agree in two public hosts and in Zebra's SE-923 guide; of the kinds
of codes, those above 0x10 are from memory. Parameters are set until the scanner loses power, never for good.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.scanner.wire import LATE_S, MOST_BYTES, Aim, Broken, Read, Reply, with_aim
from kioskd.ports import ScannedCode

__all__ = [
    "ACK",
    "DECODE_DATA",
    "DISABLE",
    "ENABLE",
    "NAK",
    "PARAM_SEND",
    "START",
    "STOP",
    "SYMBOLOGY",
    "SsiWire",
    "packet",
]

DECODE_DATA, PARAM_SEND = 0xF3, 0xC6
START, STOP, ENABLE, DISABLE = 0xE4, 0xE5, 0xE9, 0xEA
ACK, NAK = 0xD0, 0xD1
NAK_RESEND = 0x01
HOST = 0x04
AGAIN, MORE = 0x01, 0x02
"""Bits of the status byte."""
_HEADER, _CHECKSUM = 4, 2

_NO_BEEP = 0xFF
_PARAMETERS = ((0x9F, 1), (0xEE, 1), (0xEC, 0))
"""ACK and NAK; decode data in packets; no set-up by barcodes that a patient might hold before it."""

SYMBOLOGY = {
    0x01: "]A0",  # Code 39
    0x02: "]F0",  # Codabar
    0x03: "]C0",  # Code 128
    0x06: "]I0",  # interleaved 2 of 5
    0x07: "]G0",  # Code 93
    0x0A: "]E4",  # EAN-8
    0x0B: "]E0",  # EAN-13
    0x0F: "]C1",  # GS1-128
    0x11: "]L0",  # PDF417
    0x1B: "]d1",  # DataMatrix
    0x1C: "]Q1",  # QR
    0x2D: "]z0",  # Aztec
}
"""Kinds of codes as AIM identifiers, with the modifier of the usual variant: SSI does not tell which it was."""


def packet(opcode: int, data: bytes = b"", status: int = 0, source: int = HOST) -> bytes:
    """A packet with its checksum; ``data`` at most 251 bytes."""
    body = bytes((_HEADER + len(data), opcode, source, status)) + data
    return body + _checksum(body)


def _checksum(body: bytes) -> bytes:
    return (-sum(body) & 0xFFFF).to_bytes(2, "big")


class SsiWire:
    """A scanner in SSI mode. ``triggers``: readings are started and stopped from here. Implements ``wire.Wire``."""

    hint = "set the scanner to SSI with the same speed, or profile to plain"
    patience_s: float = LATE_S

    def __init__(self, aim: Aim, triggers: bool = False) -> None:
        self._aim = aim
        self._triggers = triggers
        self._held = bytearray()
        self._message = bytearray()
        self._is_too_long = False
        self._is_in_message = False
        self._last = b""
        self._has_complained = False
        self._answer = bytearray()
        self._reply: Reply | None = None

    @property
    def is_pending(self) -> bool:
        return bool(self._held) or self._is_in_message or self._has_complained

    @property
    def is_in_code(self) -> bool:
        return self.is_pending

    def set_up(self) -> Sequence[bytes]:
        values = bytes(byte for parameter in _PARAMETERS for byte in parameter)
        return (packet(PARAM_SEND, bytes((_NO_BEEP,)) + values),)

    def switch(self, is_enabled: bool) -> Sequence[bytes]:
        if is_enabled:
            return (packet(ENABLE),)
        return (packet(STOP), packet(DISABLE)) if self._triggers else (packet(DISABLE),)

    def trigger(self) -> bytes:
        return packet(START) if self._triggers else b""

    def answer(self) -> bytes:
        answer = bytes(self._answer)
        self._answer.clear()
        return answer

    def reply(self) -> Reply | None:
        reply, self._reply = self._reply, None
        return reply

    def feed(self, data: bytes) -> list[Read]:
        self._held += data
        done: list[Read] = []
        while self._take_one(done):
            pass
        return done

    def gap(self) -> list[Read]:
        done: list[Read] = []
        while self._held:  # what looked like a length may have been noise, with packets behind it
            del self._held[:1]
            while self._take_one(done):
                pass
        if self._is_in_message or self._has_complained:
            done.append(Broken("a code did not come whole from the scanner, and it did not send it again"))
        self._forget_message()
        self._has_complained = False
        return done

    def _take_one(self, done: list[Read]) -> bool:
        """Take the next packet, or a byte that begins none; False when more must come in first."""
        if not self._held:
            return False
        length = self._held[0]
        if length < _HEADER:
            del self._held[:1]
            return True
        if len(self._held) < length + _CHECKSUM:
            return False
        body, check = bytes(self._held[:length]), bytes(self._held[length : length + _CHECKSUM])
        if check != _checksum(body):
            if not self._has_complained:  # one NAK for one spoiled packet, however many bytes are left of it
                self._answer += packet(NAK, bytes((NAK_RESEND,)))
            self._has_complained = True
            # What looks like a packet of a code was one; of anything else not even the length can be believed.
            del self._held[: length + _CHECKSUM if body[1:3] == bytes((DECODE_DATA, 0)) else 1]
            return True
        del self._held[: length + _CHECKSUM]
        self._take_packet(body, done)
        return True

    def _take_packet(self, body: bytes, done: list[Read]) -> None:
        opcode, status, data = body[1], body[3], body[_HEADER:]
        if opcode in (ACK, NAK):
            self._reply = Reply.DONE if opcode == ACK else Reply.REFUSED
            return
        self._answer += packet(ACK)
        was_asked_for, self._has_complained = self._has_complained, False
        if opcode != DECODE_DATA or not data:
            return
        is_known = bool(status & AGAIN) and data == self._last and not was_asked_for  # our ACK was lost
        self._last = data
        if is_known:
            return
        if len(self._message) + len(data) > MOST_BYTES:
            self._is_too_long = True
        else:
            self._message += data[1:]
        self._is_in_message = True
        if not status & MORE:
            done.append(self._whole(data[0]))
            self._forget_message()

    def _whole(self, kind: int) -> Read:
        if self._is_too_long:
            return Broken(f"a code of more than {MOST_BYTES} bytes")
        code = with_aim(bytes(self._message), "none" if self._aim == "none" else "auto")
        if isinstance(code, Broken) or code.symbology:
            return code
        return ScannedCode(code.data, SYMBOLOGY.get(kind, ""))

    def _forget_message(self) -> None:
        self._message.clear()
        self._is_in_message = self._is_too_long = False

"""A card image and how it answers commands: the inside of a simulated card (ISO/IEC 7816-4, short APDUs).

Only what reading needs: SELECT by AID and by file identifier, READ BINARY with offset and with short file
identifier, READ RECORD, and the refusals of a real card: 6982 for a closed file, 6A82, 6A83, 6B00 past the end,
6282 with the last bytes, 6D00 for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.cards.iso7816 import Status


@dataclass(frozen=True, slots=True)
class CardFile:
    """One elementary file: transparent (``content``) or linear (``records``)."""

    fid: int
    sfi: int
    content: bytes = b""
    records: tuple[bytes, ...] = ()
    is_closed: bool = False
    """Reading needs a PIN or a second card."""


@dataclass(frozen=True, slots=True)
class Application:
    """One directory with an AID."""

    aid: bytes
    files: tuple[CardFile, ...] = ()


@dataclass(frozen=True, slots=True)
class CardImage:
    """Everything in a card. The first application is the root, current after power-on.

    ``is_t0``: corrects a too large Le by 6Cxx and hands out data behind 61xx, as T=0 cards do.
    """

    atr: bytes
    applications: tuple[Application, ...]
    is_t0: bool = False


class ImageSession:
    """A powered card: an image and what is selected in it."""

    def __init__(self, image: CardImage) -> None:
        self._image = image
        self._application = image.applications[0]
        self._file: CardFile | None = None
        self._waiting = b""

    def respond(self, apdu: bytes) -> bytes:
        """The response APDU: data and status word."""
        if len(apdu) < 4:
            return _sw(Status.WRONG_LENGTH)
        if apdu[0] & ~0x03:
            return _sw(Status.CLASS_NOT_SUPPORTED)
        match apdu[1]:
            case 0xA4:
                return self._select(apdu)
            case 0xB0:
                return self._read_binary(apdu[2], apdu[3], apdu[4] if len(apdu) == 5 else None)
            case 0xB2:
                return self._read_record(apdu[2], apdu[3], apdu[4] if len(apdu) == 5 else None)
            case 0xC0 if self._image.is_t0:
                return self._get_response(apdu[4] if len(apdu) == 5 else 0)
            case _:
                return _sw(Status.INSTRUCTION_CODE_NOT_SUPPORTED)

    def _select(self, apdu: bytes) -> bytes:
        p1, p2, name = apdu[2], apdu[3], apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b""
        if p1 == 0x04:
            found = next((a for a in self._image.applications if a.aid == name), None)
            if found is None:
                return _sw(Status.FILE_OR_APPLICATION_NOT_FOUND)
            self._application, self._file = found, None
        elif p1 in (0x00, 0x02) and len(name) == 2:
            fid = int.from_bytes(name, "big")
            file = next((f for f in self._application.files if f.fid == fid), None)
            if file is None:
                return _sw(Status.FILE_OR_APPLICATION_NOT_FOUND)
            self._file = file
        else:
            return _sw(Status.INCORRECT_PARAMETERS_P1_P2)
        is_template_wanted = p2 & 0x0C == 0x00 and p1 == 0x04
        return self._answer(_template(self._application.aid) if is_template_wanted else b"")

    def _read_binary(self, p1: int, p2: int, le: int | None) -> bytes:
        offset = p1 << 8 | p2
        if p1 & 0x80:
            file, offset = self._by_sfi(p1 & 0x1F), p2
            if file is None:
                return _sw(Status.FILE_OR_APPLICATION_NOT_FOUND)
            self._file = file
        if self._file is None:
            return _sw(Status.COMMAND_NOT_ALLOWED_NO_CURRENT_EF)
        if self._file.is_closed:
            return _sw(Status.SECURITY_STATUS_NOT_SATISFIED)
        if offset >= len(self._file.content):
            return _sw(Status.WRONG_PARAMETERS_P1_P2)
        return self._part(self._file.content[offset:], le)

    def _read_record(self, number: int, p2: int, le: int | None) -> bytes:
        file = self._by_sfi(p2 >> 3) if p2 >> 3 else self._file
        if file is None:
            return _sw(Status.FILE_OR_APPLICATION_NOT_FOUND)
        self._file = file
        if p2 & 0x07 != 0x04:
            return _sw(Status.INCORRECT_PARAMETERS_P1_P2)
        if file.is_closed:
            return _sw(Status.SECURITY_STATUS_NOT_SATISFIED)
        if not 1 <= number <= len(file.records):
            return _sw(Status.RECORD_NOT_FOUND)
        return self._part(file.records[number - 1], le)

    def _by_sfi(self, sfi: int) -> CardFile | None:
        return next((f for f in self._application.files if f.sfi == sfi), None)

    def _part(self, rest: bytes, le: int | None) -> bytes:
        """The first Le bytes of ``rest``. Le 00 asks for as many as there are, up to 256; another can be too large."""
        if le is None:
            return _sw(Status.WRONG_LENGTH)
        wanted = le or 0x100
        if len(rest) >= wanted:
            return rest[:wanted] + _sw(Status.NO_FURTHER_QUALIFICATION)
        if self._image.is_t0:
            return bytes((0x6C, len(rest)))
        is_short = le != 0
        return rest + _sw(
            Status.END_OF_FILE_REACHED_BEFORE_READING_NE_BYTES if is_short else Status.NO_FURTHER_QUALIFICATION
        )

    def _answer(self, data: bytes) -> bytes:
        if data and self._image.is_t0:
            self._waiting = data
            return bytes((0x61, len(data)))
        return data + _sw(Status.NO_FURTHER_QUALIFICATION)

    def _get_response(self, le: int) -> bytes:
        if not self._waiting:
            return _sw(Status.CONDITIONS_OF_USE_NOT_SATISFIED)
        if le > len(self._waiting):
            return bytes((0x6C, len(self._waiting)))
        wanted = le or 0x100
        data, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        if self._waiting:
            return data + bytes((0x61, min(len(self._waiting), 0xFF)))
        return data + _sw(Status.NO_FURTHER_QUALIFICATION)


def _template(aid: bytes) -> bytes:
    """File control information: 6F with the AID (84)."""
    return bytes((0x6F, len(aid) + 2, 0x84, len(aid))) + aid


def _sw(status: Status) -> bytes:
    return status.to_bytes(2, "big")

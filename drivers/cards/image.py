"""A card image and how it answers commands: the inside of a simulated card (ISO/IEC 7816-4, short APDUs).

Only what reading needs: SELECT by AID, by file identifier and by path, READ BINARY with offset and with short file
identifier, READ RECORD, GET DATA, and the refusals of a real card: 6982 for a closed file, 6283 for a locked
directory, 6A82, 6A83, 6B00 past the end, 6282 with the last bytes, 6D00 for anything else. A card with commands of its
own brings a subclass of ``ImageSession`` that answers them.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """One directory (DF): an application with an AID, or one with a file identifier only."""

    aid: bytes = b""
    files: tuple[CardFile, ...] = ()
    fid: int | None = None
    data_objects: tuple[tuple[int, bytes], ...] = ()
    """What GET DATA hands out, by P1 and P2."""
    is_locked: bool = False
    """Deactivated by the issuer: SELECT answers 6283, and no file in it can be read."""


@dataclass(frozen=True, slots=True)
class CardImage:
    """Everything in a card. The first application is the root, current after power-on.

    ``is_t0``: corrects a too large Le by 6Cxx and hands out data behind 61xx, as T=0 cards do.
    """

    atr: bytes
    applications: tuple[Application, ...]
    is_t0: bool = False
    session: Callable[[CardImage], ImageSession] | None = None
    """What answers instead of a plain ``ImageSession``, for cards with commands of their own."""

    def power_on(self) -> ImageSession:
        """The card as it answers after a reset."""
        return (self.session or ImageSession)(self)


MF_FID = 0x3F00


class ImageSession:
    """A powered card: an image and what is selected in it."""

    def __init__(self, image: CardImage) -> None:
        self.image = image
        self.application = image.applications[0]
        self._file: CardFile | None = None
        self._waiting = b""

    def respond(self, apdu: bytes) -> bytes:
        """The response APDU: data and status word."""
        if len(apdu) < 4:
            return status(Status.WRONG_LENGTH)
        if apdu[0] & ~0x03:
            return status(Status.CLASS_NOT_SUPPORTED)
        le = apdu[4] if len(apdu) == 5 else None
        match apdu[1]:
            case 0xA4:
                return self._select(apdu)
            case 0xB0:
                return self._read_binary(apdu[2], apdu[3], le)
            case 0xB2:
                return self._read_record(apdu[2], apdu[3], le)
            case 0xC0 if self.image.is_t0:
                return self._get_response(le or 0)
            case 0xCA if self.application.data_objects:
                return self._get_data(apdu[2] << 8 | apdu[3])
            case _:
                return status(Status.INSTRUCTION_CODE_NOT_SUPPORTED)

    def answer(self, data: bytes) -> bytes:
        """Data as the card hands it out: on T=0 it waits behind 61xx."""
        if data and self.image.is_t0:
            self._waiting = data
            return bytes((0x61, len(data) & 0xFF))
        return data + status(Status.NO_FURTHER_QUALIFICATION)

    def _select(self, apdu: bytes) -> bytes:
        p1, p2, name = apdu[2], apdu[3], apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b""
        if p1 == 0x04:
            found = next((a for a in self.image.applications if a.aid and a.aid == name), None)
            is_found = found is not None
            if found is not None:
                self.application, self._file = found, None
        elif p1 == 0x03 and not name:
            # The parent; there is one level of directories here, so it is the root.
            is_found = self._walk(0x08, [])
        elif p1 in (0x00, 0x01, 0x02, 0x08, 0x09) and len(name) % 2 == 0:
            is_found = self._walk(p1, [int.from_bytes(name[at : at + 2], "big") for at in range(0, len(name), 2)])
        else:
            return status(Status.INCORRECT_PARAMETERS_P1_P2)
        if not is_found:
            return status(Status.FILE_OR_APPLICATION_NOT_FOUND)
        if self.application.is_locked:
            return status(Status.SELECTED_FILE_DEACTIVATED)
        is_template_wanted = p2 & 0x0C == 0x00
        return self.answer(self._template() if is_template_wanted else b"")

    def _walk(self, p1: int, path: list[int]) -> bool:
        """Go along file identifiers, from the MF or from here. Nothing is changed when there is no such path."""
        root = self.image.applications[0]
        application = root if p1 == 0x08 or not path else self.application
        file: CardFile | None = None
        for fid in path:
            if file is not None:
                return False
            directory = root if fid == MF_FID else self._directory(fid)
            file = next((f for f in application.files if f.fid == fid), None)
            if file is None and (directory is None or p1 == 0x02):
                return False
            if file is None and directory is not None:
                application = directory
        self.application, self._file = application, file
        return True

    def _directory(self, fid: int) -> Application | None:
        return next((a for a in self.image.applications if a.fid == fid), None)

    def _get_data(self, tag: int) -> bytes:
        found = next((data for name, data in self.application.data_objects if name == tag), None)
        return status(Status.RECORD_NOT_FOUND) if found is None else self.answer(found)

    def _read_binary(self, p1: int, p2: int, le: int | None) -> bytes:
        offset = p1 << 8 | p2
        if p1 & 0x80:
            file, offset = self._by_sfi(p1 & 0x1F), p2
            if file is None:
                return status(Status.FILE_OR_APPLICATION_NOT_FOUND)
            self._file = file
        if self._file is None:
            return status(Status.COMMAND_NOT_ALLOWED_NO_CURRENT_EF)
        if self._file.is_closed or self.application.is_locked:
            return status(Status.SECURITY_STATUS_NOT_SATISFIED)
        if offset >= len(self._file.content):
            return status(Status.WRONG_PARAMETERS_P1_P2)
        return self._part(self._file.content[offset:], le)

    def _read_record(self, number: int, p2: int, le: int | None) -> bytes:
        file = self._by_sfi(p2 >> 3) if p2 >> 3 else self._file
        if file is None:
            return status(Status.FILE_OR_APPLICATION_NOT_FOUND)
        self._file = file
        if p2 & 0x07 != 0x04:
            return status(Status.INCORRECT_PARAMETERS_P1_P2)
        if file.is_closed:
            return status(Status.SECURITY_STATUS_NOT_SATISFIED)
        if not 1 <= number <= len(file.records):
            return status(Status.RECORD_NOT_FOUND)
        return self._part(file.records[number - 1], le)

    def _by_sfi(self, sfi: int) -> CardFile | None:
        return next((f for f in self.application.files if f.sfi == sfi), None)

    def _part(self, rest: bytes, le: int | None) -> bytes:
        """The first Le bytes of ``rest``. Le 00 asks for as many as there are, up to 256; another can be too large."""
        if le is None:
            return status(Status.WRONG_LENGTH)
        wanted = le or 0x100
        if len(rest) >= wanted:
            return rest[:wanted] + status(Status.NO_FURTHER_QUALIFICATION)
        if self.image.is_t0:
            return bytes((0x6C, len(rest)))
        is_short = le != 0
        return rest + status(
            Status.END_OF_FILE_REACHED_BEFORE_READING_NE_BYTES if is_short else Status.NO_FURTHER_QUALIFICATION
        )

    def _get_response(self, le: int) -> bytes:
        if not self._waiting:
            return status(Status.CONDITIONS_OF_USE_NOT_SATISFIED)
        if le > len(self._waiting):
            return bytes((0x6C, len(self._waiting)))
        wanted = le or 0x100
        data, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        if self._waiting:
            return data + bytes((0x61, min(len(self._waiting), 0xFF)))
        return data + status(Status.NO_FURTHER_QUALIFICATION)

    def _template(self) -> bytes:
        """File control information: 6F with the AID (84), or the size (80) and identifier (83) of a file."""
        if self._file is not None:
            inner = b"\x80\x02" + len(self._file.content).to_bytes(2, "big") + b"\x83\x02"
            inner += self._file.fid.to_bytes(2, "big")
        else:
            inner = bytes((0x84, len(self.application.aid))) + self.application.aid
        return bytes((0x6F, len(inner))) + inner


def status(sw: Status) -> bytes:
    """A response APDU without data."""
    return sw.to_bytes(2, "big")

"""ISO/IEC 7816-4: the few commands that open card data need, status words, and reading a file in chunks.

Pure: ``transmit`` is somebody else's. A card that answers what the standard does not allow is CardUnreadable.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from kioskd.core.identity import Reason
from kioskd.errors import CardUnreadable
from kioskd.ports import Transmit

TransmitRaw = Callable[[bytes], bytes]
"""Send one command APDU; the response APDU as the card gave it: data, then SW1 and SW2."""

CHUNK = 0xF0
"""Most bytes asked for in one READ BINARY. Short APDUs end at 256, and some readers spend a few of those themselves."""

SMALLEST_CHUNK = 0x10
"""A card or reader that refuses a READ BINARY as too long (6700) is asked for half as much, down to this."""

MOST_CRUMBS = 8
"""Answers to READ BINARY shorter than that, for one file. One may end it; a card that hands out a few bytes each time
would be read for minutes."""

MOST_BYTES = 0x8000
"""Offsets of READ BINARY have 15 bits."""

MOST_PARTS = 64
"""Bound of a GET RESPONSE chain; no answer to a short command needs more than one or two."""


class Status(IntEnum):
    """Status words SW1SW2 by the standard's names (ISO/IEC 7816-4:2020, tables 6 and 7)."""

    NO_FURTHER_QUALIFICATION = 0x9000
    PART_OF_RETURNED_DATA_MAY_BE_CORRUPTED = 0x6281
    END_OF_FILE_REACHED_BEFORE_READING_NE_BYTES = 0x6282
    SELECTED_FILE_DEACTIVATED = 0x6283
    SELECTED_FILE_IN_TERMINATION_STATE = 0x6285
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    AUTHENTICATION_METHOD_BLOCKED = 0x6983
    CONDITIONS_OF_USE_NOT_SATISFIED = 0x6985
    COMMAND_NOT_ALLOWED_NO_CURRENT_EF = 0x6986
    FUNCTION_NOT_SUPPORTED = 0x6A81
    FILE_OR_APPLICATION_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    INCORRECT_PARAMETERS_P1_P2 = 0x6A86
    WRONG_PARAMETERS_P1_P2 = 0x6B00
    INSTRUCTION_CODE_NOT_SUPPORTED = 0x6D00
    CLASS_NOT_SUPPORTED = 0x6E00
    NO_PRECISE_DIAGNOSIS = 0x6F00


_REASONS: dict[int, Reason] = {
    Status.PART_OF_RETURNED_DATA_MAY_BE_CORRUPTED: Reason.CARD_DAMAGED,
    Status.MEMORY_FAILURE: Reason.CARD_DAMAGED,
    Status.SELECTED_FILE_DEACTIVATED: Reason.CARD_LOCKED,
    Status.SELECTED_FILE_IN_TERMINATION_STATE: Reason.CARD_LOCKED,
    Status.AUTHENTICATION_METHOD_BLOCKED: Reason.CARD_LOCKED,
}

SW1_BYTES_AVAILABLE = 0x61
SW1_WRONG_LE = 0x6C


def status_text(sw: int) -> str:
    """A status word for staff and logs, such as ``6A82 file or application not found``."""
    try:
        return f"{sw:04X} {Status(sw).name.lower().replace('_', ' ')}"
    except ValueError:
        return f"{sw:04X}"


def select(aid: bytes, p2: int = 0x0C) -> bytes:
    """SELECT an application by its AID, first occurrence, no file control information wanted (P2 = 0C)."""
    return bytes((0x00, 0xA4, 0x04, p2, len(aid))) + aid


def select_file(name: bytes, p1: int, p2: int = 0x0C) -> bytes:
    """SELECT by file identifier or path; ``p1``: 00 any, 01 child DF, 02 EF here, 08 path from the MF, 09 from here."""
    return bytes((0x00, 0xA4, p1, p2, len(name))) + name


def is_selected(transmit: Transmit, apdu: bytes) -> bool:
    """Whether the card has what a SELECT asks for; also when that is locked, so that the lock is told, not hidden."""
    _, sw = _ask(transmit, apdu)
    return sw == Status.NO_FURTHER_QUALIFICATION or _REASONS.get(sw) is Reason.CARD_LOCKED


def demand(transmit: Transmit, apdu: bytes, what: str) -> bytes:
    """The data of a command that MUST work. Raises CardUnreadable: locked, damaged or not there."""
    data, sw = _ask(transmit, apdu)
    if sw != Status.NO_FURTHER_QUALIFICATION:
        raise refusal(what, sw)
    return data


def _ask(transmit: Transmit, apdu: bytes) -> tuple[bytes, int]:
    """As ``transmit``, but a SELECT that the card wants otherwise is asked once more.

    Generations of one card differ in whether they give a template (P2 = 00), can leave it out (P2 = 0C) or want to be
    told its length (Le).
    """
    data, sw = transmit(apdu)
    is_select = apdu[1] == 0xA4 and len(apdu) > 5
    if is_select and sw == Status.WRONG_LENGTH:
        return transmit(apdu + b"\x00")
    is_p2_unknown = sw in (Status.INCORRECT_PARAMETERS_P1_P2, Status.WRONG_PARAMETERS_P1_P2)
    if is_select and is_p2_unknown and apdu[3] in (0x00, 0x0C):
        return transmit(apdu[:3] + bytes((apdu[3] ^ 0x0C,)) + apdu[4:])
    return data, sw


def read_binary(offset: int, length: int) -> bytes:
    """READ BINARY of the current file; ``offset`` below 0x8000, ``length`` 1 to 256."""
    if not (0 <= offset < MOST_BYTES and 1 <= length <= 0x100):
        raise ValueError(f"READ BINARY can't address {length} bytes at {offset}")
    return bytes((0x00, 0xB0, offset >> 8, offset & 0xFF, length & 0xFF))


def read_binary_sfi(sfi: int, offset: int, length: int) -> bytes:
    """READ BINARY that makes the file with the short identifier ``sfi`` current; ``offset`` below 256."""
    if not (1 <= sfi <= 30 and 0 <= offset <= 0xFF and 1 <= length <= 0x100):
        raise ValueError(f"READ BINARY can't address {length} bytes at {offset} of the short file {sfi}")
    return bytes((0x00, 0xB0, 0x80 | sfi, offset, length & 0xFF))


def read_record(number: int, sfi: int, length: int = 0x100) -> bytes:
    """READ RECORD ``number`` (from 1) of the file with the short identifier ``sfi``."""
    return bytes((0x00, 0xB2, number, sfi << 3 | 0x04, length & 0xFF))


def unreadable(what: str, reason: Reason = Reason.CARD_UNREADABLE) -> CardUnreadable:
    """CardUnreadable as a kind of card raises it; the reader puts its own name in place of ``card``."""
    return CardUnreadable("card", reason, what)


def damaged(what: str) -> CardUnreadable:
    """The data contradict their own check digits or checksums."""
    return unreadable(what, Reason.CARD_DAMAGED)


def refusal(what: str, sw: int) -> CardUnreadable:
    """The CardUnreadable of a status word that is no success; ``what`` names the command."""
    return unreadable(f"{what} answered {status_text(sw)}", _REASONS.get(sw, Reason.CARD_UNREADABLE))


def _split(response: bytes) -> tuple[bytes, int]:
    if len(response) < 2:
        raise unreadable("the card gave an answer without a status word")
    return response[:-2], int.from_bytes(response[-2:], "big")


def _with_le(apdu: bytes, le: int) -> bytes:
    """The same command with another Le; only commands that have an Le can be corrected (cases 2 and 4, short)."""
    has_le = len(apdu) == 5 or (len(apdu) > 5 and len(apdu) == 6 + apdu[4])
    if not has_le:
        raise unreadable("the card corrects the length of a command that asked for no data")
    return apdu[:-1] + bytes((le,))


def handle_status(transmit_raw: TransmitRaw) -> Transmit:
    """``transmit_raw`` with 61xx (fetch the rest by GET RESPONSE) and 6Cxx (ask again with that Le) taken care of.

    Both come from T=0 and from readers that show T=0 through. What the returned function raises: whatever
    ``transmit_raw`` raises, and CardUnreadable when the card keeps on correcting or never stops sending.
    """

    def exchange(apdu: bytes) -> tuple[bytes, int]:
        data, sw = _split(transmit_raw(apdu))
        if sw >> 8 != SW1_WRONG_LE:
            return data, sw
        data, sw = _split(transmit_raw(_with_le(apdu, sw & 0xFF)))
        if sw >> 8 == SW1_WRONG_LE:
            raise unreadable("the card corrects the length it asked for itself")
        return data, sw

    def transmit(apdu: bytes) -> tuple[bytes, int]:
        data, sw = exchange(apdu)
        p2 = 0x00
        for _ in range(MOST_PARTS):
            if sw >> 8 != SW1_BYTES_AVAILABLE:
                return data, sw
            waiting = sw & 0xFF
            more, sw = exchange(bytes((apdu[0] & 0x03, 0xC0, 0x00, p2, waiting)))
            if not more and p2 == 0x00 and sw in (Status.INCORRECT_PARAMETERS_P1_P2, Status.WRONG_PARAMETERS_P1_P2):
                # The first Thai identity cards (ATR 3B67...) want P2 = 01.
                p2, sw = 0x01, SW1_BYTES_AVAILABLE << 8 | waiting
            elif not more:
                break
            data += more
        raise unreadable("the card announces data without end")

    return transmit


def read_file(transmit: Transmit, sfi: int, size: int, offset: int = 0) -> bytes:
    """Up to ``size`` bytes from ``offset`` of a transparent file; fewer when the file ends before.

    The first command names the file; only above 255, where the offset leaves no room for that, it MUST be the one
    that was read last.
    6282 comes with the last bytes of the file, 6B00 says that the offset is already past its end: both mean
    "that was all". Raises CardUnreadable on any other status.
    """
    return _read(transmit, f"file {sfi:02X}", size, offset, sfi)


def read_selected(transmit: Transmit, what: str, size: int, offset: int = 0) -> bytes:
    """As ``read_file``, of the file that was selected; ``what`` names it in errors."""
    return _read(transmit, what, size, offset, None)


def _read(transmit: Transmit, what: str, size: int, offset: int, sfi: int | None) -> bytes:
    content, chunk, crumbs = b"", CHUNK, 0
    while len(content) < size:
        position, wanted = offset + len(content), min(chunk, size - len(content))
        if position >= MOST_BYTES:
            break
        is_named = sfi is not None and not content and position <= 0xFF
        apdu = read_binary_sfi(sfi or 0, position, wanted) if is_named else read_binary(position, wanted)
        data, sw = transmit(apdu)
        if sw == Status.WRONG_PARAMETERS_P1_P2:
            break
        if sw == Status.WRONG_LENGTH and wanted > SMALLEST_CHUNK:
            chunk = max(SMALLEST_CHUNK, wanted // 2)
            continue
        if sw not in (Status.NO_FURTHER_QUALIFICATION, Status.END_OF_FILE_REACHED_BEFORE_READING_NE_BYTES):
            raise refusal(f"READ BINARY of {what}", sw)
        if len(data) > wanted:
            raise unreadable(f"READ BINARY of {what} gave {len(data)} bytes, asked for {wanted}")
        content += data
        crumbs += len(data) < min(wanted, SMALLEST_CHUNK)
        if crumbs > MOST_CRUMBS:
            raise unreadable(f"READ BINARY of {what} gives next to nothing each time")
        if not data or sw == Status.END_OF_FILE_REACHED_BEFORE_READING_NE_BYTES:
            break
    return content

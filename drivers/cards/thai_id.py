"""The Thai national identity card, open without a PIN: its citizen number is also the key to health care.

Commands and layout are from public readers; never tried on a real card. One file is read by a command of its own
(80 B0, offset, then 00 and the length). Text is TIS-620; names are parted by "#": prefix, given, middle, family,
once in Thai and once in Latin letters. Years are of the Buddhist era (543 ahead); month and day of birth may be 00,
and 99999999 means that the card never ends. 29 February is turned into a year of our era before it is looked up.
"""

from __future__ import annotations

import re
from datetime import date
from typing import ClassVar

from drivers.cards import fields
from drivers.cards.iso7816 import demand, is_selected, select, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex
from kioskd.ports import Transmit

CITIZEN_SYSTEM = "https://terms.sil-th.org/id/th-cid"
"""Citizen number, as TH Core names it."""

AID = bytes.fromhex("A000000054480001")
CHUNK = 100
BUDDHIST_ERA = 543

CITIZEN_NUMBER, THAI_NAME, LATIN_NAME = (0x0004, 13), (0x0011, 100), (0x0075, 100)
BIRTH_DATE_AND_SEX, ISSUE_AND_EXPIRY = (0x00D9, 9), (0x0167, 16)


class ThaiId:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "thai-id"
    suffices_for_billing: ClassVar[bool] = False
    """Who pays is asked of the NHSO, online and with the card in the NHSO's own reader software."""

    def is_present(self, transmit: Transmit) -> bool:
        return is_selected(transmit, select(AID, 0x00))

    def read_id(self, transmit: Transmit) -> bytes:
        """The citizen number and the days of issue and expiry."""
        _select(transmit)
        return _read(transmit, *CITIZEN_NUMBER) + _read(transmit, *ISSUE_AND_EXPIRY)

    def read(self, transmit: Transmit) -> Card:
        _select(transmit)
        number = fields.digits(_read(transmit, *CITIZEN_NUMBER), 13, "the citizen number")
        fields.checked(is_citizen_number(number), "the citizen number")
        spellings = [_name(_read(transmit, *place)) for place in (THAI_NAME, LATIN_NAME)]
        spellings = [spelling for spelling in spellings if all(spelling)]
        if not spellings:
            raise unreadable("given name or family name is empty")
        birth = fields.ascii_text(_read(transmit, *BIRTH_DATE_AND_SEX), "birth date and sex")
        birth_date, partial = fields.born(*_buddhist(birth[:8], "the birth date"))
        return Card(
            kind=self.name,
            identifier=Identifier(CITIZEN_SYSTEM, number),
            family=spellings[0][0],
            given=spellings[0][1],
            birth_date=birth_date,
            sex={"1": Sex.MALE, "2": Sex.FEMALE}.get(birth[8:], Sex.UNKNOWN),
            partial_birth_date=partial,
            other_spellings=tuple(spellings[1:]),
            valid_until=_last_day(fields.ascii_text(_read(transmit, *ISSUE_AND_EXPIRY), "issue and expiry")[8:]),
            suffices_for_billing=self.suffices_for_billing,
        )


def _select(transmit: Transmit) -> None:
    demand(transmit, select(AID, 0x00), "SELECT of the identity card")


def _read(transmit: Transmit, offset: int, length: int) -> bytes:
    """``length`` bytes from ``offset``, at most ``CHUNK`` of them. Raises CardUnreadable when there are fewer."""
    command = bytes((0x80, 0xB0, offset >> 8, offset & 0xFF, 0x02, 0x00, length))
    data = demand(transmit, command, f"reading {length} bytes at {offset}")
    if len(data) != length:
        raise unreadable(f"the card gave {len(data)} bytes at {offset}, asked for {length}")
    return data


def _name(raw: bytes) -> tuple[str, str]:
    """Family and given name of "prefix#given#middle#family"; a middle name counts as given."""
    # Some cards pad with spaces and end with an ASCII letter or two behind them; the parts are what counts.
    parts = [" ".join(part.split()) for part in fields.text(raw, "cp874", "a name").split("#")]
    if len(parts) != 4:
        return "", ""
    return parts[3], " ".join(part for part in parts[1:3] if part)


def _buddhist(compact: str, what: str) -> tuple[int, int, int]:
    year, month, day = fields.ymd(compact, what)
    if 0 < year <= BUDDHIST_ERA:
        raise unreadable(f"{what} is before our era")
    return year - BUDDHIST_ERA if year else 0, month, day


def _last_day(compact: str) -> date | None:
    if compact in ("99999999", ""):
        return None
    return fields.whole(*_buddhist(compact, "the last day"), "the last day")


def citizen_check_digit(first_12_digits: str) -> int:
    """The last digit: weights 13 to 2, 11 less the sum modulo 11, its last digit."""
    return (11 - sum((13 - place) * int(digit) for place, digit in enumerate(first_12_digits)) % 11) % 10


def is_citizen_number(number: str) -> bool:
    """Whether it is thirteen digits of which the last one checks the others."""
    return re.fullmatch(r"[0-9]{13}", number) is not None and citizen_check_digit(number[:12]) == int(number[12])

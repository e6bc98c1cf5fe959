"""Estonian identity cards (``drivers.cards.estonian_id``). The ATR is a real one."""

from __future__ import annotations

from datetime import date

from drivers.cards import estonian_id as eid
from drivers.cards.image import Application, CardFile, CardImage
from drivers.cards.samples import Sample
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex

ATR = bytes.fromhex("3BDB960080B1FE451F830012233F536549440F9000F1")


def estonian_image(fields: dict[int, str]) -> CardImage:
    """The image of a card; a field is a file of its own, 15 in all."""
    files = tuple(CardFile(0x5000 + n, n, fields.get(n, "").encode() or b"\0") for n in range(1, 16))
    return CardImage(ATR, (Application(fid=0x3F00), Application(files=files, fid=0x5000)))


def personal_code(first_10_digits: str) -> str:
    return f"{first_10_digits}{eid.personal_code_check_digit(first_10_digits)}"


_CODE = personal_code("6150823001")

SAMPLES = (
    Sample(
        "estonian-liis-poldma", "Estonia: Liis Põldmaa", "An Estonian identity card, of a child.",
        estonian_image(
            {
                eid.SURNAME: "PÕLDMAA", eid.GIVEN: "LIIS", eid.SEX: "F", 4: "EST", eid.BIRTH: "23 08 2015 EST",
                eid.CODE: _CODE, eid.DOCUMENT: "AS0000011", eid.EXPIRY: "31 12 2099", 9: "01 01 2024",
            }
        ),
        Card(
            "estonian-id", Identifier(eid.PERSONAL_CODE_SYSTEM, _CODE), "PÕLDMAA", "LIIS", date(2015, 8, 23),
            Sex.FEMALE, valid_until=date(2099, 12, 31), suffices_for_billing=True,
        ),
    ),
)  # fmt: skip

"""A wristband comes out at the kiosk only where the site has its printer there, and only for who came with a card."""

from __future__ import annotations

from uuid import uuid4

import pytest

from kioskd.core.printing import SheetKind
from kioskd.ports import CheckInRequest
from kioskd.station.checkins import CheckIns
from kioskd.station.job_maker import JobMaker
from kioskd.station.printers import TICKETS, WRISTBANDS, Printer, Printers
from tests.people import NOW, appointment, patient
from tests.station.conftest import SITE, Front


@pytest.mark.parametrize(
    ("card_kind", "is_staff_side", "prints"), [("egk", False, True), ("", False, False), ("egk", True, False)]
)
async def test_a_band_is_made_at_the_kiosk_after_a_card_match_only(
    front: Front, card_kind: str, is_staff_side: bool, prints: bool
) -> None:
    printers = Printers(
        Printer("tickets", TICKETS, front.tickets), Printer("bands", WRISTBANDS, front.bands, is_staff_side)
    )
    maker = JobMaker(SITE, printers, lambda _, english: english)
    checkins = CheckIns(front.station, front.wire, maker, front.clock)
    request = CheckInRequest(uuid4(), "entrance", NOW, patient(), appointment(), card_kind, "de")
    reply, added = await checkins.check_in(request)
    assert reply.band_number == 1, "the hub has a number for it in any case"
    expected = {SheetKind.TICKET, SheetKind.WRISTBAND} if prints else {SheetKind.TICKET}
    assert {job.key.kind for job in added} == expected

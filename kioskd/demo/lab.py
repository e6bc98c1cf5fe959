"""The lab page of a running demo: hands for its rig, and accounts for the people at its desks."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from drivers.cards.samples import one_of_each_kind
from drivers.cards.synthetic import SAMPLE_CARDS
from kioskd.demo.desks import Desks
from kioskd.demo.rig import Rig
from kioskd.ports import FrontDesk, SampleCard, SimulatedPrinter
from kioskd.staff import Role
from kioskd.web.lab import LabAccount, LabPage, LabSettings
from kioskd.web.server import serve

HOST = "127.0.0.1"
_ACCOUNTS = {
    Role.RECEPTIONIST: "console",
    Role.CLINICIAN: "console",
    Role.SECRETARY: "records",
    Role.ADMIN: "console",
}


class DeskHands:
    """Implements ``ports.FrontDeskSimulator`` on a rig. Every method raises DeviceUnavailable or StartRefused."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def cards(self) -> Sequence[SampleCard]:
        return (*SAMPLE_CARDS, *(SampleCard(card.id, card.title, card.note) for card in one_of_each_kind()))

    async def desk(self) -> FrontDesk:
        state = await self._rig.hardware("desk")
        printers = tuple(SimulatedPrinter(**printer) for printer in state["printers"])
        return FrontDesk(state["card"], printers, self._rig.broker.is_running)

    async def insert_card(self, card_id: str) -> None:
        await self._rig.hardware("insert", card=card_id)

    async def remove_card(self) -> None:
        await self._rig.hardware("remove")

    async def scan(self, text: str) -> None:
        await self._rig.hardware("scan", text=text)

    async def show_image(self, picture: bytes) -> int:
        return int(await self._rig.hardware("show", picture=base64.b64encode(picture).decode("ascii")))

    async def set_paper(self, printer: str, has_paper: bool) -> None:
        await self._rig.hardware("paper", printer=printer, has_paper=has_paper)

    async def set_lid(self, printer: str, is_open: bool) -> None:
        await self._rig.hardware("lid", printer=printer, is_open=is_open)

    async def tear_off(self, printer: str) -> None:
        await self._rig.hardware("tear-off", printer=printer)

    async def sheet_png(self, printer: str, number: int) -> bytes:
        return await self._rig.picture(printer, number)

    async def set_broker(self, is_up: bool) -> None:
        if is_up:
            await self._rig.broker.start()
        else:
            await self._rig.broker.stop()


@dataclass(frozen=True, slots=True)
class Lab:
    """The lab page of a demo, and who may sign in at its desks."""

    url: str
    accounts: tuple[LabAccount, ...]


@asynccontextmanager
async def lab(rig: Rig, desks: Desks) -> AsyncIterator[Lab]:
    """Serve the lab page from entering to leaving. Raises StartRefused."""
    accounts = tuple(
        [LabAccount(role.value, await desks.password(role.value, role, page), page) for role, page in _ACCOUNTS.items()]
    )
    url = desks.urls
    settings = LabSettings(url["kiosk"], url["console"], url["display"], url["records"], accounts, desks.is_split)
    page = LabPage(DeskHands(rig), desks.news, desks.pages, settings)
    async with serve(page.app, HOST, rig.ports["lab"]) as address, page.watching():
        yield Lab(address.url, accounts)

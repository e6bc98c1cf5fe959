"""A front desk written by hand: it does what a test asks, notes it, and can refuse."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

from PIL import Image

from kioskd.errors import DeviceUnavailable
from kioskd.ports import FrontDesk, SampleCard, SimulatedPrinter

CARDS = (
    SampleCard("anna-huber", "Anna Huber", "An ordinary patient with an appointment today."),
    SampleCard("leyla-demir", "Leyla Demir", "In the records, with no appointment today."),
    SampleCard("hostile", '<script>alert("1")</script>', "\"><img src=x onerror=alert(2)> & 'quotes'"),
)


class ToyDesk:
    """Implements ``kioskd.ports.FrontDeskSimulator``."""

    def __init__(self, cards: Sequence[SampleCard] = CARDS) -> None:
        self._cards = cards
        self.state = FrontDesk(
            "",
            (
                SimulatedPrinter("tickets", "ticket-printer", True, False, 0, False),
                SimulatedPrinter("wristbands", "wristband-printer", True, False, 0, False),
            ),
            True,
        )
        self.done: list[str] = []
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.refusal = ""
        self.codes_in_pictures = 1

    def change(self, name: str, **values: object) -> None:
        """Something happens to a printer."""
        printers = tuple(replace(p, **values) if p.name == name else p for p in self.state.printers)  # type: ignore[arg-type]
        self.state = replace(self.state, printers=printers)

    def _do(self, what: str) -> None:
        if self.refusal:
            raise DeviceUnavailable("simulators", self.refusal)
        self.done.append(what)
        self.heard.put_nowait(what)

    def cards(self) -> Sequence[SampleCard]:
        return self._cards

    async def desk(self) -> FrontDesk:
        return self.state

    async def insert_card(self, card_id: str) -> None:
        self._do(f"insert {card_id}")
        self.state = replace(self.state, card_in_reader=card_id)

    async def remove_card(self) -> None:
        self._do("remove")
        self.state = replace(self.state, card_in_reader="")

    async def scan(self, text: str) -> None:
        self._do(f"scan {text}")

    async def show_image(self, picture: bytes) -> int:
        self._do(f"show {len(picture)} bytes")
        return self.codes_in_pictures

    async def set_paper(self, printer: str, has_paper: bool) -> None:
        self._do(f"paper {printer} {has_paper}")
        self.change(printer, has_paper=has_paper)

    async def set_lid(self, printer: str, is_open: bool) -> None:
        self._do(f"lid {printer} {is_open}")
        self.change(printer, is_lid_open=is_open)

    async def tear_off(self, printer: str) -> None:
        self._do(f"tear off {printer}")

    async def sheet_png(self, printer: str, number: int) -> bytes:
        picture = BytesIO()
        Image.new("L", (600, 560) if printer == "tickets" else (1600, 160), 240).save(picture, "PNG")
        return picture.getvalue()

    async def set_broker(self, is_up: bool) -> None:
        self._do(f"broker {is_up}")
        self.state = replace(self.state, is_broker_up=is_up)

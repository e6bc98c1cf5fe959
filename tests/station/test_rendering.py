"""Drawn letters take a driver its time: whoever makes a sheet, the screens and the hub are served meanwhile."""

from __future__ import annotations

import asyncio
import threading
from asyncio import FIRST_COMPLETED
from collections.abc import Callable, Coroutine

import pytest

from kioskd.core.printing import JobKey, SheetKind
from kioskd.ports import SelfTestSheet, TicketSheet, WristbandSheet
from kioskd.station.content import ticket_content
from kioskd.station.printers import TICKETS, Printer, Printers
from tests.fakes import PaperPrinter
from tests.people import NOW
from tests.station.conftest import WITHIN_S, Front
from tests.station.test_asked_for_ticket import asked
from tests.station.test_orders import OrderHub, Station, self_test, ticket_order

Made = Callable[[Front, Printers], Coroutine[None, None, None]]


class DrawingPrinter(PaperPrinter):
    """One that renders only once the event loop has been seen at work while it renders."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.may_end = threading.Event()
        self.rendered: list[bool] = []
        self.most_at_once = self._at_once = 0

    def _draw(self) -> None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self._loop.call_soon_threadsafe(self.begun.set)
        self.rendered.append(self.may_end.wait(WITHIN_S))
        self._at_once -= 1

    def render(self, sheet: TicketSheet | WristbandSheet) -> bytes:
        self._draw()
        return super().render(sheet)

    def render_self_test(self, sheet: SelfTestSheet) -> bytes:
        self._draw()
        return super().render_self_test(sheet)


async def _ordered(front: Front, printers: Printers) -> None:
    await Station(front, OrderHub(ticket_order(device="drawn")), printers).orders.take()


async def _self_tested(front: Front, printers: Printers) -> None:
    await Station(front, OrderHub(self_test("drawn")), printers).orders.take()


async def _checked_in(front: Front, printers: Printers) -> None:
    front.maker.printers = printers
    await front.checked_in()


async def _rerouted(front: Front, printers: Printers) -> None:
    order = ticket_order()
    assert order.ticket is not None
    drawn, key = printers.named("drawn"), JobKey(order.check_in_id, SheetKind.TICKET)
    assert drawn is not None
    first = Printer("tickets", TICKETS, front.tickets)
    job = await front.maker.job(key, ticket_content(order.ticket, "de"), first, NOW)
    assert await front.maker.payload_for(job, drawn, NOW) == job.payload


async def _copied(front: Front, printers: Printers) -> None:
    """The patient says that no ticket came out."""
    async with front.printing("tickets"):
        await asked(front)
        front.maker.printers = printers
        await front.kiosk.ticket_missing(front.session_id)


@pytest.mark.parametrize("make", [_checked_in, _ordered, _self_tested, _rerouted, _copied])
async def test_the_event_loop_goes_on_while_a_sheet_is_rendered(front: Front, make: Made) -> None:
    printer = DrawingPrinter()
    making = asyncio.create_task(make(front, Printers(Printer("drawn", TICKETS, printer))))
    async with asyncio.timeout(2 * WITHIN_S):
        await asyncio.wait([making, begun := asyncio.create_task(printer.begun.wait())], return_when=FIRST_COMPLETED)
        assert begun.done(), "it was not asked to render"
        assert not making.done()
        printer.may_end.set()
        await making
    assert printer.rendered == [True], "the event loop stood still"


async def test_two_sheets_are_not_rendered_by_a_driver_at_once(front: Front) -> None:
    printer = DrawingPrinter()
    drawn = Printer("drawn", TICKETS, printer)
    orders = [ticket_order(), ticket_order()]
    keys = [JobKey(order.check_in_id, SheetKind.TICKET) for order in orders]
    contents = [ticket_content(order.ticket, "de") for order in orders if order.ticket]
    making = [
        asyncio.create_task(front.maker.job(key, content, drawn, NOW))
        for key, content in zip(keys, contents, strict=True)
    ]
    async with asyncio.timeout(2 * WITHIN_S):
        await printer.begun.wait()
        printer.may_end.set()
        made = await asyncio.gather(*making)
    assert [(job.key, job.payload) for job in made] == [(key, b"Your number|A7") for key in keys]
    assert printer.most_at_once == 1

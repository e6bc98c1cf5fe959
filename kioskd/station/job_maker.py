"""Makes print jobs: what a sheet says, rendered for the printer that is to print it.

A sheet whose letters are drawn takes a printer's driver 0.1 s and more: it is rendered on a thread, so that the screens
and the hub are served meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from kioskd.config import SiteConfig
from kioskd.core import printing
from kioskd.core.printing import Cause, JobKey, PrintJob, SheetKind
from kioskd.errors import NotPrinted
from kioskd.ports import LabelSheet, SelfTesting, TicketSheet, WristbandSheet
from kioskd.station import bands, self_tests, sheets
from kioskd.station.content import Content, from_json, to_json
from kioskd.station.printers import Printer, Printers
from kioskd.station.self_tests import Told
from kioskd.station.sheets import Translate
from kioskd.station.templates import STANDARD, TicketForm

Sheet = TicketSheet | WristbandSheet | LabelSheet


class JobMaker:
    """Jobs of one station. ``told`` has what a printer last said of itself, by name; for self-tests."""

    def __init__(
        self,
        site: SiteConfig,
        printers: Printers,
        translate: Translate,
        form: TicketForm = STANDARD,
        told: Callable[[str], Told] = lambda name: Told(),
    ) -> None:
        self._site = site
        self.printers = printers
        self._translate = translate
        self._form = form
        self._told = told
        self._rendering = threading.Lock()  # drivers render one sheet at a time

    async def job(
        self, key: JobKey, content: Content, printer: Printer | None, now: datetime, order_id: UUID | None = None
    ) -> PrintJob:
        """A rendered job; one that can't be printed at all is over at once, with its cause for the desk."""
        return await asyncio.to_thread(self.job_here, key, content, printer, now, order_id)

    def job_here(
        self, key: JobKey, content: Content, printer: Printer | None, now: datetime, order_id: UUID | None = None
    ) -> PrintJob:
        """The same on this thread: for transactions, which are on a thread already."""
        if printer is None:
            none = PrintJob(key, "", b"", now, order_id=order_id)
            return printing.expire(none, Cause.NO_DEVICE, now)
        job = PrintJob(key, printer.name, b"", now, order_id=order_id)
        try:
            payload = self._payload(content, printer, now)
        except NotPrinted as error:
            return printing.expire(job, Cause(error.cause), now)
        return PrintJob(key, printer.name, payload, now, order_id=order_id, content=to_json(content))

    async def payload_for(self, job: PrintJob, printer: Printer, now: datetime) -> bytes | None:
        """A job's sheet rendered anew for another printer, or None when it can't be."""
        if not job.content:
            return None
        try:
            return await asyncio.to_thread(self._payload, from_json(job.content), printer, now)
        except (NotPrinted, ValueError):
            return None

    def _payload(self, content: Content, printer: Printer, now: datetime) -> bytes:
        """Raises NotPrinted."""
        if content.kind is SheetKind.TEST:
            return self._self_test(content, printer, now)
        sheet = self._sheet(content)
        if sheet is None:
            raise NotPrinted(printer.name, Cause.CONTENT_REFUSED, "two identifiers of the person are not known")
        with self._rendering:
            # A printer is chosen by the kind of its sheets.
            return printer.device.render(sheet)  # type: ignore[arg-type]

    def _self_test(self, content: Content, printer: Printer, now: datetime) -> bytes:
        if not isinstance(printer.device, SelfTesting):
            raise NotPrinted(printer.name, Cause.CONTENT_REFUSED, "its driver has no self-test")
        told, zone = self._told(printer.name), self._site.zone
        sheet = self_tests.self_test_sheet(printer, told, now, zone, content.language, self._translate)
        with self._rendering:
            return printer.device.render_self_test(sheet)

    def _sheet(self, content: Content) -> Sheet | None:
        site, words = self._site, (content.language, self._site.name, self._site.zone, self._translate, self._form)
        if content.check_in is not None:
            return sheets.ticket_sheet(content.check_in, *words, is_copy=content.is_copy)
        if content.help_ticket is not None:
            return sheets.help_sheet(content.help_ticket, *words, is_copy=content.is_copy)
        style = bands.sheet_style(site.languages[0], self._translate, site.record_number_groups)
        if content.band_number is not None:
            return self._band(content, content.band_number, style)
        if content.patient is None or content.made_at is None:
            return None
        made_at = content.made_at.astimezone(site.zone)
        return bands.label_sheet(content.kind, content.patient, made_at, content.title, content.code, style)

    def _band(self, content: Content, number: int, style: bands.SheetStyle) -> WristbandSheet | None:
        prefix, zone = self._site.gs1_company_prefix, self._site.zone
        if content.unnamed is not None:
            person = bands.on_the_clock_of(zone, content.unnamed)
            return bands.unnamed_sheet(person, content.record_number, number, prefix, style)
        if content.patient is None:
            return None
        return bands.wristband_sheet(content.patient, number, prefix, style, content.is_name_similar)

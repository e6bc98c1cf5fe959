"""What makes the print jobs of a station whose printers stand beside its screen; texts stay English."""

from __future__ import annotations

from kioskd.config import SiteConfig
from kioskd.ports import TicketPrinter, WristbandPrinter
from kioskd.station.job_maker import JobMaker
from kioskd.station.printers import TICKETS, WRISTBANDS, Printer, Printers


def job_maker(
    site: SiteConfig, tickets: TicketPrinter | None = None, bands: WristbandPrinter | None = None
) -> JobMaker:
    """``tickets`` and ``bands`` are also the printers' names."""
    printers = []
    if tickets is not None:
        printers.append(Printer("tickets", TICKETS, tickets))
    if bands is not None:
        printers.append(Printer("bands", WRISTBANDS, bands))
    return JobMaker(site, Printers(*printers), lambda _, english: english)

"""What the doctor says of printers, asked of the simulated ones in every fault; nothing is ever printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from drivers.escpos import EscposConfig
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import Quirks, VirtualTicketPrinter
from drivers.zpl import ZplConfig, ZplDriver
from drivers.zpl.virtual import Fault, VirtualWristbandPrinter, Warn
from kioskd.clock import MACHINE, DeviceClock
from kioskd.commands.finding import Finding, Verdict
from kioskd.commands.printer_doctor import examine_printer, in_daemons_hands
from kioskd.core.paper import Left
from kioskd.core.printing import Cause, PrinterNote, ProofKind
from kioskd.hub.view import DeviceRow, NoteRow, PaperRow
from tests.people import NOW

TICKETS = "device tickets (EPSON TM-T20III)"


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.verdict, finding.what) for finding in findings]


def ask_tickets(port: int, clock: DeviceClock = MACHINE) -> list[Finding]:
    return examine_printer("tickets", EscposPrinter("tickets", EscposConfig(port=f"tcp://127.0.0.1:{port}"), clock))


def ask_bands(port: int, **keys: Any) -> list[Finding]:
    config = ZplConfig(port=f"tcp://127.0.0.1:{port}", **keys)
    return examine_printer("bands", ZplDriver().create("bands", config))


@contextmanager
def ticket_printer(**options: Any) -> Iterator[VirtualTicketPrinter]:
    with VirtualTicketPrinter(mechanical=False, **options) as printer:
        yield printer
        assert (printer.sheets, printer.scraps) == ([], 0), "the doctor prints nothing"


@contextmanager
def band_printer(**options: Any) -> Iterator[VirtualWristbandPrinter]:
    with VirtualWristbandPrinter(mechanical=False, **options) as printer:
        yield printer
        assert printer.sheets == (), "the doctor prints nothing"


def test_a_ticket_printer_that_is_well_says_what_it_is_and_confirms() -> None:
    with ticket_printer() as printer:
        assert said(ask_tickets(printer.port)) == [
            ("OK", f"{TICKETS} is ready"),
            ("OK", "device tickets confirms each sheet once it is printed; proof of print: completion"),
        ]


def test_a_wristband_printer_that_is_well_counts() -> None:
    with band_printer(odometer=14211) as printer:
        findings = said(ask_bands(printer.port))
    assert findings[0][0] == "OK"
    assert re.fullmatch(r"device bands \(ZD510-300dpi V\S+\) is ready", findings[0][1])
    assert findings[1] == (
        "OK",
        "device bands counts its sheets: one is confirmed when the count has risen; proof of print: odometer",
    )
    assert findings[2:] == [("OK", "device bands has printed 14211 sheets in its life")]


TICKET_FAULTS: dict[str, tuple[Callable[[VirtualTicketPrinter], None], str, str]] = {
    "paper out": (lambda p: p.set_paper(False), "its paper is out", "put in a new roll"),
    "cover open": (lambda p: p.set_lid(True), "its cover is open", "close it until it clicks"),
    "cutter": (lambda p: p.set_cutter_jammed(True), "its cutter is stuck", "take out the paper"),
    "head hot": (lambda p: p.set_head_hot(True), "its print head is too hot", "wait a few minutes"),
    "broken": (lambda p: p.set_broken(True), "it reports a fault", "switch it off and on"),
}


@pytest.mark.parametrize("name", TICKET_FAULTS)
def test_what_a_ticket_printer_needs_is_said_with_what_to_do(name: str) -> None:
    break_it, what, do = TICKET_FAULTS[name]
    with ticket_printer() as printer:
        break_it(printer)
        finding = ask_tickets(printer.port)[0]
    assert finding.verdict is Verdict.ATTENTION
    assert finding.what.endswith(f"is reached and not ready: {what}")
    assert do in finding.do


BAND_FAULTS: dict[str, tuple[Callable[[VirtualWristbandPrinter], None], str]] = {
    "media out": (lambda p: p.set_paper(False), "its paper is out"),
    "head open": (lambda p: p.set_lid(True), "its cover is open"),
    "ribbon out": (lambda p: p.set_fault(Fault.RIBBON_OUT), "its ribbon is out"),
    "head hot": (lambda p: p.set_fault(Fault.HEAD_HOT), "its print head is too hot"),
    "head broken": (lambda p: p.set_fault(Fault.HEAD_BROKEN), "it reports a fault"),
    "paused": (lambda p: p.set_paused(True), "it is paused"),
}


@pytest.mark.parametrize("name", BAND_FAULTS)
def test_what_a_wristband_printer_needs_is_said(name: str) -> None:
    break_it, what = BAND_FAULTS[name]
    with band_printer() as printer:
        break_it(printer)
        finding = ask_bands(printer.port)[0]
    assert finding.verdict is Verdict.ATTENTION
    assert finding.what.endswith(f"is reached and not ready: {what}")
    assert finding.do


@pytest.mark.parametrize(
    ("quirks", "verdict", "words"),
    [
        (Quirks(has_process_id=False), "attention", "only says that it processed the data, not that paper came out"),
        (
            Quirks(has_process_id=False, has_fence=False),
            "attention",
            "can't confirm anything: staff must look whether a sheet came out",
        ),
    ],
    ids=["fence", "nothing"],
)
def test_what_a_clones_word_is_worth_is_said(quirks: Quirks, verdict: str, words: str) -> None:
    clock = DeviceClock(10)
    with ticket_printer(quirks=quirks, clock=clock) as printer:
        findings = ask_tickets(printer.port, clock)
    assert (findings[1].verdict, words in findings[1].what) == (verdict, True), findings


def test_what_will_be_needed_soon_is_said_beside_that_it_is_ready() -> None:
    with ticket_printer() as printer:
        printer.set_near_end(True)
        findings = said(ask_tickets(printer.port))
    assert findings[0] == ("OK", f"{TICKETS} is ready")
    assert findings[-1] == ("attention", "device tickets: its paper is low")
    with band_printer() as bands:
        bands.set_warning(Warn.MEDIA_LOW | Warn.REPLACE_HEAD)
        findings = said(ask_bands(bands.port))
    assert findings[-2:] == [
        ("attention", "device bands: its paper is low"),
        ("attention", "device bands: its print head is worn"),
    ]


def test_a_print_head_of_another_resolution_is_said_with_what_to_set() -> None:
    with band_printer(dpi=203) as printer:
        (finding,) = ask_bands(printer.port)
    assert finding.verdict is Verdict.BROKEN
    assert "the site file says dpi = 300, the printer" in finding.what
    assert finding.what.endswith("set dpi = 203")
    assert finding.do == ""


def test_a_printer_that_another_host_holds_is_said_to_be_held() -> None:
    with ticket_printer() as printer:
        printer.set_turns_away(True)
        holder = EscposPrinter("holder", EscposConfig(port=f"tcp://127.0.0.1:{printer.port}"))
        holder.open()
        try:
            (finding,) = ask_tickets(printer.port)
        finally:
            holder.close()
    assert finding.verdict is Verdict.BROKEN
    assert "device tickets can't be used:" in finding.what
    assert "another" in finding.what


def test_a_printer_that_is_not_there_is_broken_with_where_it_was_looked_for() -> None:
    with ticket_printer() as printer:
        port = printer.port
    (finding,) = ask_tickets(port)
    assert finding.verdict is Verdict.BROKEN
    assert f"127.0.0.1:{port}" in finding.what
    assert finding.do == "look at its plug, power and address"


# --- of printers that a daemon has ---


def row(**changes: Any) -> DeviceRow:
    facts: dict[str, Any] = {"model": "EPSON TM-T20III", "proof": ProofKind.COMPLETION, "paper": PaperRow()}
    return DeviceRow("entrance", "tickets", "ticket-printer", *_state(changes), NOW, **(facts | changes))


def _state(changes: dict[str, Any]) -> tuple[str, str]:
    return changes.pop("state", "ready"), changes.pop("what", "")


def test_of_a_printer_that_a_daemon_has_what_it_told_the_hub_is_said() -> None:
    hands = "device tickets is in the daemon's hands"
    assert said(list(in_daemons_hands("tickets", None))) == [("OK", f"{hands}; the console says how it is")]
    assert said(list(in_daemons_hands("tickets", row())))[0] == ("OK", f"{hands} and ready (EPSON TM-T20III)")
    low = row(notes=(NoteRow(PrinterNote.PAPER_LOW, NOW),), paper=PaperRow(600, NOW, Left(8, 21), is_running_out=True))
    assert said(list(in_daemons_hands("tickets", low)))[2:] == [
        ("attention", "device tickets has 5 to 25 sheets left on its roll"),
        ("attention", "device tickets: its paper is low"),
    ]
    out = row(state="needs-attention", what=Cause.PAPER_OUT)
    first = next(in_daemons_hands("tickets", out))
    assert first == Finding(
        Verdict.ATTENTION,
        f"{hands} and needs attention (EPSON TM-T20III): its paper is out",
        "put in a new roll and close the cover",
    )
    away = next(in_daemons_hands("tickets", row(state="unavailable", what="no connection to 10.0.0.30:9100")))
    assert away.what.endswith("and unavailable (EPSON TM-T20III): no connection to 10.0.0.30:9100")

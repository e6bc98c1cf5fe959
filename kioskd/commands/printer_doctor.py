"""What ``kioskd doctor FILE`` says of printers: reached, ready, what it is, what it can prove, what it will need.

A printer is opened, asked and closed again. Nothing is printed, and one that a daemon has is not opened: of it the
doctor says what its station told the hub last.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from kioskd.commands.finding import Finding, attention, broken, ok
from kioskd.config import Config
from kioskd.core.printing import Cause, PrinterNote, ProofKind
from kioskd.errors import DeviceError, KioskdError
from kioskd.hub import devices
from kioskd.hub.tables import SCHEMA
from kioskd.hub.view import DeviceRow
from kioskd.ports import PrinterStatus
from kioskd.store.migrate import revision_of
from kioskd.store.reading import reading

BUSY_WITHIN_S = 8.0
BUSY_PAUSE_S = 0.2
LOOK = "look at its plug, power and address"

_CAUSES: dict[str, tuple[str, str]] = {
    Cause.PAPER_OUT: ("its paper is out", "put in a new roll and close the cover"),
    Cause.COVER_OPEN: ("its cover is open", "close it until it clicks"),
    Cause.OFFLINE: ("it is switched offline", "press its feed button once, or switch it off and on"),
    Cause.CUTTER_ERROR: ("its cutter is stuck", "switch it off, take out the paper that is stuck, switch it on"),
    Cause.HEAD_HOT: ("its print head is too hot", "wait a few minutes, and give it air"),
    Cause.RIBBON_OUT: ("its ribbon is out", "put in a new one"),
    Cause.PAUSED: ("it is paused", "press its pause button once"),
    Cause.BUSY: ("it is busy with something else", "see who else prints to it: only one computer can"),
    Cause.BUFFER_FULL: ("its memory is full", "wait a minute, or switch it off and on"),
    Cause.NO_ANSWER: (
        "it does not answer",
        "see that cover and paper are right (some say nothing otherwise), and that no other computer holds it",
    ),
}
_FAULT = ("it reports a fault", "switch it off and on; if the fault comes back, its lamps say which it is")

_PROOFS = {
    ProofKind.COMPLETION: "confirms each sheet once it is printed",
    ProofKind.ODOMETER: "counts its sheets: one is confirmed when the count has risen",
    ProofKind.FENCE: "only says that it processed the data, not that paper came out",
}
_PROVES_NOTHING = "can't confirm anything: staff must look whether a sheet came out"

_NOTES = {
    PrinterNote.PAPER_LOW: ("its paper is low", "put in a new roll soon"),
    PrinterNote.RIBBON_LOW: ("its ribbon is low", "put in a new one soon"),
    PrinterNote.HEAD_DIRTY: ("its print head needs cleaning", "clean it as its manual says"),
    PrinterNote.HEAD_WORN: ("its print head is worn", "order a new one"),
    PrinterNote.CUTTER_WORN: ("its cutter is worn", "have it replaced"),
}


def examine_printer(name: str, printer: Any) -> list[Finding]:
    """Open it, ask it, close it. Blocks for ``BUSY_WITHIN_S`` and the driver's own deadlines at most."""
    try:
        printer.open()
        try:
            status = _settled(printer)
        finally:
            printer.close()
    except DeviceError as error:
        return [not_usable(name, error.what)]
    return list(_of_status(name, status))


def not_usable(name: str, what: str) -> Finding:
    """Why it can't be opened; a driver whose words say what to do needs no more of them."""
    says_what_to_do = any(word in what for word in (": set ", "end the other program", "another program uses it"))
    return broken(f"device {name} can't be used: {what}", "" if says_what_to_do else LOOK)


def _settled(printer: Any) -> PrinterStatus:
    """Its status once it is no longer busy with our own opening."""
    until = time.monotonic() + BUSY_WITHIN_S
    status: PrinterStatus = printer.status()
    while status.cause in {Cause.BUSY, Cause.NO_ANSWER} and time.monotonic() < until:
        time.sleep(BUSY_PAUSE_S)  # a printer that is asked without a pause has no time for anything else
        status = printer.status()
    return status


def _of_status(name: str, status: PrinterStatus) -> Iterator[Finding]:
    which = f"device {name}" + (f" ({status.model})" if status.model else "")
    if status.is_ready:
        yield ok(f"{which} is ready")
        yield _proof(name, status.proof)
    else:
        what, do = _CAUSES.get(status.cause or "", _FAULT)
        yield attention(f"{which} is reached and not ready: {what}", f"{do}; nothing is lost meanwhile")
    if status.odometer is not None:
        yield ok(f"device {name} has printed {status.odometer} sheets in its life")
    notes = (*status.notes, *([PrinterNote.PAPER_LOW] if status.is_paper_low else []))
    yield from _soon(name, list(dict.fromkeys(notes)))


def _proof(name: str, proof: ProofKind) -> Finding:
    what = f"device {name} {_PROOFS.get(proof, _PROVES_NOTHING)}"
    if proof in {ProofKind.COMPLETION, ProofKind.ODOMETER}:
        return ok(f"{what}; proof of print: {proof}")
    return attention(f"{what}; proof of print: {proof}", "people are asked when something is in doubt")


def _soon(name: str, notes: Sequence[str]) -> Iterator[Finding]:
    for note in notes:
        what, do = _NOTES.get(PrinterNote(note), (note, "")) if note in set(PrinterNote) else (note, "")
        yield attention(f"device {name}: {what}", do)


# --- of printers that a daemon has -----------------------------------------------------------------------------------


def told_to_hub(site: Config) -> dict[str, DeviceRow]:
    """What this station's daemon told the hub of its devices, where the hub's database is on this machine."""
    if "hub" not in site.site.roles:
        return {}
    try:
        with reading("hub", site.store) as connection:
            if revision_of(connection) != SCHEMA.revision:
                return {}
            rows = devices.rows(connection)
    except KioskdError:
        return {}  # its own finding says why
    return {row.device: row for row in rows if row.station == site.station.name}


def in_daemons_hands(name: str, row: DeviceRow | None) -> Iterator[Finding]:
    """How a device is that must not be opened now."""
    which = f"device {name} is in the daemon's hands"
    if row is None:
        yield ok(f"{which}; the console says how it is")
        return
    model = f" ({row.model})" if row.model else ""
    if row.state == devices.READY:
        yield ok(f"{which} and ready{model}")
    else:
        what, do = _CAUSES.get(row.what, _FAULT if row.what in set(Cause) else (row.what, LOOK))
        yield attention(f"{which} and {row.state.replace('-', ' ')}{model}: {what}", do)
    if row.paper is None:
        return
    if row.proof is not None:
        yield _proof(name, row.proof)
    left = row.paper.left
    if left is not None:
        yield (attention if row.paper.is_running_out else ok)(
            f"device {name} has {left.rough[0]} to {left.rough[1]} sheets left on its roll"
        )
    yield from _soon(name, [note.name for note in row.notes])

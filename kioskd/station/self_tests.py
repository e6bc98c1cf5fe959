"""What a self-test says: which printer it came from, what that says of itself, and how good its proofs are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date

from kioskd.core.printing import ProofKind
from kioskd.ports import SelfTestSheet
from kioskd.station.printers import Printer
from kioskd.station.sheets import Translate


@dataclass(frozen=True, slots=True)
class Told:
    """What a printer last said of itself; empty before it was asked."""

    model: str = ""
    proof: ProofKind | None = None


def _(text: str) -> str:
    """A text for the catalogues, translated where it is used."""
    return text


_PROOFS = {
    ProofKind.COMPLETION: _("It confirms every sheet."),
    ProofKind.ODOMETER: _("It counts every sheet."),
    ProofKind.FENCE: _("It confirms what it has received, not what came out."),
    ProofKind.NONE: _("It can't tell whether a sheet came out: people are asked."),
}


def self_test_sheet(
    printer: Printer, told: Told, now: datetime, zone: ZoneInfo, language: str, translate: Translate
) -> SelfTestSheet:
    """The self-test of a printer, in the language of who asked for it."""

    def _(text: str) -> str:
        return translate(language, text)

    local = now.astimezone(zone)
    day = format_date(local.date(), "medium", locale="de" if language == "de" else "en_GB")
    facts = [
        (_("Printer: {value}"), printer.name),
        (_("Place: {value}"), printer.place),
        (_("Model: {value}"), told.model),
        (_("Printed: {value}"), f"{day} {local:%H:%M}"),
    ]
    lines = [text.format(value=value) for text, value in facts if value]
    proof = _PROOFS.get(told.proof) if told.proof is not None else None
    return SelfTestSheet(
        title=_("Self-test"),
        lines=(*lines, *([_(proof)] if proof else ())),
        ruler=_("One mark is one millimetre. Is the first or the last one cut off?"),
        characters=_("These characters must be readable:"),
    )

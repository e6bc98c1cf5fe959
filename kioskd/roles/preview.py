"""The preview of sheets: the real bytes for each printer of the site file, printed on the paper of its simulator.

It shows what a printer makes of the bytes, not what we meant by them: a line that does not fit is seen here first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from threading import Lock
from uuid import UUID

from pydantic import ValidationError

from drivers.escpos import EscposConfig
from kioskd.config import Config
from kioskd.core.printing import Cause
from kioskd.errors import NotPrinted
from kioskd.ports import CheckInReply, HelpReply, SheetSample, TicketSheet
from kioskd.roles.preview_bands import band_samples, label_samples
from kioskd.roles.running import Running
from kioskd.roles.samples import Sample
from kioskd.station.sheets import Translate, help_sheet, ticket_sheet
from kioskd.station.templates import TicketForm, load_form

__all__ = ["Preview", "preview_of", "ticket_samples"]

_CHECK_IN = UUID(int=0)
_ARRIVED = datetime(2026, 11, 24, 8, 40, tzinfo=UTC)


def preview_of(daemon: Running) -> Preview:
    """Every sheet that the printers of the site file would print. Raises ConfigError for a template that is wrong."""
    config, pages = daemon.config, daemon.pages
    form = load_form(config.ticket, config.site.languages)

    def translate(language: str, english: str) -> str:
        return pages.language(language).texts.gettext(english)

    samples = ticket_samples(config, form, translate), band_samples(config, translate), label_samples(config, translate)
    return Preview(config.site.name, chain.from_iterable(samples))


class Preview:
    """Samples of any kind of sheet. Implements ``ports.SheetPreview``; a picture is made once, when first asked for."""

    def __init__(self, site_name: str, samples: Iterable[Sample]) -> None:
        self.site_name = site_name
        self._samples = {sample.what.key: sample for sample in samples}
        self._pictures: dict[str, bytes] = {}
        self._drawing = Lock()

    def samples(self) -> Sequence[SheetSample]:
        return [sample.what for sample in self._samples.values()]

    def png(self, key: str) -> bytes:
        sample = self._samples[key]
        with self._drawing:  # one at a time: a page asks for all of them at once
            if key not in self._pictures:
                self._pictures[key] = sample.draw()
            return self._pictures[key]


def ticket_samples(config: Config, form: TicketForm, translate: Translate) -> Iterator[Sample]:
    """Ticket, help ticket and copy, for each ticket printer in each language of the site."""
    blocks = [device for device in config.device if device.driver == "escpos" and device.enabled]
    printers: list[tuple[str, EscposConfig]] = []
    for block in blocks:
        try:
            printers.append((block.name, EscposConfig.model_validate(block.driver_keys)))
        except ValidationError:
            continue  # a disabled device, of which the console tells why
    for name, keys in printers or [("", EscposConfig(port="tcp://127.0.0.1:9100"))]:
        for language in config.site.languages:
            for kind, sheet in _tickets(config, form, translate, language):
                key = "-".join(part for part in (kind, name, language) if part)
                what = SheetSample(key, kind, name, keys.paper_width_mm, language)
                yield Sample(what, lambda sheet=sheet, name=name, keys=keys: _ticket_png(sheet, name, keys))  # type: ignore[misc]


def _tickets(
    config: Config, form: TicketForm, translate: Translate, language: str
) -> Iterator[tuple[str, TicketSheet]]:
    site = config.site
    words = (language, site.name, site.zone, translate, form)
    area = config.area[0] if config.area else None
    label = f"{area.series if area else 'A'}12"
    reply = CheckInReply(
        _CHECK_IN, label, "", area.name if area else "1", _ARRIVED, False, None, practitioner="Dr. Lena Hart"
    )
    help_label = f"{config.hub.help_series if config.hub else 'D'}7"
    yield "ticket", ticket_sheet(reply, *words)
    yield "copy", ticket_sheet(reply, *words, is_copy=True)
    yield "help-ticket", help_sheet(HelpReply(_CHECK_IN, help_label, _ARRIVED), *words)


def _ticket_png(sheet: TicketSheet, printer: str, keys: EscposConfig) -> bytes:
    """The bytes of a ticket on the simulator's paper. Raises NotPrinted."""
    # Here: python-escpos and Pillow are loaded when somebody looks.
    from drivers.escpos.layout import CannotPrint, ticket_bytes
    from drivers.escpos.virtual_commands import take_command
    from drivers.escpos.virtual_paper import Paper

    try:
        left = ticket_bytes(sheet, keys)
    except CannotPrint as error:
        raise NotPrinted(printer, Cause.CONTENT_REFUSED, str(error)) from error
    paper = Paper(keys.width_dots)
    while (taken := take_command(left)) is not None:
        command, length = taken
        paper.obey(command)
        left = left[length:]
    printed = paper.cut(keys.cut != "none")
    if printed is None:
        raise NotPrinted(printer, Cause.CONTENT_REFUSED, "the sheet is blank")
    return printed.png()

"""Wristbands and labels in the preview of sheets: invented people on the paper that the site file's printers hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from drivers.zpl.stock import ZplConfig, ZplLabelConfig
from kioskd.config import Config
from kioskd.core.patient import PartialDate, Patient, Sex
from kioskd.core.printing import Cause, SheetKind
from kioskd.errors import NotPrinted
from kioskd.ports import LabelSheet, Newborn, SheetSample, UnknownPerson, WristbandSheet
from kioskd.roles.samples import Sample
from kioskd.station.bands import SheetStyle, label_sheet, sheet_style, unnamed_sheet, wristband_sheet

__all__ = ["band_samples", "label_samples"]

Keys = TypeVar("Keys", bound=BaseModel)

_AT = datetime(2026, 11, 24, 8, 40)
_PERSON = Patient("", (), "Huber", "Anna", date(1980, 2, 3), Sex.FEMALE, "00100001")
_LONG = Patient(
    "", (), "Müller-Lüdenscheidt von Hohenfels", "Maximilian Alexander", date(1951, 12, 31), Sex.MALE, "00100002"
)
_DRAWN = Patient("", (), "Nguyễn", "Thị Ngọc Ánh", date(1993, 7, 9), Sex.FEMALE, "00100003")
_PARTLY = Patient("", (), "محمد", "عبد الرحمن", None, Sex.MALE, "00100004", PartialDate(1962))
_UNKNOWN = UnknownPerson(Sex.MALE, _AT)
_TWIN = Newborn("Huber", "Anna", "00100001", _AT, 1, 2)


def band_samples(config: Config, translate: Callable[[str, str], str]) -> Iterator[Sample]:
    """Every layout of a band, for each wristband printer of the site file, in the language of the site's staff."""
    for name, keys in _printers(config, "zpl", ZplConfig):
        for kind, sheet in _bands(config.site.gs1_company_prefix, _style(config, translate)):
            what = SheetSample(f"{kind}-{name}", kind, name, keys.band_mm[0], config.site.languages[0])
            yield Sample(what, lambda sheet=sheet, name=name, keys=keys: _band_png(sheet, name, keys))  # type: ignore[misc]


def label_samples(config: Config, translate: Callable[[str, str], str]) -> Iterator[Sample]:
    """The labels for a specimen and a document, for each label printer of the site file."""
    for name, keys in _printers(config, "zpl-label", ZplLabelConfig):
        for sheet in _labels(_style(config, translate)):
            what = SheetSample(f"{sheet.kind}-{name}", sheet.kind, name, keys.label_mm[0], config.site.languages[0])
            yield Sample(what, lambda sheet=sheet, name=name, keys=keys: _label_png(sheet, name, keys))  # type: ignore[misc]


def _printers(config: Config, driver: str, keys: type[Keys]) -> Iterator[tuple[str, Keys]]:
    for device in config.device:
        if device.driver == driver and device.enabled:
            try:
                found = keys.model_validate(device.driver_keys)
            except ValidationError:
                continue  # a disabled device, of which the console tells why
            yield device.name, found


def _style(config: Config, translate: Callable[[str, str], str]) -> SheetStyle:
    return sheet_style(config.site.languages[0], translate, config.site.record_number_groups)


def _bands(prefix: str, style: SheetStyle) -> Iterator[tuple[str, WristbandSheet]]:
    sheets = {
        "wristband": wristband_sheet(_PERSON, 1, prefix, style),
        "wristband-long-name": wristband_sheet(_LONG, 1, prefix, style),
        "wristband-drawn-name": wristband_sheet(_DRAWN, 1, prefix, style),
        "wristband-similar-name": wristband_sheet(_PERSON, 2, prefix, style, is_name_similar=True),
        "wristband-partial-date": wristband_sheet(_PARTLY, 1, prefix, style),
        "wristband-unknown": unnamed_sheet(_UNKNOWN, "00100005", 1, prefix, style),
        "wristband-newborn": unnamed_sheet(_TWIN, "00100006", 1, prefix, style),
    }
    yield from ((kind, sheet) for kind, sheet in sheets.items() if sheet is not None)


def _labels(style: SheetStyle) -> Iterator[LabelSheet]:
    sheets = (
        label_sheet(SheetKind.SPECIMEN_LABEL, _PERSON, _AT, "Serum", style=style),
        label_sheet(SheetKind.DOCUMENT_LABEL, _PERSON, _AT, code="DOC-0004711", style=style),
    )
    yield from (sheet for sheet in sheets if sheet is not None)


def _band_png(sheet: WristbandSheet, printer: str, keys: ZplConfig) -> bytes:
    """The bytes of a band as the simulator prints them. Raises NotPrinted."""
    # Here: Pillow is loaded when somebody looks.
    from drivers.zpl.band import Band, band_zpl
    from drivers.zpl.typeset import ContentRefused
    from drivers.zpl.virtual_picture import sheet_png

    band = Band(keys.dpi, *keys.band_mm, *keys.printable_mm, keys.margin_mm, *keys.offset_mm)
    try:
        return sheet_png(band_zpl(sheet, band), keys.dpi)
    except ContentRefused as error:
        raise NotPrinted(printer, Cause.CONTENT_REFUSED, str(error)) from error


def _label_png(sheet: LabelSheet, printer: str, keys: ZplLabelConfig) -> bytes:
    """The bytes of a label as the simulator prints them. Raises NotPrinted."""
    from drivers.zpl.label import Label, label_zpl
    from drivers.zpl.typeset import ContentRefused
    from drivers.zpl.virtual_picture import sheet_png

    label = Label(keys.dpi, *keys.label_mm, keys.margin_mm, keys.symbology, *keys.offset_mm)
    try:
        return sheet_png(label_zpl(sheet, label), keys.dpi)
    except ContentRefused as error:
        raise NotPrinted(printer, Cause.CONTENT_REFUSED, str(error)) from error

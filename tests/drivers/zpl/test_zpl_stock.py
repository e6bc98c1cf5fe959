"""The paper in a printer, by name and by the millimetre."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from pydantic import ValidationError

from drivers.zpl import ZplConfig, ZplDriver, ZplLabelConfig, ZplLabelDriver
from drivers.zpl.stock import BAND_STOCKS, LABEL_STOCKS
from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.core.printing import Cause, ProofKind, SheetKind
from kioskd.errors import NotPrinted
from kioskd.ports import LabelPrinter, LabelSheet, WristbandSheet
from tests.drivers.zpl.zpl_oracle import is_label

PORT = "tcp://10.0.0.31:9100"
LABEL = LabelSheet(
    SheetKind.SPECIMEN_LABEL, "Smith", "John", date(1980, 1, 18), "00123456", datetime(2026, 11, 24, 8, 15)
)


@pytest.mark.parametrize("stock", BAND_STOCKS)
def test_a_stock_of_bands_has_its_sizes_and_any_of_them_can_be_overridden(stock: str) -> None:
    named = ZplConfig.model_validate({"port": PORT, "stock": stock})
    assert (named.band_mm, named.printable_mm) == (BAND_STOCKS[stock].band_mm, BAND_STOCKS[stock].printable_mm)  # type: ignore[index]
    measured = ZplConfig.model_validate({"port": PORT, "stock": stock, "printable_mm": (42, 104)})
    assert (measured.band_mm, measured.printable_mm) == (named.band_mm, (42, 104))


def test_the_bands_are_adult_ones_where_nothing_is_said() -> None:
    assert ZplConfig(port=PORT) == ZplConfig(port=PORT, stock="adult", band_mm=(25, 279), printable_mm=(100, 220))


@pytest.mark.parametrize("stock", LABEL_STOCKS)
def test_a_stock_of_labels_has_its_size(stock: str) -> None:
    assert ZplLabelConfig.model_validate({"port": PORT, "stock": stock}).label_mm == LABEL_STOCKS[stock]  # type: ignore[index]
    assert ZplLabelConfig.model_validate({"port": PORT, "stock": stock, "label_mm": (62, 29)}).label_mm == (62, 29)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"stock": "giant"}, "'adult', 'child' or 'infant'"),
        ({"stock": ["adult"]}, "'adult', 'child' or 'infant'"),
        ({"stock": "infant", "band_mm": (25, 100)}, "outside the band"),
    ],
)
def test_bands_that_can_not_be_are_refused(keys: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ZplConfig.model_validate({"port": PORT, **keys})


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"stock": "adult"}, "'specimen' or 'document'"),
        ({"label_mm": (10, 10)}, "no label"),
        ({"margin_mm": 7}, "less than 12 mm"),
        ({"offset_mm": (0, 2)}, "over the label's edge"),
        ({"symbology": "qr"}, "'datamatrix' or 'code128'"),
        ({"band_mm": (25, 279)}, "Extra inputs"),
        ({"port": "10.0.0.31"}, "expected"),
    ],
)
def test_labels_that_can_not_be_are_refused(keys: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ZplLabelConfig.model_validate({"port": PORT, **keys})


def test_a_label_comes_out_once_and_is_proven() -> None:
    with VirtualWristbandPrinter(mechanical=False) as virtual:
        printer = ZplLabelDriver().create("labels", ZplLabelConfig(port=f"tcp://127.0.0.1:{virtual.port}"))
        assert isinstance(printer, LabelPrinter)
        printer.open()
        try:
            before = printer.status()
            printer.send(printer.render(LABEL), 1)
            assert printer.prove(1, before.odometer, 5) is ProofKind.ODOMETER
        finally:
            printer.close()
        [sheet] = virtual.sheets
        assert is_label(sheet)


def test_what_does_not_fit_the_paper_is_refused_before_a_byte_is_sent() -> None:
    labels = ZplLabelDriver().create("labels", ZplLabelConfig(port=PORT))
    with pytest.raises(NotPrinted) as refused:
        labels.render(LabelSheet(LABEL.kind, "W" * 90, "", LABEL.birth_date, LABEL.record_number, LABEL.made_at))
    assert (refused.value.cause, refused.value.device) == (Cause.CONTENT_REFUSED, "labels")
    infants = ZplDriver().create("infants", ZplConfig(port=PORT, stock="infant"))
    with pytest.raises(NotPrinted) as refused:
        infants.render(WristbandSheet("W" * 60, "", date(2026, 1, 1), "1", 1))
    assert refused.value.cause == Cause.CONTENT_REFUSED
    assert "WW" not in str(refused.value)

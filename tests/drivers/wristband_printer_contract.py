"""What every driver of ``ports.WristbandPrinter`` must do, whatever the printer.

A test module makes a class from ``WristbandPrinterContract`` with fixtures ``printer`` (not open) and ``hands``
(the person at the machine), and runs it against a real socket.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from typing import Protocol

import pytest

from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.ports import WristbandPrinter, WristbandSheet

SHEET = WristbandSheet("Smith", "John", date(1980, 1, 18), "00123456", 3, "505050560001234569")


class Hands(Protocol):
    """What a person or an accident does to the printer at the other end."""

    @property
    def sheets(self) -> tuple[bytes, ...]: ...

    def set_paper(self, has_paper: bool) -> None: ...

    def set_lid(self, is_open: bool) -> None: ...

    def go_mute(self) -> None: ...

    def print_foreign_label(self) -> None: ...

    def power_cycle(self) -> None: ...

    def stop(self) -> None: ...

    def wait_for_sheets(self, count: int, seconds: float) -> bool: ...


class WristbandPrinterContract:
    """Inherit, and give the fixtures ``printer`` and ``hands``."""

    def test_a_ready_printer_says_so_and_names_its_best_proof(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.open()
        status = printer.status()
        assert (status.is_ready, status.cause) == (True, None)
        assert status.proof is not ProofKind.NONE

    def test_a_band_that_was_sent_comes_out_once_and_is_proven(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.open()
        before = printer.status()
        printer.send(printer.render(SHEET), 1)
        assert printer.prove(1, before.odometer, 5) is before.proof
        assert len(hands.sheets) == 1

    def test_proving_again_gives_the_same_answer(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.open()
        before = printer.status()
        printer.send(printer.render(SHEET), 1)
        assert printer.prove(1, before.odometer, 5) is printer.prove(1, before.odometer, 5) is before.proof

    def test_nothing_sent_is_never_proven(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.open()
        assert printer.prove(1, printer.status().odometer, 0.1) is None

    def test_rendering_needs_no_printer_and_gives_the_same_bytes_each_time(
        self, printer: WristbandPrinter, hands: Hands
    ) -> None:
        assert printer.render(SHEET) == printer.render(SHEET)

    def test_a_sheet_without_a_name_is_refused_before_a_byte_is_sent(
        self, printer: WristbandPrinter, hands: Hands
    ) -> None:
        with pytest.raises(NotPrinted) as refused:
            printer.render(replace(SHEET, family="", given=""))
        assert refused.value.cause == Cause.CONTENT_REFUSED

    def test_a_refusal_holds_no_patient_data(self, printer: WristbandPrinter, hands: Hands) -> None:
        with pytest.raises(NotPrinted) as refused:
            printer.render(replace(SHEET, family="Featherstonehaugh" * 40, gsrn="505050560001234560"))
        for secret in ("eatherstonehaugh", "EATHERSTONEHAUGH", "1980", "00123456", "505050560001234560"):
            assert secret not in str(refused.value)

    @pytest.mark.parametrize(("fault", "cause"), [("paper", Cause.PAPER_OUT), ("lid", Cause.COVER_OPEN)])
    def test_a_fault_before_the_send_is_seen_in_the_status_and_clears(
        self, printer: WristbandPrinter, hands: Hands, fault: str, cause: Cause
    ) -> None:
        printer.open()
        _set_fault(hands, fault, True)
        faulty = printer.status()
        _set_fault(hands, fault, False)
        assert (faulty.is_ready, faulty.cause) == (False, cause)
        assert printer.status().is_ready

    @pytest.mark.parametrize("fault", ["paper", "lid"])
    def test_a_band_held_back_by_a_fault_is_proven_once_the_fault_is_cleared(
        self, printer: WristbandPrinter, hands: Hands, fault: str
    ) -> None:
        printer.open()
        before = printer.status()
        _set_fault(hands, fault, True)
        printer.send(printer.render(SHEET), 1)
        assert printer.prove(1, before.odometer, 0.2) is None
        assert not printer.status().is_ready
        _set_fault(hands, fault, False)
        assert printer.prove(1, before.odometer, 5) is before.proof
        assert len(hands.sheets) == 1

    def test_a_fault_after_the_band_came_out_takes_no_proof_away(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.open()
        before = printer.status()
        printer.send(printer.render(SHEET), 1)
        assert hands.wait_for_sheets(1, 5)
        hands.set_paper(False)
        assert printer.prove(1, before.odometer, 5) is before.proof

    def test_a_label_of_somebody_else_beside_ours_is_no_proof(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.open()
        before = printer.status()
        printer.send(printer.render(SHEET), 1)
        assert hands.wait_for_sheets(1, 5)
        hands.print_foreign_label()
        assert printer.prove(1, before.odometer, 0.2) is None

    def test_a_band_is_proven_over_a_new_connection(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.open()
        before = printer.status()
        printer.send(printer.render(SHEET), 1)
        printer.close()
        printer.open()
        assert printer.prove(1, before.odometer, 5) is before.proof
        assert len(hands.sheets) == 1

    def test_a_power_cut_takes_the_connection_and_reopening_works(
        self, printer: WristbandPrinter, hands: Hands
    ) -> None:
        printer.open()
        hands.power_cycle()
        with pytest.raises(DeviceUnavailable):
            printer.status()
        printer.open()
        assert printer.status().is_ready

    def test_sending_on_a_connection_that_is_gone_is_not_printed(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.open()
        payload = printer.render(SHEET)
        hands.power_cycle()
        with pytest.raises(NotPrinted) as refused:
            printer.send(payload, 1)
        assert refused.value.cause == Cause.CONNECTION_LOST
        assert hands.sheets == ()

    def test_a_printer_that_answers_nothing_is_no_answer_within_three_seconds(
        self, printer: WristbandPrinter, hands: Hands
    ) -> None:
        printer.open()
        hands.go_mute()
        begin = time.monotonic()
        status = printer.status()
        assert (status.is_ready, status.cause) == (False, Cause.NO_ANSWER)
        assert time.monotonic() - begin < 15

    def test_proving_a_mute_printer_ends_in_time(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.open()
        before = printer.status()
        hands.go_mute()
        begin = time.monotonic()
        assert printer.prove(1, before.odometer, 0.3) is None
        assert time.monotonic() - begin < 10

    def test_a_printer_that_is_off_can_not_be_opened_and_nothing_stays_claimed(
        self, printer: WristbandPrinter, hands: Hands
    ) -> None:
        hands.stop()
        with pytest.raises(DeviceUnavailable):
            printer.open()
        with pytest.raises(DeviceUnavailable):
            printer.status()

    def test_closing_may_be_done_at_any_time(self, printer: WristbandPrinter, hands: Hands) -> None:
        printer.close()
        printer.open()
        printer.close()
        printer.close()
        with pytest.raises(NotPrinted):
            printer.send(printer.render(SHEET), 1)


def _set_fault(hands: Hands, fault: str, is_on: bool) -> None:
    if fault == "paper":
        hands.set_paper(not is_on)
    else:
        hands.set_lid(is_on)

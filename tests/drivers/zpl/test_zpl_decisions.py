"""Every fault at every phase of a band: what came out is counted, and the driver's answer must be so.

PRINTED is said of one band that came out, and never of one that did not; after a fault the printer itself prints what
it holds, so nothing is sent again. On a hurried clock: seconds of silence are milliseconds here, and a busy machine may
be too slow for an answer, which is silence then.
"""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.zpl.proof import SETTLED_AFTER_S
from drivers.zpl.virtual import Break, Fault
from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from tests.drivers.wristband_printer_contract import SHEET
from tests.drivers.zpl.bench import SHORT_S, TRIES, WITHIN_S, Bench, bench, serial_bench
from tests.drivers.zpl.zpl_oracle import HOSTILE, is_band

SLOW_MM_S = 20.0
"""A band takes 14 s of the hurried clock, 0.3 of the machine's."""
CAUSES = {
    Fault.MEDIA_OUT: Cause.PAPER_OUT,
    Fault.RIBBON_OUT: Cause.RIBBON_OUT,
    Fault.HEAD_OPEN: Cause.COVER_OPEN,
    Fault.HEAD_HOT: Cause.HEAD_HOT,
}
MODELS: dict[str, dict[str, Any]] = {
    "answers in a fault": {},
    "no host status in a fault": {"is_silent_in_fault": True},
    "mute in a fault": {"is_mute_in_fault": True},
}
FAULTS: Any = pytest.mark.parametrize("fault", list(CAUSES), ids=str)
SPOILING: Any = pytest.mark.parametrize("fault", [Fault.MEDIA_OUT, Fault.RIBBON_OUT, Fault.HEAD_OPEN], ids=str)
EVERY_MODEL: Any = pytest.mark.parametrize("options", list(MODELS.values()), ids=list(MODELS))


def _told(at: Bench, fault: Fault, options: dict[str, Any]) -> bool:
    """Whether the status says what is wrong; of a mute printer, that it does not answer."""
    status = at.printer.status()
    expected = {Cause.NO_ANSWER} if options.get("is_mute_in_fault") else {CAUSES[fault], Cause.NO_ANSWER}
    return not status.is_ready and status.cause in expected


@FAULTS
@EVERY_MODEL
def test_a_fault_before_the_send_costs_nothing(fault: Fault, options: dict[str, Any]) -> None:
    with bench(**options) as at:
        at.ready()
        at.hands.set_fault(fault)
        assert _told(at, fault, options)
        at.hands.set_fault(fault, False)
        before = at.ready()
        assert at.came_out == 0
        assert at.proves(at.send(), before) is ProofKind.ODOMETER
        assert at.came_out == 1


@FAULTS
@EVERY_MODEL
def test_a_fault_while_the_band_is_in_the_buffer_holds_it_and_it_comes_out_once(
    fault: Fault, options: dict[str, Any]
) -> None:
    with bench(**options) as at:
        before = at.ready()
        at.hands.set_fault(fault)
        token = at.send()
        assert at.proves_not(token, before)
        assert _told(at, fault, options)
        assert at.hands.sheets == ()
        at.hands.set_fault(fault, False)
        assert at.proves(token, before) is ProofKind.ODOMETER
        assert at.came_out == 1


@SPOILING
@EVERY_MODEL
def test_a_fault_in_mid_label_spoils_one_and_the_printer_prints_it_again(fault: Fault, options: dict[str, Any]) -> None:
    with bench(mechanical=True, speed_mm_s=SLOW_MM_S, **options) as at:
        before = at.ready()
        token = at.send()
        assert at.hands.wait_until_printing(WITHIN_S)
        at.hands.set_speed(None)
        at.hands.set_fault(fault)
        assert at.proves_not(token, before)
        assert not at.printer.status().is_ready
        at.hands.set_fault(fault, False)
        assert at.proves(token, before) is ProofKind.ODOMETER
        assert (at.came_out, at.hands.spoiled) == (1, 1)


@FAULTS
@EVERY_MODEL
def test_a_fault_after_the_band_came_out_takes_no_proof_away(fault: Fault, options: dict[str, Any]) -> None:
    with bench(**options) as at:
        before = at.ready()
        token = at.send()
        assert at.hands.wait_for_sheets(1, WITHIN_S)
        at.hands.set_fault(fault)
        at.printer.prove(token, before.odometer, SHORT_S)  # whatever a silent printer leaves open
        at.hands.set_fault(fault, False)
        assert at.proves(token, before) is ProofKind.ODOMETER
        assert at.came_out == 1


def test_the_last_band_of_a_roll_is_proven_and_the_next_one_waits_for_a_roll() -> None:
    with bench(labels=1) as at:
        before = at.ready()
        token = at.send()
        assert at.proves(token, before) is ProofKind.ODOMETER
        assert at.printer.status().cause is Cause.PAPER_OUT
        at.hands.load(10)
        again = at.ready()
        assert at.proves(at.send(), again) is ProofKind.ODOMETER
        assert (at.came_out, at.hands.labels_left) == (2, 9)


def test_a_printer_that_wants_its_button_pressed_after_a_fault_says_that_it_is_paused() -> None:
    with bench(needs_resume=True) as at:
        before = at.ready()
        at.hands.set_lid(True)
        token = at.send()
        at.hands.set_lid(False)
        assert at.proves_not(token, before)
        assert at.printer.status().cause is Cause.PAUSED
        at.hands.set_paused(False)
        assert at.proves(token, before) is ProofKind.ODOMETER
        assert at.came_out == 1


def test_what_another_host_set_about_spoiled_labels_does_not_hold_for_our_band() -> None:
    with bench(mechanical=True, speed_mm_s=SLOW_MM_S) as at:
        before = at.ready()
        _say(at, b"^XA^JZN^XZ")
        token = at.send()
        assert at.hands.wait_until_printing(WITHIN_S)
        at.hands.set_speed(None)
        at.hands.set_lid(True)
        at.hands.set_lid(False)
        assert at.proves(token, before) is ProofKind.ODOMETER
        assert (at.came_out, at.hands.spoiled) == (1, 1)


# --- power -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["idle", "half", "held", "printing", "out"])
def test_after_a_power_cycle_the_odometer_decides(phase: str) -> None:
    with bench(mechanical=phase == "printing", speed_mm_s=SLOW_MM_S) as at:
        before = at.ready()
        if phase == "idle":
            at.hands.power_cycle()
            with pytest.raises(NotPrinted):
                at.send()
        else:
            token = _send_up_to(at, phase)
            at.hands.power_cycle()
            at.open()
            is_out = phase == "out"
            proof = at.proves(token, before) if is_out else at.printer.prove(token, before.odometer, SHORT_S)
            assert proof is (ProofKind.ODOMETER if is_out else None)
        at.hands.set_paper(True)
        at.hands.set_speed(None)
        assert at.came_out == (phase == "out")
        again = at.ready()
        assert at.proves(at.send(), again) is ProofKind.ODOMETER
        assert at.hands.sheets[-1] == at.payload, "nothing of the first is left in the second"


@pytest.mark.parametrize("phase", ["half", "held", "out"])
@pytest.mark.parametrize("has_odometer", [True, False])
def test_a_power_cycle_that_the_line_does_not_show_proves_nothing_either(
    tmp_path: Path, phase: str, has_odometer: bool
) -> None:
    with serial_bench(tmp_path, has_odometer=has_odometer) as at:
        before = at.ready()
        token = _send_up_to(at, phase)
        at.hands.switch_off()
        assert at.proves_not(token, before, SHORT_S)
        at.hands.switch_on()
        at.hands.set_paper(True)
        if phase == "out" and has_odometer:
            assert at.proves(token, before) is ProofKind.ODOMETER
        else:
            assert at.proves_not(token, before, 3 * SETTLED_AFTER_S)
        assert at.came_out == (phase == "out")
        assert at.ready().is_ready


def _send_up_to(at: Bench, phase: str) -> int:
    """Bring a band into the printer; its token."""
    match phase:
        case "half":
            half = at.payload
            at.payload = half[: len(half) // 2]
            token = at.send()
            at.payload = half
            assert _is_taken_in(at)
            return token
        case "held":
            at.hands.set_paper(False)
            token = at.send()
            assert _is_taken_in(at)
            return token
        case "printing":
            token = at.send()
            assert at.hands.wait_until_printing(WITHIN_S)
            return token
    token = at.send()
    assert at.hands.wait_for_sheets(1, WITHIN_S)
    return token


def _is_taken_in(at: Bench) -> bool:
    """Whether the printer has read what was sent: it answers what was asked behind it."""
    return any(at.printer.status().cause is not Cause.NO_ANSWER for _ in range(TRIES))


# --- counts ----------------------------------------------------------------------------------------------------


def test_somebody_elses_label_beside_ours_is_no_proof_and_is_told() -> None:
    with bench() as at:
        before = at.ready()
        token = at.send()
        assert at.hands.wait_for_sheets(1, WITHIN_S)
        at.hands.print_foreign_label()
        assert at.doubt_about(token, before) is Cause.OTHER_LABEL
        again = at.ready()
        assert at.proves(at.send(), again) is ProofKind.ODOMETER
        assert at.printer.status().doubt is None, "the next band is in no doubt"


@pytest.mark.parametrize("is_shared", [False, True])
def test_after_a_break_one_label_more_proves_nothing_on_a_printer_that_others_use(is_shared: bool) -> None:
    with bench(is_shared=is_shared) as at:
        before = at.ready()
        token = at.send()
        assert at.hands.wait_for_sheets(1, WITHIN_S)
        at.open()
        at.ready()
        if is_shared:
            assert at.doubt_about(token, before) is Cause.CONNECTION_LOST
        else:
            assert at.proves(token, before) is ProofKind.ODOMETER
        again = at.ready()
        assert at.proves(at.send(), again) is ProofKind.ODOMETER, "the next one is proven on its own connection"


def test_a_new_board_with_a_count_of_its_own_is_no_proof_and_is_told() -> None:
    with bench(odometer=5000) as at:
        before = at.ready()
        token = at.send()
        assert at.hands.wait_for_sheets(1, WITHIN_S)
        at.hands.set_odometer(1)
        assert at.doubt_about(token, before) is Cause.COUNT_WENT_BACK
        again = at.ready()
        assert at.proves(at.send(), again) is ProofKind.ODOMETER


@pytest.mark.parametrize(("last", "is_proof"), [(2**32 - 1, True), (2**31 - 1, False), (999_999, False)])
def test_a_count_that_begins_again_proves_at_its_known_end_only(last: int, is_proof: bool) -> None:
    with bench(odometer=last, odometer_wraps_at=last + 1) as at:
        before = at.ready()
        token = at.send()
        assert at.hands.wait_for_sheets(1, WITHIN_S)
        if is_proof:
            assert at.proves(token, before) is ProofKind.ODOMETER
        else:
            assert at.doubt_about(token, before) is Cause.COUNT_WENT_BACK
        again = at.ready()
        assert again.odometer == 0
        assert at.proves(at.send(), again) is ProofKind.ODOMETER


def test_a_band_that_somebody_cancelled_at_the_printer_is_told_to_have_come_to_nothing() -> None:
    with bench() as at:
        before = at.ready()
        at.hands.set_paper(False)
        token = at.send()
        assert at.proves_not(token, before)
        _say(at, b"~JA")
        at.hands.set_paper(True)
        assert at.doubt_about(token, before) is Cause.NOTHING_COUNTED
        assert at.came_out == 0


def _say(at: Bench, data: bytes) -> None:
    """Another host says something, and has heard that the printer took it."""
    with socket.create_connection(("127.0.0.1", at.hands.port), WITHIN_S) as other:
        other.sendall(data + b"~HI")
        assert other.recv(1)


# --- printers that count nothing -------------------------------------------------------------------------------

OLD: Any = pytest.mark.parametrize(
    "options", [{"has_odometer": False}, {"has_sgd": False}], ids=["asks back", "silent"]
)


@OLD
def test_a_printer_that_counts_nothing_proves_weakly_that_it_took_the_band_and_has_nothing_left(
    options: dict[str, Any],
) -> None:
    with bench(**options) as at:
        before = at.ready()
        assert (before.odometer, before.proof) == (None, ProofKind.FENCE)
        token = at.send()
        assert at.proves_not(token, before), "it has to settle"
        assert at.proves(token, before) is ProofKind.FENCE
        assert at.proves_not(token + 1, before), "nothing was sent"
        assert at.came_out == 1


@OLD
def test_a_band_that_such_a_printer_holds_is_not_proven_until_it_is_out(options: dict[str, Any]) -> None:
    with bench(**options) as at:
        before = at.ready()
        at.hands.set_paper(False)
        token = at.send()
        assert at.proves_not(token, before, 3 * SETTLED_AFTER_S)
        assert at.hands.sheets == ()
        at.hands.set_paper(True)
        assert at.proves(token, before) is ProofKind.FENCE
        assert at.came_out == 1


@OLD
@pytest.mark.parametrize("how", [Break.RESET, Break.CLOSE])
def test_a_connection_that_is_gone_takes_the_weak_proof_with_it(options: dict[str, Any], how: Break) -> None:
    with bench(**options) as at:
        before = at.ready()
        at.hands.break_after(len(at.payload), how)
        token = at.send_into_a_break(before)
        at.open()
        assert at.proves_not(token, before, 3 * SETTLED_AFTER_S)
        assert at.came_out == 1


# --- lines -----------------------------------------------------------------------------------------------------


def test_a_full_buffer_and_a_dead_switch_are_no_answer_and_cost_no_band() -> None:
    with bench(receive_buffer_bytes=1) as at:
        at.ready()
        at.hands.set_paper(False)
        at.send()
        assert at.printer.status().cause in {Cause.PAPER_OUT, Cause.NO_ANSWER}
        assert at.printer.status().cause is Cause.NO_ANSWER
        at.hands.set_paper(True)
        at.ready()
        assert at.came_out == 1
        at.hands.go_mute()
        assert at.printer.status().cause is Cause.NO_ANSWER


def test_answers_that_drip_in_are_waited_for_or_put_together_later() -> None:
    with bench() as at:
        at.ready()
        at.hands.drip(60.0)  # a look takes three seconds
        assert at.printer.status().cause is Cause.NO_ANSWER
        at.hands.drip(None)
        before = at.ready()
        assert before.odometer == at.hands.odometer
        at.hands.drip(300.0)
        token = at.send()
        assert at.proves(token, before) is ProofKind.ODOMETER


def test_a_send_that_the_printer_takes_nothing_of_leaves_no_doubt() -> None:
    with bench() as at:
        at.ready()
        at.hands.stop()
        with pytest.raises(NotPrinted):
            at.send()
        with pytest.raises(DeviceUnavailable):
            at.printer.status()


# --- names -----------------------------------------------------------------------------------------------------


def test_hostile_names_come_out_as_one_band_each_and_do_nothing_else() -> None:
    """On the band they are text (``test_zpl_names``); at the printer nothing else comes of them."""
    with bench() as at:
        rendered = [payload for name in HOSTILE if (payload := _rendered(at, name)) is not None]
        assert len(rendered) > len(HOSTILE) / 2
        for out, payload in enumerate(rendered):
            before, at.payload = at.ready(), payload
            assert at.proves(at.send(), before) is ProofKind.ODOMETER
            assert at.came_out == out + 1
            assert at.hands.sheets[-1] == payload
            assert is_band(payload)
        assert at.ready().is_ready


def _rendered(at: Bench, name: str) -> bytes | None:
    """The band of a person of that name, or None where it can't be set on a band."""
    try:
        return at.printer.render(replace(SHEET, family=name))
    except NotPrinted:
        return None

"""The connection ends at each byte of a band, and of the answers: the odometer tells, and the next band is whole."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.zpl.virtual import Break
from kioskd.core.printing import ProofKind
from tests.drivers.zpl.bench import SHORT_S, WITHIN_S, Bench, bench, serial_bench

EVERY: Any = pytest.mark.parametrize("how", Break)
MOST_ANSWERED = 120
"""More bytes than the answer to one look."""


def _break_and_go_on(at: Bench, offset: int, how: Break) -> None:
    """Break the connection behind so many bytes of a band, look what came out, and print the next one."""
    before, out = at.ready(), at.came_out
    at.hands.break_after(offset, how)
    token = at.send_into_a_break(before)
    at.open()
    is_whole = offset == len(at.payload)
    if is_whole:
        assert at.proves(token, before) is ProofKind.ODOMETER
    else:
        assert at.proves_not(token, before), f"{offset} bytes are no band"
    assert at.came_out == out + is_whole, f"{how} after {offset} bytes"
    again = at.ready()
    assert at.proves(at.send(), again) is ProofKind.ODOMETER
    assert at.came_out == out + is_whole + 1
    assert at.hands.sheets[-1] == at.payload


@EVERY
def test_after_a_break_at_any_byte_of_a_band_the_odometer_tells_and_the_next_band_is_whole(how: Break) -> None:
    with bench() as at:
        for offset in range(1, len(at.payload) + 1):
            _break_and_go_on(at, offset, how)


@EVERY
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
def test_over_a_serial_port_too(tmp_path: Path, how: Break, step: int) -> None:
    with serial_bench(tmp_path) as at:
        for offset in {*range(1, len(at.payload), step), len(at.payload) - 1, len(at.payload)}:
            _break_and_go_on(at, offset, how)


@EVERY
def test_a_break_at_any_byte_of_an_answer_takes_no_proof_away_and_gives_none(how: Break) -> None:
    with bench() as at:
        for passed in range(1, MOST_ANSWERED, 3):
            before, out = at.ready(), at.came_out
            at.hands.break_answers_after(passed, how)
            token = at.send()
            at.look_until_broken(partial(at.printer.prove, token, before.odometer, SHORT_S))
            at.open()
            assert at.proves(token, before) is ProofKind.ODOMETER
            assert at.came_out == out + 1
            at.hands.break_answers_after(passed, how)
            at.look_until_broken(at.printer.status)
            assert len(at.hands.sheets) == out + 1
            at.open()


@pytest.mark.parametrize("left", [b'! U1 getvar "odometer.total_label_count"\r\n', b"~HS~HQES~HI", b"^XA^FDa^FS^PQ1"])
def test_what_a_daemon_that_was_killed_at_any_byte_had_begun_takes_nothing_of_ours(left: bytes) -> None:
    with bench() as at:
        for offset in range(1, len(left) + 1):
            at.printer.close()
            with socket.create_connection(("127.0.0.1", at.hands.port), WITHIN_S) as killed:
                killed.sendall(left[:offset])
                killed.shutdown(socket.SHUT_WR)
                while killed.recv(99):  # until the printer has taken it in, and hangs up too
                    pass
            before, out = at.ready(), at.came_out
            assert at.proves(at.send(), before) is ProofKind.ODOMETER
            assert at.came_out == out + 1
            assert at.hands.sheets[-1] == at.payload

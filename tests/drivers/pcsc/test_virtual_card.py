"""The simulated card as a program: its answers, its events, and that it never outlives who started it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys

import pytest

from drivers.pcsc.virtual_process import VirtualCardProcess
from kioskd.demo.pcscd import PrivatePcscd
from kioskd.errors import DeviceUnavailable
from tests.drivers.card_reader_contract import SEEN_WITHIN_S
from tests.drivers.pcsc.conftest import PcscDesk

START = """
import sys
from drivers.pcsc.virtual_process import VirtualCardProcess
hand = VirtualCardProcess()
hand.remove()
print(hand.pid, flush=True)
sys.stdin.read()
"""


def test_a_second_card_does_not_fit_in(desk: PcscDesk) -> None:
    desk.hand.insert("anna-huber")
    with pytest.raises(ValueError, match="anna-huber is in the reader already"):
        desk.hand.insert("leyla-demir")


def test_a_card_that_does_not_exist_is_refused(desk: PcscDesk) -> None:
    with pytest.raises(ValueError, match="no sample card is called 'nobody'"):
        desk.hand.insert("nobody")


def test_a_swap_needs_a_card_in_the_reader(desk: PcscDesk) -> None:
    with pytest.raises(ValueError, match="no card in the reader"):
        desk.hand.swap("anna-huber")


def test_a_swap_by_hand_is_the_other_card(desk: PcscDesk) -> None:
    desk.reader.open()
    desk.hand.insert("anna-huber")
    assert desk.reader.wait_for_card(SEEN_WITHIN_S)
    assert desk.reader.read_card().family == "Huber"
    desk.hand.swap("samuel-okafor")
    assert desk.reader.wait_for_removal(SEEN_WITHIN_S)
    assert desk.reader.wait_for_card(SEEN_WITHIN_S)
    assert desk.reader.read_card().family == "Okafor"


def test_removing_tells_what_the_card_went_through(desk: PcscDesk) -> None:
    desk.reader.open()
    desk.hand.insert("anna-huber", delay_ms=5)
    assert desk.reader.wait_for_card(SEEN_WITHIN_S)
    desk.reader.read_card()
    desk.hand.remove()
    removed = desk.hand.wait_for("removed")
    assert removed["card"] == "anna-huber"
    assert removed["apdus"] * 5 <= removed["apdu_ms"] <= removed["span_ms"]


def test_without_pcscd_an_insertion_says_what_is_missing() -> None:
    with VirtualCardProcess(port=9) as hand, pytest.raises(DeviceUnavailable, match="does pcscd"):
        hand.insert("anna-huber", within_s=0.3)


def test_a_command_that_is_no_command_is_answered_with_what_there_is() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "drivers.pcsc.virtual", "--port", "9"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = program.communicate('{"do": "eat"}\n{"do": "insert", "card": "anna-huber", "mood": 3}\nnonsense\n', 10)
    answers = [json.loads(line) for line in output.splitlines()]
    assert [answer["ok"] for answer in answers] == [False] * 3
    assert answers[0]["error"] == "no command is called 'eat'; there are insert, swap, remove"
    assert program.returncode == 0


def test_it_ends_when_its_input_is_closed(pcscd: PrivatePcscd) -> None:
    hand = VirtualCardProcess(pcscd.namespace_pid, pcscd.port + 1)
    watched = os.pidfd_open(hand.pid)
    hand.close()
    assert select.select([watched], [], [], 5)[0]
    os.close(watched)


@pytest.mark.parametrize("is_input_held_open", [False, True])
def test_it_ends_when_its_parent_is_killed(is_input_held_open: bool) -> None:
    parent = subprocess.Popen([sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin is not None
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    watched = os.pidfd_open(child)
    held = os.open(f"/proc/{child}/fd/0", os.O_WRONLY) if is_input_held_open else None
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert select.select([watched], [], [], 5)[0]
    for descriptor in (watched, held):
        if descriptor is not None:
            os.close(descriptor)
    parent.stdin.close()
    parent.stdout.close()

"""The witnesses of the cuts themselves: each of them sees what it is there to see."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from kioskd.bus.topics import DisplayCall, DisplayState
from kioskd.core.printing import PrintState
from kioskd.demo.mosquitto import PrivateMosquitto
from tests.faults.chaos_proxy import Way
from tests.faults.cut_broker import Display, Picture, Truth
from tests.faults.cut_printers import Printed, _ticket_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CALLED: Picture = (("A1", "Zimmer 1", 1),)
NOTHING = dict.fromkeys(Way, 0)
PRINTED = Printed(
    PrintState.PRINTED,
    PrintState.PRINTED,
    ["first", "second"],
    ["first", "second"],
    None,
    0.1,
    dict.fromkeys(Way, (0,)),
    NOTHING,
)


def picture(version: int, *calls: tuple[str, str, int], epoch: int = 1, valid_for_s: int = 15) -> MQTTMessage:
    state = DisplayState(
        area="general",
        area_name="Wartezimmer",
        epoch=epoch,
        version=version,
        at=NOON,
        calls=tuple(DisplayCall(label=c[0], room=c[1], called_at=NOON, times_called=c[2]) for c in calls),
        waiting_count=0,
    )
    message = MQTTMessage()
    message.payload = state.model_dump_json().encode()
    message.properties = Properties(PacketTypes.PUBLISH)
    message.properties.MessageExpiryInterval = valid_for_s
    return message


@pytest.fixture
def display(tmp_path: Path) -> Display:
    return Display(PrivateMosquitto(tmp_path, "demo"))


async def test_a_display_drops_an_older_picture_and_takes_one_of_a_new_epoch(display: Display) -> None:
    for message in (picture(7, *CALLED), picture(6), picture(1, epoch=2)):
        display._take(None, None, message)  # type: ignore[arg-type]
    assert [(shown.order, shown.picture) for shown in display.shown] == [((1, 7), CALLED), ((2, 1), ())]


async def test_a_display_shows_nothing_when_the_time_of_its_picture_is_over(display: Display) -> None:
    display._take(None, None, picture(1, *CALLED))  # type: ignore[arg-type]
    assert display.now is not None
    display._take(None, None, picture(2, *CALLED, valid_for_s=0))  # type: ignore[arg-type]
    assert display.now is None


async def test_a_picture_was_so_only_while_it_was_so(display: Display) -> None:
    display._take(None, None, picture(1, *CALLED))  # type: ignore[arg-type]
    (shown,) = display.shown
    truth = Truth()
    truth.becomes((), NOON - timedelta(minutes=2), NOON - timedelta(minutes=2))
    truth.becomes(CALLED, NOON - timedelta(seconds=2), NOON - timedelta(seconds=1))
    assert truth.was_so(shown)
    assert not truth.was_so(replace(shown, read_at=NOON - timedelta(seconds=3))), "before it was called"
    assert not truth.was_so(replace(shown, picture=(("A2", "Zimmer 1", 1),)))
    truth.becomes((), NOON - timedelta(seconds=0.5), NOON - timedelta(seconds=0.4))
    assert not truth.was_so(shown), "after the call was over"


@pytest.mark.parametrize(
    ("lie", "what"),
    [
        ({"sheets": ["second"], "after_power": ["second"]}, "did not come out"),
        ({"sheets": ["?", "second"], "after_power": ["?", "second"]}, "did not come out"),
        ({"when_not_printed": ["?"]}, "said NOT_PRINTED"),
        ({"first": PrintState.EXPIRED}, "is expired"),
        ({"second": PrintState.UNKNOWN}, "next patient"),
        ({"after_power": ["first", "second", "first"]}, "power was back"),
    ],
)
def test_what_a_printer_is_said_to_have_done_and_did_not_is_found(lie: dict[str, object], what: str) -> None:
    assert any(what in problem for problem in replace(PRINTED, **lie).problems())  # type: ignore[arg-type]


def test_a_printer_of_which_all_is_true_has_no_problem() -> None:
    assert PRINTED.problems() == []
    assert PRINTED.doubled == 0
    assert replace(PRINTED, after_power=["first", "first", "second"]).doubled == 1


def test_half_a_ticket_is_not_a_ticket() -> None:
    whole = "Praxis am Markt\n\nIhre Nummer\nA1\nWartezimmer\n09:40\n\nDanke."
    assert _ticket_of(whole) == "first"
    assert _ticket_of(whole.replace("A1", "B2")) == "second"
    assert _ticket_of(whole.replace("Danke.", "")) == "?"

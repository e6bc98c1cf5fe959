"""A station on a machine of its own says that it is there, and how it is."""

from __future__ import annotations

from datetime import timedelta

from kioskd.health import Health, Kind, Part, State, Why
from kioskd.ports import DeviceReport
from kioskd.station.pulse import EVERY_S, Pulse
from tests.people import NOW

FULL = Part("disk", Kind.DISK, State.TROUBLE, Why.SHORT_OF_SPACE, "12 MB", NOW)
STUCK = Part("station database", Kind.STORE, State.FAILED, Why.REFUSES, "locked", NOW)
AWAY = Part("hub", Kind.HUB, State.TROUBLE, Why.AWAY, "", NOW)
PAPER = Part("device tickets", Kind.DEVICE, State.TROUBLE, Why.NOT_READY, "paper-out", NOW)


def test_it_is_said_at_once_again_in_time_and_when_it_changes() -> None:
    noted: list[DeviceReport] = []
    now_s = 0.0
    pulse = Pulse("entrance", noted.append, lambda: now_s)
    pulse(Health(NOW))
    pulse(Health(NOW))
    assert noted == [DeviceReport("entrance", "kiosk-pc", "station", "ready", "", NOW)]
    now_s = EVERY_S
    pulse(Health(NOW + timedelta(seconds=10)))
    assert noted[1:] == noted[:1], "ready since the beginning"
    later = NOW + timedelta(seconds=11)
    pulse(Health(later, (FULL,)))
    pulse(Health(later, (FULL, STUCK)))
    assert [(r.state, r.what, r.since) for r in noted[2:]] == [
        ("needs-attention", "station-short-of-space", later),
        ("unavailable", "station-refuses", later),
    ]


def test_what_the_desk_hears_otherwise_is_not_said_here() -> None:
    noted: list[DeviceReport] = []
    Pulse("entrance", noted.append, lambda: 0.0)(Health(NOW, (AWAY, PAPER)))
    assert [report.state for report in noted] == ["ready"]

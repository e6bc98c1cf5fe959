"""What the desk hears of a device beside its state: what it is, how good its proofs are, what it needs soon."""

from __future__ import annotations

from datetime import timedelta

from kioskd.config import DeviceConfig
from kioskd.core.printing import PrinterNote, ProofKind
from kioskd.errors import DeviceUnavailable
from kioskd.ports import DeviceReport, PrinterStatus
from kioskd.station.devices.registry import DisabledDevice
from kioskd.station.devices.supervisor import NEEDS_ATTENTION, READY, Facts, ManagedDevice
from kioskd.station.devices.telling import DeviceTelling
from tests.fakes import Clock, PaperPrinter
from tests.people import NOW
from tests.station.conftest import Front

BLOCK = DeviceConfig.model_validate(
    {
        "name": "bands",
        "driver": "zpl",
        "at": "desk",
        "place": "Room 2",
        "roll_sheets": 200,
        "port": "tcp://10.0.0.30:9100",
    }
)


class Desk:
    """One device, its telling, and what was told of it."""

    def __init__(self) -> None:
        self.told: list[DeviceReport] = []
        self.clock = Clock(NOW)
        self.telling = DeviceTelling("entrance", [BLOCK], self.told.append, self.clock)
        self.device = ManagedDevice("bands", "wristband-printer", PaperPrinter(), self.telling.tell)

    async def learn(self, **facts: object) -> None:
        await self.device.learn(Facts(**facts))  # type: ignore[arg-type]


async def test_a_report_has_what_the_site_file_says_and_what_the_printer_says() -> None:
    desk = Desk()
    await desk.device.change(READY, "")
    await desk.learn(model="ZD510", proof=ProofKind.ODOMETER, odometer=41, notes=("ribbon-low",))
    assert desk.told[-1] == DeviceReport(
        "entrance",
        "bands",
        "wristband-printer",
        READY,
        "",
        NOW,
        "ZD510",
        ProofKind.ODOMETER,
        41,
        ("ribbon-low",),
        is_staff_side=True,
        place="Room 2",
        line="tcp://10.0.0.30:9100",
        roll_sheets=200,
    )


async def test_the_odometer_is_told_again_after_ten_labels_only() -> None:
    desk = Desk()
    for count in range(100, 121):
        await desk.learn(odometer=count)
    assert [report.odometer for report in desk.told] == [100, 110, 120]


async def test_an_odometer_that_went_back_is_told() -> None:
    desk = Desk()
    for count in (500, 3, 4):
        await desk.learn(odometer=count)
    assert [report.odometer for report in desk.told] == [500, 3]


async def test_since_is_when_it_came_to_be_so_whatever_it_says_of_itself() -> None:
    desk = Desk()
    await desk.device.change(NEEDS_ATTENTION, "paper-out")
    desk.clock.now += timedelta(minutes=5)
    await desk.learn(model="ZD510")
    await desk.device.change(READY, "")
    assert [report.since - NOW for report in desk.told] == [timedelta(), timedelta(), timedelta(minutes=5)]


async def test_nothing_new_is_no_report() -> None:
    desk = Desk()
    for _ in range(3):
        await desk.device.change(READY, "")
        await desk.learn(model="ZD510", proof=ProofKind.FENCE)
    assert len(desk.told) == 2


async def test_a_device_that_is_disabled_is_told_with_its_place() -> None:
    desk = Desk()
    desk.telling.tell_disabled(DisabledDevice("bands", "wristband-printer", "zpl", "switched off in the site file"))
    assert (desk.told[0].state, desk.told[0].place) == ("disabled", "Room 2")


class Telling(PaperPrinter):
    """A printer that says everything while it is well, and less when it is not."""

    status_now = PrinterStatus(True, None, True, 41, ProofKind.ODOMETER, "ZD510", (PrinterNote.RIBBON_LOW,))

    def status(self) -> PrinterStatus:
        self.asked.append(self.status_now)
        if len(self.asked) > 2:
            raise DeviceUnavailable("bands", "is gone")
        return self.status_now

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[PrinterStatus] = []


async def test_the_print_queue_tells_what_a_printer_says(front: Front) -> None:
    desk, printer = Desk(), Telling()
    desk.device.device = printer
    front.queue.wake("bands")
    try:
        await front.queue.work(desk.device)
    except DeviceUnavailable:
        told = desk.told[-1]
    assert (told.model, told.proof, told.odometer, told.notes) == ("ZD510", ProofKind.ODOMETER, 41, ("ribbon-low",))
    assert front.queue.told("bands").proof is ProofKind.ODOMETER

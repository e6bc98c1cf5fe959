"""The words about a device for the desk: how it is, what it says of itself, and what the site file says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from kioskd.config import DeviceConfig
from kioskd.ports import DeviceReport
from kioskd.station.devices.registry import DisabledDevice
from kioskd.station.devices.supervisor import DISABLED, Facts, ManagedDevice


class DeviceTelling:
    """Makes the reports of one station. ``note`` takes each; ``clock`` is the machine's own, for staff to read.

    ``since`` is when a device came to be as it is: what it says of itself may change without that.
    """

    def __init__(
        self,
        station: str,
        blocks: Sequence[DeviceConfig],
        note: Callable[[DeviceReport], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._station = station
        self._blocks = {block.name: block for block in blocks}
        self._note = note
        self._clock = clock
        self._since: dict[str, tuple[str, str, datetime]] = {}

    async def tell(self, device: ManagedDevice) -> None:
        """A device that can be used, as it is now."""
        self._note(self._report(device.name, device.kind, device.state, device.what, device.facts))

    def tell_disabled(self, device: DisabledDevice) -> None:
        """A device of the site file that can't be used, and why."""
        self._note(self._report(device.name, device.kind, DISABLED, device.what, Facts()))

    def _report(self, name: str, kind: str, state: str, what: str, facts: Facts) -> DeviceReport:
        block = self._blocks.get(name)
        return DeviceReport(
            station=self._station,
            device=name,
            kind=kind,
            state=state,
            what=what,
            since=self._since_when(name, state, what),
            model=facts.model,
            proof=facts.proof,
            odometer=facts.odometer,
            notes=facts.notes,
            is_staff_side=block is not None and block.at == "desk",
            place=block.place if block else "",
            line=str(block.driver_keys.get("port", "")) if block else "",
            roll_sheets=block.roll_sheets if block else 0,
        )

    def _since_when(self, name: str, state: str, what: str) -> datetime:
        before = self._since.get(name)
        since = self._clock() if before is None or before[:2] != (state, what) else before[2]
        self._since[name] = (state, what, since)
        return since

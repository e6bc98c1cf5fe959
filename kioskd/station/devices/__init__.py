"""Running hardware: the driver registry, one thread per device, and the supervisor that opens it again and again."""

from kioskd.station.devices.registry import DisabledDevice, driver_names, find_devices
from kioskd.station.devices.supervisor import ManagedDevice

__all__ = ["DisabledDevice", "ManagedDevice", "driver_names", "find_devices"]

"""Chip-card readers over PC/SC: any reader that the machine's pcscd knows.

``reader``           the device: our own status loop over ``smartcard.scard``
``conversation``     one card, held exclusively, and the commands that it is asked
``watchdog``         a deadline for calls that have none
``contactless``      cards by radio: which of them say nothing, and why
``outcomes``         PC/SC's error codes, and what they are for the daemon
``virtual``          a simulated card in pcscd's virtual reader (vpcd), as a program
``virtual_process``  that program, driven from another process

::

    [[device]]
    name = "reader"
    driver = "pcsc"
    reader = "REINER SCT *"     # optional; default: the first reader there is
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from kioskd.errors import ConfigError, DeviceUnavailable
from kioskd.ports import CardKind, Device, DriverConfig

_SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"


class PcscConfig(DriverConfig):
    """The keys of a ``pcsc`` device."""

    reader: str = "*"
    """Name of the reader as pcscd lists it (``pcsc_scan -r``), or a shell pattern of it; the first match is used.
    The numbers at its end (`` 00 00``) may be left out, and may change when it is plugged in again."""
    socket: str | None = None
    """Where pcscd listens, if not at its usual place. libpcsclite reads this once in the life of a process, so it
    holds for the whole process: two readers of one station can't have two different sockets."""


class PcscDriver:
    """A ``ports.Driver`` for chip-card readers."""

    title: ClassVar[str] = "PC/SC chip-card reader"
    kind: ClassVar[str] = "card-reader"
    config: ClassVar[type[DriverConfig]] = PcscConfig

    def create(self, name: str, config: Any, card_kinds: Sequence[CardKind]) -> Device:
        """The reader, not yet open. Raises ConfigError (a second socket) or DeviceUnavailable (no pyscard)."""
        if config.socket is not None:
            _use_socket(name, config.socket)
        try:
            from drivers.pcsc.reader import PcscReader
        except ImportError as error:
            raise DeviceUnavailable(name, f"pyscard or libpcsclite1 can't be loaded ({error}); install both") from error
        return PcscReader(name, config.reader, card_kinds)


def _use_socket(name: str, socket: str) -> None:
    """Make libpcsclite use ``socket``: through the environment, which it looks at on its first connection only."""
    is_too_late = "smartcard.scard" in sys.modules and os.environ.get(_SOCKET_VARIABLE) != socket
    if is_too_late:
        raise ConfigError(
            f"device {name}: socket = {socket!r}, but this process already uses the pcscd at "
            f"{os.environ.get(_SOCKET_VARIABLE, 'its usual place')}; give all card readers the same socket"
        )
    os.environ[_SOCKET_VARIABLE] = socket

"""A serial or USB cable in software: a device file (a pty behind a stable name) that leads to a TCP port."""

from __future__ import annotations

import os
import select
import socket
import threading
import tty
from pathlib import Path


class Cable:
    """Between ``path``, as udev would name it, and 127.0.0.1:``port``. ``plug`` and ``unplug`` from any thread."""

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self._port = port
        self._carrier: threading.Thread | None = None
        self._pull = -1
        self.plug()

    def plug(self) -> None:
        """A new device file under the old name."""
        near, far = os.openpty()  # far stays open: a pty that nobody has open reads as one that is gone
        tty.setraw(far)
        pulled, self._pull = os.pipe()
        line = socket.create_connection(("127.0.0.1", self._port), 5)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._carrier = threading.Thread(target=_carry, args=(near, far, line, pulled), daemon=True)
        self._carrier.start()
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(far))

    def unplug(self) -> None:
        """The device file goes, and who has it open hears of it. MAY be called twice."""
        self.path.unlink(missing_ok=True)
        if self._carrier is not None:
            os.close(self._pull)
            self._carrier.join(10)
            self._carrier = None


def _carry(near: int, far: int, line: socket.socket, pulled: int) -> None:
    """Both ways, until the cable is pulled or the printer is off."""
    poll = select.poll()
    for end in (near, line.fileno(), pulled):
        poll.register(end, select.POLLIN)
    try:
        while True:
            ready = [end for end, _ in poll.poll()]
            if pulled in ready:
                return
            if near in ready:
                line.sendall(os.read(near, 4096))
            if line.fileno() in ready:
                data = line.recv(4096)
                if not data:
                    return
                while data:
                    data = data[os.write(near, data) :]
    except OSError:
        return  # the printer reset the connection: for the driver that is a pulled cable
    finally:
        line.close()
        for end in (far, near, pulled):
            os.close(end)

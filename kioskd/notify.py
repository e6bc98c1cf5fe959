"""Tells systemd how the daemon is (sd_notify(3)): one datagram to the socket that ``NOTIFY_SOCKET`` names."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)


_unheard: set[str] = set()
"""What could not be told and was said in the log: once each, a ping every few seconds too."""


def notify(state: str) -> None:
    """Send ``READY=1``, ``STOPPING=1``, ``WATCHDOG=1`` or ``STATUS=words``; nothing when systemd did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    what = state.partition("=")[0]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(1.0)
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.sendall(state.encode())
        _unheard.discard(what)
    except OSError as error:
        if what not in _unheard:
            log.warning("systemd could not be told %s: %s", what, error.strerror or type(error).__name__)
        _unheard.add(what)

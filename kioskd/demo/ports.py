"""TCP ports for a private front desk: free now, and kept from every other one on this machine until it is over."""

from __future__ import annotations

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"


class Lease:
    """A port that is ours also while nobody listens on it yet, or any more: the daemon behind it may be killed.

    Held as a name among the abstract Unix sockets, which goes with the process. Other programs do not know of it.
    """

    def __init__(self, port: int, name: socket.socket) -> None:
        self.port = port
        self._name = name

    @classmethod
    def take(cls, port: int) -> Lease | None:
        """None when the port is leased, or somebody listens on it."""
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0kioskd-port-{port}")
            _listen_for_a_moment(port)
        except OSError:
            name.close()
            return None
        return cls(port, name)

    def end(self) -> None:
        self._name.close()


def _listen_for_a_moment(port: int) -> None:
    """Raises OSError when somebody else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before do not count
        probe.bind((HOST, port))


def lease_ports(count: int, wished: list[int]) -> list[Lease]:
    """The ``wished`` ports when all of them are free, else any."""
    leases = [lease for port in wished if (lease := Lease.take(port)) is not None]
    if wished and len(leases) == len(wished):
        return leases
    for lease in leases:
        lease.end()
    leases = []
    while len(leases) < count:
        lease_or_none = Lease.take(_random_port())
        if lease_or_none is not None:
            leases.append(lease_or_none)
    return leases


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody uses or has leased, below those that the kernel gives to outgoing connections.

    A broker that is restarted needs its port again: one from the outgoing range may meanwhile be somebody's source
    port, even of the client that tries to reconnect to it (a TCP connection to itself).
    """
    leases = lease_ports(count, [])
    for lease in leases:
        lease.end()
    return [lease.port for lease in leases]


def _random_port() -> int:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return random.randrange(10_000, max(first_outgoing, 11_000))  # noqa: S311 - not a secret

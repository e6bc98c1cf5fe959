"""Ports of a private front desk: two of them at once never get the same ones."""

import socket

from kioskd.demo.ports import HOST, Lease, free_ports, lease_ports


def test_a_leased_port_is_nobody_elses_until_the_lease_ends() -> None:
    [port] = free_ports(1)
    lease = Lease.take(port)
    assert lease is not None
    assert Lease.take(port) is None
    lease.end()
    again = Lease.take(port)
    assert again is not None
    again.end()


def test_its_owner_can_listen_on_a_leased_port() -> None:
    [lease] = lease_ports(1, [])
    with socket.create_server((HOST, lease.port)):
        pass
    lease.end()


def test_a_port_on_which_somebody_listens_can_not_be_leased() -> None:
    with socket.create_server((HOST, 0)) as server:
        assert Lease.take(server.getsockname()[1]) is None


def test_the_wished_ports_are_given_whole_or_not_at_all() -> None:
    wished = free_ports(3)
    first, second = lease_ports(3, wished), lease_ports(3, wished)
    try:
        assert [lease.port for lease in first] == wished
        assert not {lease.port for lease in second} & set(wished)
        assert len({lease.port for lease in second}) == 3
    finally:
        for lease in (*first, *second):
            lease.end()

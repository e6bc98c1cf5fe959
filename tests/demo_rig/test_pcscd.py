"""The private pcscd: several side by side, nothing on the host, nothing left behind.

Clients run in processes of their own here: libpcsclite takes its socket from the environment once in a process.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kioskd.demo.pcscd import PORT, PrivatePcscd
from kioskd.errors import StartRefused

READ = """
import sys
from drivers.cards.egk import Egk
from drivers.pcsc import PcscConfig, PcscDriver
reader = PcscDriver().create("reader", PcscConfig(socket=sys.argv[1]), [Egk()])
reader.open()
print(reader.read_card().family if reader.wait_for_card(float(sys.argv[2])) else "no card")
"""

START = """
import sys
from kioskd.demo.pcscd import PrivatePcscd
rig = PrivatePcscd()
rig.start()
print(rig.namespace_pid, rig.socket_path, flush=True)
sys.stdin.read()
rig.stop()
"""

REFUSED = """
from kioskd.demo.pcscd import PrivatePcscd
from kioskd.errors import StartRefused
try:
    PrivatePcscd().start()
except StartRefused as refusal:
    print(refusal)
"""


def run(code: str, *arguments: str, prefix: tuple[str, ...] = ()) -> str:
    command = [*prefix, sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


def read_card(rig: PrivatePcscd, within_s: float = 10) -> str:
    return run(READ, str(rig.socket_path), str(within_s))


@pytest.fixture
def rig() -> Iterator[PrivatePcscd]:
    rig = PrivatePcscd()
    try:
        rig.start()
    except StartRefused as refusal:
        if os.environ.get("CI"):
            pytest.fail(f"the rig must start in CI: {refusal}")
        pytest.skip(str(refusal))
    yield rig
    rig.stop()


def listening_ports(pid: int | str) -> set[int]:
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}


def test_a_card_in_it_can_be_read(rig: PrivatePcscd) -> None:
    from drivers.pcsc.virtual_process import VirtualCardProcess

    with VirtualCardProcess(rig.namespace_pid, rig.port) as hand:
        hand.insert("leyla-demir")
        assert read_card(rig) == "Demir"


def test_it_listens_in_its_own_network_only(rig: PrivatePcscd) -> None:
    assert listening_ports(rig.namespace_pid) == {PORT, PORT + 1}
    assert os.readlink(f"/proc/{rig.namespace_pid}/ns/net") != os.readlink("/proc/self/ns/net")


def test_two_run_side_by_side_and_do_not_see_each_others_card(rig: PrivatePcscd) -> None:
    from drivers.pcsc.virtual_process import VirtualCardProcess

    with PrivatePcscd() as other, VirtualCardProcess(other.namespace_pid, other.port) as hand:
        hand.insert("samuel-okafor")
        assert read_card(other) == "Okafor"
        assert read_card(rig, within_s=0.5) == "no card"


def test_after_a_crash_it_starts_again_at_the_same_place(rig: PrivatePcscd) -> None:
    before = (rig.socket_path, rig.namespace_pid)
    rig.kill()
    assert listening_ports(rig.namespace_pid) == set()
    rig.restart()
    assert (rig.socket_path, rig.namespace_pid) == before
    assert listening_ports(rig.namespace_pid) == {PORT, PORT + 1}
    assert read_card(rig, within_s=0) == "no card"


def test_without_its_reader_it_goes_on_and_gets_it_back(rig: PrivatePcscd) -> None:
    rig.unplug()
    assert listening_ports(rig.namespace_pid) == set()
    with pytest.raises(subprocess.CalledProcessError) as failure:
        read_card(rig)
    assert "there is none; is it plugged in?" in failure.value.stderr
    rig.restart()
    assert read_card(rig, within_s=0) == "no card"


def test_nothing_is_left_after_stop(rig: PrivatePcscd) -> None:
    watched, folder = os.pidfd_open(rig.namespace_pid), rig.socket_path.parents[1]
    rig.stop()
    rig.stop()
    assert select.select([watched], [], [], 5)[0]
    os.close(watched)
    assert not folder.exists()


def test_a_rig_that_is_not_started_says_so() -> None:
    rig = PrivatePcscd()
    for ask in (rig.restart, rig.kill, lambda: rig.socket_path):
        with pytest.raises(StartRefused, match="not started"):
            ask()


def test_everything_ends_and_is_cleared_away_when_its_parent_is_killed(rig: PrivatePcscd) -> None:
    parent = subprocess.Popen([sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin is not None
    assert parent.stdout is not None
    pid, socket_path = parent.stdout.readline().split()
    watched = os.pidfd_open(int(pid))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert select.select([watched], [], [], 5)[0]
    assert not Path(socket_path).parents[1].exists()
    os.close(watched)
    parent.stdin.close()
    parent.stdout.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_it_needs_no_root(rig: PrivatePcscd) -> None:
    # A shell in between: setpriv still has root's rights when it starts what it is given.
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", 'exec "$@"', "sh")
    if subprocess.run([*nobody, "unshare", "--map-root-user", "--net", "true"], check=False).returncode:
        pytest.skip("this kernel gives users no namespaces")
    if subprocess.run([*nobody, sys.executable, "-c", "import smartcard, kioskd"], check=False).returncode:
        pytest.skip("other users can't run this Python")
    assert run(START.replace("sys.stdin.read()", ""), prefix=nobody)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to hide a file")
@pytest.mark.parametrize(
    ("hide", "package"),
    [
        (f"mount --bind /dev/null {shutil.which('pcscd', path='/usr/sbin:/usr/bin')}", "apt-get install pcscd"),
        ("mount -t tmpfs tmpfs /usr/lib/pcsc/drivers", "apt-get install vsmartcard-vpcd"),
    ],
)
def test_what_is_missing_is_named_with_its_package(rig: PrivatePcscd, hide: str, package: str) -> None:
    hidden = ("unshare", "--mount", "sh", "-ec", f'{hide}; exec "$@"', "sh")
    assert package in run(REFUSED, prefix=hidden)

"""The names of devices: udev itself reads the rules and says what it would do with a device that is not there.

umockdev gives it the device; a mount namespace gives it our rules, a group ``kioskd``, and a /dev where links can't do
harm. ``udevadm verify`` would check the words alone, and Debian 12 does not have it yet.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[1] / "systemd" / "99-kioskd.rules"
SEARCH = "/usr/bin:/bin:/usr/sbin:/sbin"
_AT = "/devices/pci0000:00/usb1/1-1"
NODES = {
    "usb/lp0": ("usbmisc", 180, "1-1:1.0/usbmisc/lp0"),
    "ttyACM0": ("tty", 166, "1-1:1.1/tty/ttyACM0"),
    "ttyUSB0": ("tty", 188, "1-1:1.0/ttyUSB0/tty/ttyUSB0"),
    "video0": ("video4linux", 81, "1-1:1.0/video4linux/video0"),
    "input/event7": ("input", 13, "1-1:1.0/input/input9/event7"),
    "hidraw3": ("hidraw", 243, "1-1:1.0/0003:1EAB:0010.0002/hidraw/hidraw3"),
}
IN_A_NAMESPACE = """
set -eu
mount --bind "$1/udev" /etc/udev
mount --bind "$1/group" /etc/group
mount -t tmpfs tmpfs /run
mount --bind /dev/null "$1/dev/null"
mount --rbind "$1/dev" /dev
exec umockdev-run --device="$1/device" -- udevadm test --action="$3" "/sys$2"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for program, package in (("udevadm", "udev"), ("umockdev-run", "umockdev"), ("unshare", "util-linux")):
        if shutil.which(program, path=SEARCH) is None:
            missing = f"{program} is missing: apt-get install {package}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    for made in ("udev/rules.d", "dev"):
        (tmp_path / made).mkdir(parents=True)
    (tmp_path / "dev" / "null").touch()
    (tmp_path / "group").write_text(Path("/etc/group").read_text() + "kioskd:x:7777:\n")
    shutil.copy(RULES, tmp_path / "udev" / "rules.d")
    Path("/etc/udev").mkdir(exist_ok=True)
    return tmp_path


def udev_on(folder: Path, node: str, vendor: str, serial: str = "", action: str = "add", index: int = 0) -> str:
    """What udev says that it would do with a USB device of a maker at ``node``."""
    subsystem, major, path = NODES[node]
    number = f"A: serial={serial}\\n\n" if serial else ""
    (folder / "device").write_text(
        f"P: {_AT}\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nA: idVendor={vendor}\\n\nA: idProduct=0e15\\n\n{number}\n"
        f"P: {_AT}/{path}\nE: DEVNAME=/dev/{node}\nE: SUBSYSTEM={subsystem}\nE: MAJOR={major}\nE: MINOR=0\n"
        f"A: index={index}\\n\n"
    )
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", *as_root, "--mount", "sh", "-c", IN_A_NAMESPACE, "try", str(folder), f"{_AT}/{path}", action]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "PATH": SEARCH}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def ours(said: str) -> str:
    return "\n".join(line for line in said.splitlines() if RULES.name in line)


@pytest.mark.parametrize(
    ("node", "vendor", "name"),
    [
        ("usb/lp0", "04b8", "ticket-printer"),
        ("usb/lp0", "0519", "ticket-printer"),
        ("usb/lp0", "0a5f", "wristband-printer"),
        ("usb/lp0", "1203", "wristband-printer"),
        ("ttyACM0", "0c2e", "scanner"),
        ("input/event7", "05e0", "scanner-keys"),
        ("hidraw3", "1eab", "scanner-hid"),
        ("video0", "046d", "camera"),
    ],
)
def test_a_device_gets_its_name_and_the_daemon_may_open_it(folder: Path, node: str, vendor: str, name: str) -> None:
    said = udev_on(folder, node, vendor)
    assert re.search(rf"LINK 'kioskd/{name}'$", ours(said), re.MULTILINE), said
    assert "GROUP 7777" in ours(said)
    assert "MODE 0660" in ours(said)
    assert re.search(rf"DEVLINKS=.*/dev/kioskd/{name}\b", said)


def test_two_printers_of_a_kind_are_told_apart_by_their_serial_numbers(folder: Path) -> None:
    said = udev_on(folder, "usb/lp0", "04b8", serial="X4ZB012345")
    assert "LINK 'kioskd/ticket-printer-X4ZB012345'" in ours(said)


@pytest.mark.parametrize(
    ("node", "name"),
    [("ttyACM0", "scanner"), ("input/event7", "scanner-keys"), ("hidraw3", "scanner-hid")],
)
def test_two_scanners_are_told_apart_by_their_serial_numbers(folder: Path, node: str, name: str) -> None:
    said = udev_on(folder, node, "0c2e", serial="20171B4F3C")
    assert f"LINK 'kioskd/{name}-20171B4F3C'" in ours(said)


def test_what_a_scanner_types_goes_into_no_page(folder: Path) -> None:
    assert "LIBINPUT_IGNORE_DEVICE=1" in udev_on(folder, "input/event7", "0c2e")


def test_the_node_of_a_camera_that_gives_pictures_is_the_one(folder: Path) -> None:
    assert "LINK 'kioskd/camera-20171B4F3C'" in ours(udev_on(folder, "video0", "046d", serial="20171B4F3C"))
    assert "LINK" not in ours(udev_on(folder, "video0", "046d", index=1))


@pytest.mark.parametrize(
    ("node", "vendor"),
    [
        ("usb/lp0", "03f0"),
        ("ttyACM0", "2341"),
        ("ttyUSB0", "0403"),
        ("input/event7", "046d"),
        ("hidraw3", "046d"),
        ("video0", "03f0"),
    ],
)
def test_nobody_elses_device_is_touched(folder: Path, node: str, vendor: str) -> None:
    said = udev_on(folder, node, vendor)
    assert ours(said) == f"Reading rules file: /etc/udev/rules.d/{RULES.name}"


def test_udev_understands_every_line_and_would_say_so_if_not(folder: Path) -> None:
    file = folder / "udev" / "rules.d" / RULES.name
    wrong = re.compile(rf"{RULES.name}:\d+ (?!GROUP |MODE |LINK )")
    assert not wrong.search(udev_on(folder, "usb/lp0", "04b8", action="remove"))
    assert not wrong.search(udev_on(folder, "usb/lp0", "04b8"))
    file.write_text(file.read_text().replace('MODE="0660"', 'MODUS="0660"', 1))
    assert wrong.search(udev_on(folder, "usb/lp0", "04b8"))


def test_the_rules_that_stand_there_as_examples_are_good_ones(folder: Path) -> None:
    file = folder / "udev" / "rules.d" / RULES.name
    file.write_text(re.sub(r"^#( *(?:SUBSYSTEM|GROUP|ENV).*)$", r"\1", file.read_text(), flags=re.MULTILINE))
    said = udev_on(folder, "ttyUSB0", "0403", serial="A10K3XYZ")
    assert "LINK 'kioskd/ticket-printer'" in ours(said)

"""The camera as the daemon has it: a capture process, and everything that can happen to it."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp

from drivers.camera import CameraConfig, CameraDriver
from drivers.camera.camera import CaptureCamera
from drivers.camera.virtual import VirtualCamera
from kioskd.errors import DeviceUnavailable
from kioskd.ports import Camera, CameraPicture, CardPhoto, Guidance, ScannedCode
from kioskd.station.devices.supervisor import ManagedDevice
from tests.drivers.camera.scenes import Picture, card, code, desk, file_of, held

WITHIN_S = 60.0
"""Patience with a busy machine; nothing waits that long on an idle one."""
FIRST, SECOND = b"https://praxis.example/t/FIRST", b"https://praxis.example/t/SECOND"


def new_camera(source: str, frames_within_s: float = 30.0, **keys: object) -> CaptureCamera:
    config = CameraConfig.model_validate({"source": source, **keys})
    created = CameraDriver().create("camera", config, [])
    assert isinstance(created, CaptureCamera)
    return CaptureCamera("camera", created.settings, config.frozen_after_s, frames_within_s)


@dataclass
class Booth:
    """An open camera and the hands before it."""

    hands: VirtualCamera
    camera: CaptureCamera
    opened: list[CaptureCamera] = field(default_factory=list)

    def hold_up(self, what: Picture) -> None:
        self.hands.hold_up(file_of(what))

    def next_code(self, within_s: float = WITHIN_S) -> ScannedCode | None:
        return self.camera.wait_for_code(within_s)


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Booth]:
    hands = VirtualCamera(tmp_path)
    camera = new_camera(hands.source)
    camera.open()
    yield Booth(hands, camera)
    camera.close()


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., str]:
    """Makes a source of these pictures, each shown for a tenth of a second so many times."""

    def made(*scenes: tuple[Picture, int]) -> str:
        number = 0
        for picture, times in scenes:
            for _ in range(times):
                (tmp_path / f"{number:04}.png").write_bytes(file_of(picture))
                number += 1
        return f"file:{tmp_path}"

    return made


@pytest.fixture
def opened() -> Iterator[Callable[[CaptureCamera], CaptureCamera]]:
    """Opens cameras and closes them in the end."""
    cameras: list[CaptureCamera] = []

    def opened(camera: CaptureCamera) -> CaptureCamera:
        cameras.append(camera)
        camera.open()
        return camera

    yield opened
    for camera in cameras:
        camera.close()


def data_of(scanned: ScannedCode | None) -> bytes | None:
    return scanned.data if scanned else None


def unavailable(camera: CaptureCamera, within_s: float = WITHIN_S) -> str:
    """What it says when it is found unusable."""
    with pytest.raises(DeviceUnavailable) as end:
        camera.wait_for_code(within_s)
    return end.value.what


def test_a_camera_keeps_the_port() -> None:
    assert isinstance(new_camera("file:/nowhere.png"), Camera)


def test_codes_that_are_held_up_come_byte_for_byte_each_once(booth: Booth) -> None:
    licence = b"@\n\x1e\rANSI 636000100002DL00410278DLDAQ1234"
    booth.hold_up(card(FIRST))
    assert booth.next_code() == ScannedCode(FIRST, "]Q1")
    assert booth.next_code(1.5) is None
    booth.hold_up(code(licence, zxingcpp.BarcodeFormat.PDF417, 3))
    assert booth.next_code() == ScannedCode(licence, "]L2")
    assert booth.camera.wait_for_code(0) is None


def test_a_film_with_two_codes_one_of_them_twice_gives_three(
    film: Callable[..., str], opened: Callable[[CaptureCamera], CaptureCamera]
) -> None:
    first, second = held(card(FIRST)), held(card(SECOND))
    camera = opened(new_camera(film((desk(), 2), (first, 9), (desk(), 28), (first, 8), (second, 8), (desk(), 3))))
    read: list[bytes] = []
    while len(read) < 3 and (scanned := camera.wait_for_code(WITHIN_S)):
        read.append(scanned.data)
    assert read == [FIRST, FIRST, SECOND]
    assert "film is over" in unavailable(camera)


def test_what_was_read_before_it_was_switched_is_dropped(booth: Booth) -> None:
    booth.camera.set_enabled(False)
    booth.hold_up(card(FIRST))
    assert booth.next_code(1.5) is None
    booth.camera.set_enabled(True)
    assert data_of(booth.next_code()) == FIRST
    booth.hold_up(card(SECOND))
    assert select.select([booth.camera.line], [], [], WITHIN_S)[0]
    booth.camera.set_enabled(True)
    assert booth.next_code(1.0) is None


def first_look(camera: CaptureCamera, is_it: Callable[[CameraPicture], bool] = lambda seen: True) -> CameraPicture:
    until_s = time.monotonic() + WITHIN_S
    while time.monotonic() < until_s:
        seen = camera.look()
        if seen is not None and is_it(seen):
            return seen
        camera.wait_for_code(0.1)
    pytest.fail("no such picture")


def test_who_looks_sees_fresh_pictures_and_what_to_do(booth: Booth) -> None:
    assert booth.camera.look() is None
    booth.hold_up(np.pad(card(), 700, constant_values=90))
    seen = first_look(booth.camera, lambda seen: seen.guidance is Guidance.CLOSER)
    picture = cv2.imdecode(np.frombuffer(seen.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape == (360, 640)
    assert first_look(booth.camera, lambda later: later.number > seen.number).jpeg != seen.jpeg
    assert repr(seen).count("jpeg") == 0


def test_there_is_nothing_to_see_while_it_is_switched_off_or_closed(booth: Booth) -> None:
    first_look(booth.camera)
    booth.camera.set_enabled(False)
    until_s = time.monotonic() + WITHIN_S
    while booth.camera.look() is not None and time.monotonic() < until_s:
        booth.camera.wait_for_code(0.1)
    assert booth.camera.look() is None
    booth.camera.close()
    assert booth.camera.look() is None


def test_a_photo_of_a_card_is_taken_also_while_no_code_is_asked_for(booth: Booth) -> None:
    booth.camera.set_enabled(False)
    assert booth.camera.capture_card(0.3) is None
    booth.hold_up(card(FIRST))
    photo = booth.camera.capture_card(WITHIN_S)
    assert isinstance(photo, CardPhoto)
    picture = cv2.imdecode(np.frombuffer(photo.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[:2] == (photo.height, photo.width)
    assert booth.camera.wait_for_code(0) is None


# --- what goes wrong


def test_a_process_that_stops_is_noticed_and_the_next_one_reads(
    tmp_path: Path, opened: Callable[[CaptureCamera], CaptureCamera]
) -> None:
    hands = VirtualCamera(tmp_path)
    camera = opened(new_camera(hands.source, frames_within_s=2.0))
    first = camera.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    assert "gives no pictures" in unavailable(camera)
    camera.close()
    assert not Path(f"/proc/{first}").exists()
    hands.hold_up(file_of(card(FIRST)))
    camera = opened(new_camera(hands.source))
    assert data_of(camera.wait_for_code(WITHIN_S)) == FIRST


def test_a_process_that_is_killed_is_named_as_that_and_opening_starts_another(booth: Booth) -> None:
    first = booth.camera.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert "SIGKILL" in unavailable(booth.camera)
    booth.camera.open()
    assert booth.camera.pid != first
    booth.hold_up(card(FIRST))
    assert data_of(booth.next_code()) == FIRST


def test_a_dead_process_is_named_also_by_who_asks_something_of_it(booth: Booth) -> None:
    assert booth.camera.pid is not None
    os.kill(booth.camera.pid, signal.SIGKILL)
    with pytest.raises(DeviceUnavailable, match=r"SIGKILL|does not listen"):
        booth.camera.capture_card(WITHIN_S)
    with pytest.raises(DeviceUnavailable):
        booth.camera.set_enabled(True)


def test_the_same_picture_for_ever_is_a_camera_that_hangs(
    film: Callable[..., str], opened: Callable[[CaptureCamera], CaptureCamera]
) -> None:
    frozen = opened(new_camera(film((held(card()), 1)), loop=True, frozen_after_s=1))
    assert "the very same picture" in unavailable(frozen)


def test_a_covered_lens_is_not_a_camera_that_hangs(
    film: Callable[..., str], opened: Callable[[CaptureCamera], CaptureCamera]
) -> None:
    covered = opened(new_camera(film((np.zeros((720, 1280), np.uint8), 1)), loop=True, frozen_after_s=0.5))
    assert covered.wait_for_code(2.0) is None


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("/dev/v4l/by-id/usb-nobody-video-index0", "there is no /dev/v4l/by-id/usb-nobody"),
        ("/dev/null", "can't be opened as a camera"),
        ("file:/nowhere/film.avi", "there is no /nowhere/film.avi"),
        ("file:/dev", "there are no pictures in /dev"),
        ("file:/dev/null", "no film that can be played"),
    ],
)
def test_what_can_not_be_opened_says_so_at_once(source: str, says: str) -> None:
    camera = new_camera(source)
    with pytest.raises(DeviceUnavailable, match=says):
        camera.open()
    assert camera.pid is None


def test_pictures_that_are_too_small_are_refused_with_their_size(film: Callable[..., str]) -> None:
    small = np.asarray(cv2.resize(held(card()), (320, 240)), np.uint8)
    with pytest.raises(DeviceUnavailable, match=r"320 x 240 pixels, too small"):
        new_camera(film((small, 3))).open()


def test_a_camera_that_is_not_open_says_so() -> None:
    camera = new_camera("file:/nowhere.png")
    camera.close()
    asks: Sequence[Callable[[], object]] = (
        lambda: camera.wait_for_code(0),
        lambda: camera.set_enabled(True),
        lambda: camera.capture_card(0),
    )
    for ask in asks:
        with pytest.raises(DeviceUnavailable, match="not open"):
            ask()


async def test_the_supervisor_has_a_killed_camera_back_and_says_what_happened(tmp_path: Path) -> None:
    hands, told, read = VirtualCamera(tmp_path), list[tuple[str, str]](), asyncio.Queue[bytes]()
    camera = new_camera(hands.source)

    async def report(device: ManagedDevice) -> None:
        told.append((device.state, device.what))

    async def work(device: ManagedDevice) -> None:
        while True:
            if scanned := await device.call(lambda: camera.wait_for_code(1.0), 4.0):
                read.put_nowait(scanned.data)

    device = ManagedDevice("camera", "scanner", camera, report, first_wait_s=0.01)
    life = asyncio.create_task(device.run(work))
    hands.hold_up(file_of(card(FIRST)))
    async with asyncio.timeout(WITHIN_S):
        assert await read.get() == FIRST
        assert camera.pid is not None
        os.kill(camera.pid, signal.SIGKILL)
        hands.hold_up(file_of(card(SECOND)))
        assert await read.get() == SECOND
    life.cancel()
    await asyncio.wait([life])
    assert [state for state, _ in told] == ["ready", "unavailable", "ready"]
    assert "SIGKILL" in told[1][1]


DAEMON = """
import sys
from drivers.camera import CameraConfig, CameraDriver
camera = CameraDriver().create("camera", CameraConfig(source=sys.argv[1]), [])
camera.open()
camera.look()
camera.wait_for_code(0.5)
print(camera.pid, sorted({"cv2", "numpy", "zxingcpp", "pyzbar"} & set(sys.modules)), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "stopped"])
def test_the_capture_process_ends_with_a_killed_daemon_which_never_loaded_opencv(
    tmp_path: Path, is_stopped: bool
) -> None:
    command = [sys.executable, "-c", DAEMON, VirtualCamera(tmp_path).source]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        pid, _, loaded = daemon.stdout.readline().strip().partition(" ")
        watched = os.pidfd_open(int(pid))
        if is_stopped:
            os.kill(int(pid), signal.SIGSTOP)
        daemon.kill()
    assert select.select([watched], [], [], WITHIN_S)[0]
    os.close(watched)
    assert loaded == "[]"

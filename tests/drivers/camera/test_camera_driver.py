"""The declaration, its keys, and the memory that the two processes share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from drivers.camera import CameraConfig, CameraDriver
from drivers.camera.shared import SharedPictures, new_memory
from drivers.codes import DEFAULT_SYMBOLOGIES
from kioskd.ports import Driver, Guidance

DEVICE = "/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_5A9E7D0F-video-index0"


def test_the_declaration_has_the_shape_of_a_driver() -> None:
    driver: Driver = CameraDriver()
    assert driver.kind == "scanner"
    keys = driver.config.model_validate({"source": DEVICE})
    assert isinstance(keys, CameraConfig)
    assert (keys.size, set(keys.symbologies)) == ((1280, 720), DEFAULT_SYMBOLOGIES)


@pytest.mark.parametrize(
    "wrong",
    [{"source": "0"}, {"source": "rtsp://camera"}, {"size": [320, 240]}, {"symbologies": []}, {"fps": 30}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_key_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CameraConfig.model_validate({"source": DEVICE, **wrong})


def test_importing_the_driver_and_kioskd_loads_no_library() -> None:
    code = (
        "import sys, kioskd.app, drivers.camera, drivers.camera.camera, drivers.camera.virtual; "
        "sys.exit(bool({'cv2', 'numpy', 'zxingcpp', 'pyzbar'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=100, check=False).returncode == 0


@pytest.fixture
def two_sides() -> Iterator[tuple[SharedPictures, SharedPictures]]:
    descriptor = new_memory()
    process, daemon = SharedPictures(descriptor), SharedPictures(descriptor)
    os.close(descriptor)
    yield process, daemon
    process.close()
    daemon.close()


def test_the_newest_picture_is_seen_until_it_is_too_old(two_sides: tuple[SharedPictures, SharedPictures]) -> None:
    process, daemon = two_sides
    assert daemon.shown(0) is None
    for number in range(1, 6):
        process.show(b"picture %d" % number, Guidance.CLOSER, number * 100)
        seen = daemon.shown(0)
        assert seen is not None
        assert (seen.jpeg, seen.guidance, seen.number) == (b"picture %d" % number, Guidance.CLOSER, number)
    assert daemon.shown(500) is not None
    assert daemon.shown(501) is None
    process.wipe_shown()
    assert daemon.shown(0) is None


def test_a_picture_that_is_half_written_is_not_seen(two_sides: tuple[SharedPictures, SharedPictures]) -> None:
    process, daemon = two_sides
    process.show(b"whole " * 100, Guidance.GOOD, 1)
    process.show(b"other " * 100, Guidance.GOOD, 2)
    daemon._memory[64 + 50 : 64 + 53] = b"???"
    seen = daemon.shown(0)
    assert seen is not None
    assert seen.jpeg == b"whole " * 100


def test_a_picture_that_is_too_large_is_left_out(two_sides: tuple[SharedPictures, SharedPictures]) -> None:
    process, daemon = two_sides
    process.show(bytes(600_000), Guidance.GOOD, 1)
    assert daemon.shown(0) is None
    assert not process.put_photo(bytes(5_000_000), 1)


def test_a_photo_is_taken_once_and_leaves_nothing(two_sides: tuple[SharedPictures, SharedPictures]) -> None:
    process, daemon = two_sides
    assert process.put_photo(b"a card", 7)
    assert daemon.take_photo(6, 10, 10) is None
    photo = daemon.take_photo(7, 10, 20)
    assert photo is not None
    assert (photo.jpeg, photo.width, photo.height) == (b"a card", 10, 20)
    assert daemon.take_photo(7, 10, 20) is None
    assert b"a card" not in bytes(process._memory[:])


def test_frames_are_counted_with_the_moment_of_the_last_and_of_the_last_that_differed(
    two_sides: tuple[SharedPictures, SharedPictures],
) -> None:
    process, daemon = two_sides
    process.note_frame(100, is_fresh=True)
    process.note_frame(200, is_fresh=False)
    pulse = daemon.pulse()
    assert (pulse.frame, pulse.frame_at_ns, pulse.fresh_at_ns) == (2, 200, 100)


def test_pictures_are_wanted_only_for_a_while_after_somebody_looked(
    two_sides: tuple[SharedPictures, SharedPictures],
) -> None:
    process, daemon = two_sides
    assert not process.is_wanted(0)
    daemon.want_until(50)
    assert process.is_wanted(49)
    assert not process.is_wanted(50)

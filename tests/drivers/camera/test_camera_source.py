from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.camera.source import MOST_BUFFERED, LiveSource, SourceGone, checked, open_source
from tests.drivers.camera.scenes import Picture, card, desk, file_of, held

SIZE = (1280, 720)


def film_of(path: Path, pictures: list[Picture], pictures_per_s: float = 30) -> Path:
    size = (pictures[0].shape[1], pictures[0].shape[0])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), pictures_per_s, size, isColor=False)
    assert writer.isOpened()
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def shades(count: int) -> list[Picture]:
    return [np.full((480, 640), 10 * number, np.uint8) for number in range(count)]


def shade(picture: Picture) -> int:
    return round(float(picture.mean()) / 10)


@pytest.fixture
def live(tmp_path: Path) -> LiveSource:
    """The way of a camera's pictures, with a film in the place of the camera: one that never waits."""
    return LiveSource("/dev/video0", cv2.VideoCapture(str(film_of(tmp_path / "film.avi", shades(24)))))


class SlowCamera:
    """A camera each of whose pictures comes after so many seconds of its own clock."""

    def __init__(self, *waits_s: float) -> None:
        self._waits_s = waits_s
        self.grabbed = 0
        self.now_s = 0.0

    def grab(self) -> bool:
        self.now_s += self._waits_s[self.grabbed]
        self.grabbed += 1
        return True

    def retrieve(self) -> tuple[bool, object]:
        return True, shades(self.grabbed)[-1]


def test_pictures_that_lay_in_the_buffer_are_left_out() -> None:
    camera = SlowCamera(0.03, 0.001, 0.001, 0.02, 0.03)
    source = LiveSource("/dev/video0", camera, lambda: camera.now_s)
    assert shade(source.next(0).picture) == 0
    assert shade(source.next(0).picture) == 3
    assert shade(source.next(0).picture) == 4


def test_pictures_that_nobody_needs_are_left_out() -> None:
    camera = SlowCamera(*[0.03] * 10)
    source = LiveSource("/dev/video0", camera, lambda: camera.now_s)
    assert [shade(source.next(0.1).picture) for _ in range(3)] == [0, 4, 8]


def test_a_camera_that_never_waits_does_not_keep_the_machine_busy(live: LiveSource) -> None:
    first = live.next(0)
    second = live.next(0.3)
    assert second.at_s - first.at_s >= 0.3
    assert shade(second.picture) <= 2 * (MOST_BUFFERED + 2)


def test_a_camera_without_pictures_was_pulled_out(live: LiveSource) -> None:
    with pytest.raises(SourceGone, match="/dev/video0 gives no more pictures; is it plugged in"):
        all(live.next(0) for _ in shades(25))


@dataclass
class LongCable:
    """A camera of which only each n-th picture can be decoded."""

    camera: cv2.VideoCapture
    every: int
    asked: int = 0

    def grab(self) -> bool:
        return self.camera.grab()

    def retrieve(self) -> tuple[bool, object]:
        self.asked += 1
        return (False, None) if self.asked % self.every else self.camera.retrieve()


@pytest.mark.parametrize("every", [3, 100])
def test_a_broken_picture_now_and_then_is_nothing_and_many_are_a_broken_camera(tmp_path: Path, every: int) -> None:
    film = cv2.VideoCapture(str(film_of(tmp_path / "film.avi", shades(24) * 10)))
    source = LiveSource("/dev/video0", LongCable(film, every))
    if every == 3:
        assert source.next(0).picture.shape == (480, 640, 3)
    else:
        with pytest.raises(SourceGone, match="broken pictures"):
            source.next(0)


def test_a_film_is_played_at_its_own_pace_whatever_is_left_out(tmp_path: Path) -> None:
    source = open_source(f"file:{film_of(tmp_path / 'film.avi', shades(20), pictures_per_s=20)}", SIZE, False)
    began_s = time.monotonic()
    frames = [source.next(0.1) for _ in range(10)]
    assert [shade(frame.picture) for frame in frames] == list(range(0, 20, 2))
    assert frames[-1].at_s == pytest.approx(0.9)
    assert time.monotonic() - began_s >= 0.85
    with pytest.raises(SourceGone, match="over"):
        source.next(0.1)


def test_a_film_in_a_loop_goes_on_with_its_clock(tmp_path: Path) -> None:
    source = open_source(f"file:{film_of(tmp_path / 'film.avi', shades(3), pictures_per_s=50)}", SIZE, True)
    frames = [source.next(0) for _ in range(7)]
    assert [shade(frame.picture) for frame in frames] == [0, 1, 2, 0, 1, 2, 0]
    assert frames[-1].at_s == pytest.approx(6 / 50)


def test_a_picture_is_exchanged_while_it_is_looked_at_and_is_never_twice_the_same(tmp_path: Path) -> None:
    file = tmp_path / "held-up.png"
    source = open_source(f"file:{file}", SIZE, False)
    empty = [source.next(0).picture for _ in range(2)]
    assert (empty[0] != empty[1]).any()
    file.write_bytes(file_of(held(card())))
    assert float(source.next(0).picture.astype(int).mean()) > float(empty[0].astype(int).mean()) + 20
    file.write_bytes(b"no picture at all")
    assert float(np.abs(source.next(0).picture.astype(int) - empty[0]).mean()) < 5
    file.unlink()
    assert float(np.abs(source.next(0).picture.astype(int) - empty[0]).mean()) < 5


@pytest.mark.parametrize(
    "strange",
    [None, np.zeros((720, 1280), np.uint16), np.zeros((720, 1280, 3), np.float32), np.zeros(921600, np.uint8)],
    ids=["nothing", "16 bits", "floats", "a row"],
)
def test_a_picture_in_an_unknown_format_is_refused(strange: object) -> None:
    with pytest.raises(SourceGone, match="format"):
        checked(strange, "/dev/video0")


def test_a_picture_with_a_single_channel_is_a_grey_one() -> None:
    assert checked(desk()[:, :, None], "/dev/video0").shape == (720, 1280)

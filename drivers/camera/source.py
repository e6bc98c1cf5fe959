"""Where pictures come from: a camera of Video4Linux, a film, a folder of pictures, or one picture that is exchanged.

Runs in the capture process only, where a read that never returns hurts nobody: see ``drivers.camera.camera``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from drivers.camera.quad import Picture

LEAST_SIZE = (640, 480)
"""Below it no licence can be read; some cameras fall back to less when their USB port is too slow."""
FILE_PREFIX = "file:"
BY_ID = Path("/dev/v4l/by-id")
LIVE_PICTURES_PER_S = 15
FOLDER_PICTURES_PER_S = 10.0
BUFFERED_BELOW_S = 0.004
"""A grab that took less did not wait for the camera: its picture had lain in a buffer since an earlier moment."""
MOST_BUFFERED = 8
MOST_BROKEN = 10
"""Pictures in a row that can't be decoded; one now and then is nothing on a long cable."""
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
DESK_GREY = 90
NOISE = 2.0
"""Standard deviation in grey levels: a camera's pictures are never twice the same."""


class SourceGone(Exception):
    """No more pictures, or none that can be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and when it was taken, in seconds of the source's own steady clock."""

    picture: Picture = field(repr=False)
    at_s: float


class Source(Protocol):
    """An open source."""

    def next(self, pause_s: float) -> Frame:
        """The newest picture, ``pause_s`` at least after the one before. Raises SourceGone. May hang."""


def open_source(source: str, size: tuple[int, int], is_looped: bool) -> Source:
    """Open a device file or ``file:PATH``; ``size`` is asked of a camera. Raises SourceGone."""
    if not source.startswith(FILE_PREFIX):
        return LiveSource(source, open_camera(source, size))
    path = Path(source.removeprefix(FILE_PREFIX))
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return ExchangedPicture(path, size)
    if not path.exists():
        raise SourceGone(f"there is no {path}; set source to a film, a folder of pictures or a picture")
    return Played(_pictures_of_folder(path, is_looped)) if path.is_dir() else Played(_pictures_of_film(path, is_looped))


def open_camera(path: str, size: tuple[int, int]) -> cv2.VideoCapture:
    """A camera that gives MJPEG of this size if it can. Raises SourceGone."""
    _look_before_opening(path)
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise SourceGone(f"{path} can't be opened as a camera; another program may use it, or it is no camera")
    # The format first: uncompressed, a USB 2 port carries too few pictures of this size.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    capture.set(cv2.CAP_PROP_FPS, LIVE_PICTURES_PER_S)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


class Grabber(Protocol):
    """What is used of ``cv2.VideoCapture``: waiting for a picture apart from decoding it."""

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, Any]: ...


class LiveSource:
    """A camera. Pictures that nobody needs are grabbed and not decoded, so that the next one is never an old one."""

    def __init__(self, path: str, capture: Grabber, now: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._now = now
        self._capture = capture
        self._last_s = float("-inf")

    def next(self, pause_s: float) -> Frame:
        for _ in range(MOST_BROKEN):
            at_s = self._grab(pause_s)
            is_whole, picture = self._capture.retrieve()
            if is_whole:
                self._last_s = at_s
                return Frame(checked(picture, self._path), at_s)
        raise SourceGone(f"{self._path} gives broken pictures; plug it in again, or into another port")

    def _grab(self, pause_s: float) -> float:
        """Have the newest picture ready; when it was taken."""
        buffered = 0
        while True:
            began_s = self._now()
            if not self._capture.grab():
                raise SourceGone(f"{self._path} gives no more pictures; is it plugged in?")
            now_s = self._now()
            if now_s - began_s < BUFFERED_BELOW_S and buffered < MOST_BUFFERED:
                buffered += 1
            elif now_s - self._last_s >= pause_s:
                return now_s
            elif buffered >= MOST_BUFFERED:  # a driver that never waits: not without rest
                time.sleep(self._last_s + pause_s - now_s)


class Played:
    """A film or the pictures of a folder, at their own pace. None is dropped because this machine is slow."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._began_s: float | None = None
        self._last_s = float("-inf")

    def next(self, pause_s: float) -> Frame:
        for frame in self._frames:
            now_s = time.monotonic()
            if self._began_s is None:
                self._began_s = now_s - frame.at_s
            if frame.at_s < self._last_s + pause_s - 1e-6:
                continue
            self._last_s = frame.at_s
            early_s = self._began_s + frame.at_s - now_s
            if early_s > 0:
                time.sleep(early_s)
            else:
                self._began_s -= early_s
            return frame
        raise SourceGone("the film is over; set loop = true to have it played again and again")


class ExchangedPicture:
    """One picture file in front of a grey desk, read again whenever it changes; no file: the desk alone."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self._path = path
        self._size = size
        self._stamp: tuple[int, int] | None = None
        self._scene = self._desk()
        self._noise = np.random.default_rng(0).normal(0, NOISE, (size[1] + 64, size[0] + 64)).astype(np.int16)
        self._number = 0
        self._last_s = float("-inf")

    def next(self, pause_s: float) -> Frame:
        early_s = self._last_s + max(pause_s, 1 / LIVE_PICTURES_PER_S) - time.monotonic()
        if early_s > 0:
            time.sleep(early_s)
        self._last_s = time.monotonic()
        self._look_again()
        self._number += 1
        right, down = self._number * 7 % 64, self._number * 11 % 64
        noise = self._noise[down : down + self._size[1], right : right + self._size[0]]
        picture = np.clip(self._scene.astype(np.int16) + noise, 0, 255).astype(np.uint8)
        return Frame(picture, self._last_s)

    def _look_again(self) -> None:
        try:
            status = self._path.stat()
            stamp = status.st_mtime_ns, status.st_ino
        except FileNotFoundError:
            self._stamp, self._scene = None, self._desk()
            return
        if stamp != self._stamp:
            self._stamp = stamp
            picture = cv2.imread(str(self._path), cv2.IMREAD_GRAYSCALE)
            self._scene = self._desk() if picture is None else self._held_up(np.asarray(picture, np.uint8))

    def _desk(self) -> Picture:
        return np.full((self._size[1], self._size[0]), DESK_GREY, np.uint8)

    def _held_up(self, picture: Picture) -> Picture:
        """A picture of the camera's own size is all there is to see; any other is held in front of the desk."""
        width, height = self._size
        if picture.shape == (height, width):
            return picture
        scale = 0.75 * min(width / picture.shape[1], height / picture.shape[0])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        held = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how)
        scene = self._desk()
        top, left = (height - held.shape[0]) // 2, (width - held.shape[1]) // 2
        scene[top : top + held.shape[0], left : left + held.shape[1]] = held
        return scene


def checked(picture: object, where: str) -> Picture:
    """A picture that the rest can work on. Raises SourceGone."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        raise SourceGone(f"{where} gives pictures in a format that is not understood; use a camera with MJPEG or YUYV")
    height, width = picture.shape[:2]
    if width < LEAST_SIZE[0] or height < LEAST_SIZE[1]:
        raise SourceGone(
            f"{where} gives pictures of {width} x {height} pixels, too small to read a card ({LEAST_SIZE[0]} x "
            f"{LEAST_SIZE[1]} at least); plug it into a faster port, set size, or use another camera"
        )
    return picture[:, :, 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture


def _look_before_opening(path: str) -> None:
    """The reasons that the library does not tell apart."""
    if not os.path.exists(path):
        there = ", ".join(sorted(str(entry) for entry in BY_ID.glob("*-index0"))) if BY_ID.is_dir() else ""
        raise SourceGone(f"there is no {path}; is it plugged in? There is: {there or 'no camera'}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceGone(f"{path} may not be opened by this user; add it to the group of the device (video)")


def _pictures_of_film(path: Path, is_looped: bool) -> Iterator[Frame]:
    film = cv2.VideoCapture(str(path))
    if not film.isOpened():
        raise SourceGone(f"{path} is no film that can be played")
    pictures_per_s = film.get(cv2.CAP_PROP_FPS) or FOLDER_PICTURES_PER_S
    for number in count():
        is_there, picture = film.read()
        if not is_there and is_looped and number:
            film = cv2.VideoCapture(str(path))
            is_there, picture = film.read()
        if not is_there:
            return
        yield Frame(checked(picture, str(path)), number / pictures_per_s)


def _pictures_of_folder(path: Path, is_looped: bool) -> Iterator[Frame]:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise SourceGone(f"there are no pictures in {path}; PNG, JPEG and WebP are played in the order of their names")
    for number in count():
        if number >= len(files) and not is_looped:
            return
        picture = cv2.imread(str(files[number % len(files)]))
        yield Frame(checked(picture, str(path)), number / FOLDER_PICTURES_PER_S)

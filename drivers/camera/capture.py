"""The capture process: ``python -m drivers.camera.capture``, started by ``drivers.camera.camera``.

It has the camera, OpenCV and the decoders, which take apart whatever a stranger holds up: when they hang or crash, it
is this process that goes. Pictures stay in its memory and in the memory that it shares with the daemon; codes go
through a socket. It ends by itself when the daemon does.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from drivers.camera.quad import CARD_SIZE, Picture
from drivers.camera.shared import SharedPictures
from drivers.camera.source import Frame, SourceGone, open_source
from drivers.camera.watch import Seen, Watcher, jpeg_of
from drivers.codes import DecoderOptions, Symbology
from drivers.codes.ladder import Decoder

SHOWN_WIDTH = 640
SHOWN_EVERY_S = 0.18
SHOWN_JPEG_QUALITY = 70
LONGEST_MESSAGE = 64 * 1024
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the daemon wants now."""

    is_reading: bool = True
    round: int = 0
    """Rises with each time that reading was switched; a code names the one that it was read in."""
    photo: int = 0
    photo_until_s: float = 0.0


class DaemonLine:
    """The socket to the daemon. Its messages are heard on a thread, so that its end is noticed whatever hangs."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._wishes = Wishes()
        threading.Thread(target=self._hear, name="daemon", daemon=True).start()

    @property
    def wishes(self) -> Wishes:
        with self._lock:
            return self._wishes

    def tell(self, **message: Any) -> None:
        """One message. A daemon that does not listen misses it: a code of a minute ago is of no use to anybody."""
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self._line.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)

    def photo_is_done(self, number: int) -> None:
        with self._lock:
            if self._wishes.photo == number:
                self._wishes = replace(self._wishes, photo_until_s=0.0)

    def _hear(self) -> None:
        while message := self._line.recv(LONGEST_MESSAGE):
            wish = json.loads(message)
            with self._lock:
                if "read" in wish:
                    self._wishes = replace(self._wishes, is_reading=wish["read"], round=wish["round"])
                else:
                    until_s = time.monotonic() + wish["within_s"]
                    self._wishes = replace(self._wishes, photo=wish["photo"], photo_until_s=until_s)
        os._exit(0)


class Recorder:
    """Turns frames into what the daemon learns of them."""

    def __init__(self, watcher: Watcher, memory: SharedPictures, line: DaemonLine) -> None:
        self._watcher = watcher
        self._memory = memory
        self._line = line
        self._shown_s = 0.0
        self._was_shown = False
        self._checksum = -1

    def take(self, frame: Frame) -> float:
        """Look at one frame; the seconds that the next may wait."""
        wishes, now_s = self._line.wishes, time.monotonic()
        wants_photo = now_s < wishes.photo_until_s
        is_shown = (wishes.is_reading or wants_photo) and self._memory.is_wanted(time.monotonic_ns())
        seen = self._watcher.see(
            frame.picture, frame.at_s, is_reading=wishes.is_reading, is_shown=is_shown, wants_photo=wants_photo
        )
        checksum = zlib.crc32(frame.picture[::4].tobytes())
        self._memory.note_frame(time.monotonic_ns(), checksum != self._checksum or seen.is_dark)
        self._checksum = checksum
        for symbology, data in seen.codes:
            self._line.tell(code=data.hex(), symbology=symbology, round=wishes.round)
        if seen.photo and self._memory.put_photo(seen.photo, wishes.photo):
            self._line.photo_is_done(wishes.photo)
            self._line.tell(photo=wishes.photo, width=CARD_SIZE[0], height=CARD_SIZE[1])
        self._show(frame.picture, seen, is_shown, now_s)
        return seen.pause_s

    def _show(self, picture: Picture, seen: Seen, is_shown: bool, now_s: float) -> None:
        if is_shown and now_s - self._shown_s >= SHOWN_EVERY_S:
            size = (SHOWN_WIDTH, round(picture.shape[0] * SHOWN_WIDTH / picture.shape[1]))
            # Mirrored, as people know themselves: a hand that goes left goes left in the picture.
            shown = np.asarray(cv2.flip(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), 1), np.uint8)
            self._memory.show(jpeg_of(shown, SHOWN_JPEG_QUALITY), seen.guidance, time.monotonic_ns())
            self._shown_s = now_s
        if self._was_shown and not is_shown:
            self._memory.wipe_shown()
        self._was_shown = is_shown


def main() -> int:
    parser = argparse.ArgumentParser(description="The capture process of a camera; started by its driver.")
    parser.add_argument("--daemon", type=int, required=True, help="its process id")
    parser.add_argument("--line", type=int, required=True, help="a connected socket (SEQPACKET)")
    parser.add_argument("--memory", type=int, required=True, help="a memfd")
    parser.add_argument("--settings", required=True, help="JSON")
    arguments = parser.parse_args()
    _keep_private(arguments.daemon)
    line = DaemonLine(socket.socket(fileno=arguments.line))
    try:
        _run(line, SharedPictures(arguments.memory), json.loads(arguments.settings))
    except SourceGone as end:
        line.tell(trouble=str(end))
    except Exception as error:  # noqa: BLE001 - the border of the process: its output is nobody's
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(place.filename)}:{place.lineno}"
        line.tell(trouble=f"its program failed with {type(error).__name__} at {where}")
    return 1


def _run(line: DaemonLine, memory: SharedPictures, settings: dict[str, Any]) -> None:
    cv2.setNumThreads(1)
    source = open_source(settings["source"], tuple(settings["size"]), settings["loop"])
    decoder = Decoder(DecoderOptions(frozenset(Symbology(name) for name in settings["symbologies"])))
    recorder = Recorder(Watcher(lambda grey, within_s: decoder.read(grey, within_s=within_s)), memory, line)
    pause_s = 0.0
    while True:
        pause_s = recorder.take(source.next(pause_s))


def _keep_private(daemon_pid: int) -> None:
    """No core file, no reader of this memory but root; and an end with the daemon, also while this one is stopped.

    The kernel takes the thread that started this process for the daemon (prctl(2)): the device's own.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != daemon_pid:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())

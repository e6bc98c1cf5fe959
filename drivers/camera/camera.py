"""A camera as a scanner of codes. It lives in a process of its own, which is killed when it gives no pictures.

What goes wrong with cameras, and how it is noticed here: a read that never returns and a process that was stopped (no
frame within ``FRAMES_WITHIN_S``), the last picture for ever (the same pixels for ``frozen_after_s``; a covered lens is
not that), a camera that was pulled out (the process says so and ends), a crash in a decoder (the process ends). Each is
DeviceUnavailable; opening it again starts a new process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.camera.shared import Pulse, SharedPictures, new_memory
from kioskd.errors import DeviceUnavailable
from kioskd.ports import CameraPicture, CardPhoto, ScannedCode

FIRST_FRAME_WITHIN_S = 12.0
"""Loading OpenCV, opening the camera, and its first exposure."""
FRAMES_WITHIN_S = 5.0
LOOKED_AT_FOR_S = 2.0
"""Pictures are made for so long after somebody looked."""
SHOWN_FOR_S = 1.5
"""A picture to show is shown for so long when no newer one comes."""
SEND_WITHIN_S = 1.0
END_WITHIN_S = 2.0
_STEP_S = 0.2
_LONGEST_MESSAGE = 64 * 1024


class CaptureCamera:
    """A ``ports.Camera``. ``settings`` are those of the capture process; ``frozen_after_s`` 0: never."""

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        frozen_after_s: float,
        frames_within_s: float = FRAMES_WITHIN_S,
    ) -> None:
        self._name = name
        self.settings = dict(settings)
        self._frozen_after_s = frozen_after_s
        self._frames_within_s = frames_within_s
        self._capture: _Capture | None = None
        self._codes: deque[ScannedCode] = deque()
        self._photos: deque[dict[str, Any]] = deque()
        self._round = 0
        self._photo = 0
        self._ended = ""
        """Why the capture process said that it ends, or was found ended."""
        self._lock = threading.Lock()
        """Guards the shared memory against ``close`` while another thread looks at it."""

    @property
    def pid(self) -> int | None:
        """The capture process, while it is open."""
        return self._capture.process.pid if self._capture else None

    @property
    def line(self) -> socket.socket | None:
        """The socket to the capture process, to wait on while it is open."""
        return self._capture.line if self._capture else None

    def open(self) -> None:
        self.close()
        try:
            capture = _Capture.start(self.settings)
        except OSError as error:
            what = f"its capture process can't be started: {error.strerror}"
            raise DeviceUnavailable(self._name, what) from error
        with self._lock:
            self._capture = capture
        self._codes.clear()
        self._round, self._ended = 0, ""
        until_s = time.monotonic() + FIRST_FRAME_WITHIN_S
        try:
            while capture.memory.pulse().frame == 0:
                if time.monotonic() > until_s:
                    what = f"gave no picture within {FIRST_FRAME_WITHIN_S:g} s; plug it in again"
                    raise DeviceUnavailable(self._name, what)
                self._listen(capture, _STEP_S)
                self._examine(capture.memory.pulse())
        except DeviceUnavailable:
            self.close()
            raise

    def close(self) -> None:
        with self._lock:
            capture, self._capture = self._capture, None
            if capture is not None:
                capture.memory.close()
        if capture is not None:
            capture.end()

    def wait_for_code(self, seconds: float) -> ScannedCode | None:
        until_s = time.monotonic() + seconds
        capture = self._open_capture()
        while True:
            remaining_s = until_s - time.monotonic()
            self._listen(capture, max(0.0, min(remaining_s, _STEP_S)))
            if self._codes:
                return self._codes.popleft()
            self._examine(capture.memory.pulse())
            if remaining_s <= 0:
                return None

    def set_enabled(self, is_enabled: bool) -> None:
        self._round += 1
        self._codes.clear()
        self._send(self._open_capture(), {"read": is_enabled, "round": self._round})

    def look(self) -> CameraPicture | None:
        with self._lock:
            if self._capture is None:
                return None
            now_ns = time.monotonic_ns()
            self._capture.memory.want_until(now_ns + round(LOOKED_AT_FOR_S * 1e9))
            return self._capture.memory.shown(now_ns - round(SHOWN_FOR_S * 1e9))

    def capture_card(self, seconds: float) -> CardPhoto | None:
        capture = self._open_capture()
        self._photo += 1
        self._photos.clear()
        self._send(capture, {"photo": self._photo, "within_s": seconds})
        until_s = time.monotonic() + seconds
        while (remaining_s := until_s - time.monotonic()) > 0:
            self._listen(capture, min(remaining_s, _STEP_S))
            self._examine(capture.memory.pulse())
            while self._photos:
                told = self._photos.popleft()
                if told["photo"] == self._photo:
                    return capture.memory.take_photo(self._photo, told["width"], told["height"])
        return None

    # --- the capture process

    def _open_capture(self) -> _Capture:
        if self._capture is None:
            raise DeviceUnavailable(self._name, "the camera is not open")
        return self._capture

    def _send(self, capture: _Capture, message: dict[str, Any]) -> None:
        try:
            capture.line.send(json.dumps(message).encode())
        except OSError as error:
            self._listen(capture, 0)  # it may have said why it ended
            what = self._ended or "its capture process does not listen; it is started again"
            raise DeviceUnavailable(self._name, what) from error

    def _listen(self, capture: _Capture, within_s: float) -> None:
        """Take what the capture process says, waiting at most so long for the first of it."""
        while not self._ended and capture.has_said(within_s):
            try:
                message = capture.line.recv(_LONGEST_MESSAGE)
            except ConnectionResetError:
                message = b""
            if message:
                self._hear(json.loads(message))
            else:
                self._ended = _why_ended(capture.process)
            within_s = 0

    def _hear(self, message: dict[str, Any]) -> None:
        if "trouble" in message:
            self._ended = message["trouble"]
        elif "photo" in message:
            self._photos.append(message)
        elif message["round"] == self._round:
            self._codes.append(ScannedCode(bytes.fromhex(message["code"]), message["symbology"]))

    def _examine(self, pulse: Pulse) -> None:
        """See that it is well. Raises DeviceUnavailable."""
        if self._ended:
            raise DeviceUnavailable(self._name, self._ended)
        if pulse.frame == 0:
            return
        now_ns = time.monotonic_ns()
        if now_ns - pulse.frame_at_ns > self._frames_within_s * 1e9:
            what = f"gives no pictures for {self._frames_within_s:g} s; it is started again, else plug it in again"
            raise DeviceUnavailable(self._name, what)
        if self._frozen_after_s and now_ns - pulse.fresh_at_ns > self._frozen_after_s * 1e9:
            what = f"shows the very same picture for {self._frozen_after_s:g} s; it hangs and is started again"
            raise DeviceUnavailable(self._name, what)


def _why_ended(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        return "its capture process broke off; it is started again"
    how = signal.Signals(-code).name if code < 0 else f"code {code}"
    return f"its capture process ended by itself ({how}); it is started again"


@dataclass(frozen=True, slots=True)
class _Capture:
    """A running capture process and the ways to it."""

    process: subprocess.Popen[bytes]
    line: socket.socket
    memory: SharedPictures

    @classmethod
    def start(cls, settings: Mapping[str, Any]) -> _Capture:
        """Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptor = -1
        try:
            ours.settimeout(SEND_WITHIN_S)
            descriptor = new_memory()
            process = subprocess.Popen(
                _command(theirs.fileno(), descriptor, settings),
                pass_fds=(theirs.fileno(), descriptor),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # The decoders print there what they could not make sense of, which is somebody's.
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": _python_path(), "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
            return cls(process, ours, SharedPictures(descriptor))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            if descriptor >= 0:
                os.close(descriptor)

    def has_said(self, within_s: float) -> bool:
        """Whether there is something to read, or an end, within so long."""
        poll = select.poll()  # unlike select(2), it takes the high numbers that files of a busy server have
        poll.register(self.line, select.POLLIN)
        return bool(poll.poll(within_s * 1000))

    def end(self) -> None:
        """There is nothing in it to save, and one that hangs would not hear a request to end."""
        self.line.close()
        self.process.kill()
        # A process that waits in a broken USB driver can't be killed; it is left behind.
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_WITHIN_S)


def _command(line: int, memory: int, settings: Mapping[str, Any]) -> Sequence[str]:
    ways = ["--daemon", str(os.getpid()), "--line", str(line), "--memory", str(memory)]
    return [sys.executable, "-m", "drivers.camera.capture", *ways, "--settings", json.dumps(dict(settings))]


def _python_path() -> str:
    """A PYTHONPATH with the folder that ``drivers`` is in, for a child that may start elsewhere."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)

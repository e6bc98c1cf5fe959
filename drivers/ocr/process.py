"""The reading process from outside: started when a photo comes, ended when it hangs, gone when nobody needs it."""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kioskd.errors import DeviceUnavailable

HUNG_AFTER_S = 60.0
"""The process ends itself after so long at one photo, should the one that asked no longer be there to end it."""
MOST_BYTES = 30_000_000
"""Of a photo."""
_HEAD = 4
_MOST_ANSWER_BYTES = 4_000_000


class _Ended(Exception):
    """The process closed its end before it answered."""


class ReadingProcess:
    """At most one process of ``drivers.ocr.reading_process``; calls from several threads come one after the other.

    ``idle_s`` after the last photo it ends, and its memory (about 450 MiB) is free again. ``command`` is another
    program that speaks the same frames.
    """

    def __init__(self, name: str, *, idle_s: float = 60.0, command: Sequence[str] | None = None) -> None:
        self._name = name
        reading = [sys.executable, "-m", "drivers.ocr.reading_process", str(idle_s), str(HUNG_AFTER_S)]
        self._command = list(command or reading)
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now, or None."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def ask(self, picture: bytes, within_s: float) -> dict[str, Any]:
        """What the process says about a photo. Raises DeviceUnavailable; the process was ended if it did not answer."""
        deadline = time.monotonic() + within_s
        if not self._turn.acquire(timeout=within_s):
            raise DeviceUnavailable(self._name, f"it was busy with other photos for {within_s:g} s; try again")
        try:
            was_running = self.pid is not None
            try:
                return self._exchange(picture, deadline, within_s)
            except _Ended:
                # It may have ended for want of work just as the photo came; a fresh one has no such excuse.
                if not was_running:
                    raise
            return self._exchange(picture, deadline, within_s)
        except _Ended:
            raise DeviceUnavailable(self._name, self._epitaph()) from None
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the process, if there is one. MAY be called twice, and from any thread."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _exchange(self, picture: bytes, deadline: float, within_s: float) -> dict[str, Any]:
        process = self._running()
        try:
            _send(process, struct.pack(">I", len(picture)) + picture, deadline)
            (length,) = struct.unpack(">I", _receive(process, _HEAD, deadline))
            if length > _MOST_ANSWER_BYTES:
                raise _Ended
            answer = json.loads(_receive(process, length, deadline))
        except TimeoutError:
            self.close()
            raise DeviceUnavailable(
                self._name, f"no answer within {within_s:g} s; the process that reads text was ended, try again"
            ) from None
        except ValueError:
            # `from None`: the error may quote the card. It is one too when close() has taken the pipes away.
            self.close()
            raise DeviceUnavailable(
                self._name, "the process that reads text answered in another form and was ended, try again"
            ) from None
        except _Ended:
            _end(process)
            raise
        return answer if isinstance(answer, dict) else {}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what a library complains about may quote a card
                bufsize=0,
                env={**os.environ, "PYTHONPATH": _python_path(), "OMP_NUM_THREADS": "2"},
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceUnavailable(self._name, f"the process that reads text can't be started ({error})") from error
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None  # noqa: S101 (both are PIPE)
            os.set_blocking(pipe.fileno(), False)
        # Collects its exit code when it ends for want of work, so that no zombie waits for the next photo.
        threading.Thread(target=process.wait, name=f"{self._name}-ended", daemon=True).start()
        self._process = process
        return process

    def _epitaph(self) -> str:
        code = self._process.returncode if self._process is not None else None
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        return f"the process that reads text ended {how} before it answered; is there memory for it (500 MB)?"


def _send(process: subprocess.Popen[bytes], data: bytes, deadline: float) -> None:
    pipe = process.stdin
    view = memoryview(data)
    while view and pipe is not None:
        if not select.select([], [pipe], [], max(0.0, deadline - time.monotonic()))[1]:
            raise TimeoutError
        try:
            view = view[os.write(pipe.fileno(), view[:65536]) :]
        except BlockingIOError:
            continue
        except OSError:
            raise _Ended from None


def _receive(process: subprocess.Popen[bytes], length: int, deadline: float) -> bytes:
    pipe, parts, missing = process.stdout, bytearray(), length
    while missing and pipe is not None:
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        part = os.read(pipe.fileno(), missing)
        if not part:
            raise _Ended
        parts += part
        missing -= len(part)
    return bytes(parts)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill and collect; it holds nothing that would have to be put away."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _python_path() -> str:
    """A PYTHONPATH with the folder that ``drivers`` is in, for a child that may start elsewhere."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)

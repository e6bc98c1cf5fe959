"""Bad disks for real processes: one that fails, delays or takes nothing (preloaded), and a small one that fills up.

``BadDisk`` stands before the C library of a process it is preloaded into; ``SmallDisk`` is a tmpfs of its own.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("bad_disk.c")
_WELL, _SYNC_FAILS, _READ_ONLY = range(3)
_CONTROL = struct.Struct("=II")


class BadDisk:
    """Put ``environment`` into a process's own; then make the files under ``folder`` fail while it runs."""

    def __init__(self, workplace: Path, folder: Path) -> None:
        self._control = workplace / "bad-disk.control"
        self._control.write_bytes(_CONTROL.pack(_WELL, 0))
        library = workplace / "bad-disk.so"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, timeout=30)
        self.environment = {
            "LD_PRELOAD": str(library),
            "BAD_DISK_CONTROL": str(self._control),
            "BAD_DISK_FOLDER": str(folder),
        }

    def be_well(self) -> None:
        self._set(_WELL)

    def fail_syncs(self) -> None:
        """Every fsync ends with EIO."""
        self._set(_SYNC_FAILS)

    def be_read_only(self) -> None:
        """Every write, and every opening for writing, ends with EROFS: what a file system does after an error."""
        self._set(_READ_ONLY)

    def be_slow(self, late_s: float) -> None:
        """Every fsync takes this much longer."""
        self._set(_WELL, round(late_s * 1000))

    def _set(self, what: int, late_ms: int = 0) -> None:
        with self._control.open("r+b") as file:
            file.write(_CONTROL.pack(what, late_ms))


class SmallDisk:
    """A mounted tmpfs. ``fill`` takes what is free, ``free`` gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "something-else"

    def fill(self) -> None:
        """Take every free block, as a log file that nobody rotates would."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def remount(self, how: str) -> None:
        """``ro`` or ``rw``; nobody may have a file open for writing."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True, timeout=10)


def why_no_mount() -> str:
    """Why this machine can't mount a tmpfs, or nothing."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "a small disk needs root, to mount a tmpfs"
    probe = Path("/tmp") / f"kioskd-mount-{os.getpid()}"
    probe.mkdir()
    try:
        with small_disk(probe, 1):
            return ""
    except subprocess.CalledProcessError:
        return "a small disk needs the right to mount a tmpfs, which this container does not have"
    finally:
        probe.rmdir()


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[SmallDisk]:
    """A tmpfs of ``size_mb`` on ``folder``, from entering to leaving."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=700", "kioskd-test", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=10)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)

"""Room on the disk that is given up when the disk is full, so that what has begun can be ended and told.

One file per database, its blocks really allocated (posix_fallocate). With ``store.reserve_mb`` of 8 there is room for
a whole write-ahead log (1000 pages of 4 KiB) and some hundred check-ins more.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

BYTES_PER_MB = 1024 * 1024


class Reserve:
    """``<database>.reserve``. Blocking: for the store's own threads."""

    def __init__(self, database: Path, size_bytes: int) -> None:
        self.path = database.with_name(database.name + ".reserve")
        self.size_bytes = size_bytes
        self.is_held = False

    def take(self) -> str:
        """Have the room, or have it again; why it can't be had, or nothing.

        It is taken again only when twice of it is free: else it would take back at once what it has just given up.
        """
        try:
            opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self.is_held = False
            return _words(error)
        try:
            if not self._is_allocated(opened):
                free = self._free_bytes()
                if free < 2 * self.size_bytes:
                    self.is_held = False
                    return f"only {free // BYTES_PER_MB} MB are free"
                os.ftruncate(opened, self.size_bytes)
                os.posix_fallocate(opened, 0, self.size_bytes)
                os.fsync(opened)
            os.utime(opened)  # nothing is written to blocks that are there: this asks whether the file system would
        except OSError as error:
            self.give_up()
            return _words(error)
        else:
            self.is_held = True
            return ""
        finally:
            os.close(opened)

    def give_up(self) -> bool:
        """Free the room; whether there was any to free."""
        self.is_held = False
        try:
            freed = self.path.stat().st_blocks > 0
            self.path.unlink()
        except OSError:
            return False
        return freed

    def has_some_room(self) -> bool:
        """Whether the file system takes writes and a few transactions fit."""
        try:
            is_read_only = os.statvfs(self.path.parent).f_flag & os.ST_RDONLY
            return not is_read_only and self._free_bytes() >= BYTES_PER_MB
        except OSError:
            return False

    def _is_allocated(self, opened: int) -> bool:
        found = os.fstat(opened)
        return found.st_size == self.size_bytes and found.st_blocks * 512 >= self.size_bytes

    def _free_bytes(self) -> int:
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize


def _words(error: OSError) -> str:
    return os.strerror(error.errno or errno.EIO)

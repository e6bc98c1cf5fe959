"""Memory that the capture process and the daemon share: nameless (memfd_create(2)), so nothing of a picture can stay.

::

    0    number of the newest frame                      written by the capture process
    8    when it came, ns of CLOCK_MONOTONIC
    16   when its pixels last differed from those before
    24   until when pictures to show are wanted           written by the daemon
    64   two slots of pictures to show, filled in turn
    ..   one slot for the photo of a card

A slot: its number, when it was filled (ns), length, guidance (index in the enum), CRC-32 of what follows, the JPEG. A
reader that meets a slot in the middle of being written finds another CRC, and no picture.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from dataclasses import dataclass

from kioskd.ports import CameraPicture, CardPhoto, Guidance

_WORDS = {"frame": 0, "frame_at_ns": 8, "fresh_at_ns": 16, "wanted_until_ns": 24}
_SLOT = struct.Struct("<QQIII")
_SHOWN_AT = 64
_SHOWN_SIZE = 512 * 1024
_PHOTO_AT = _SHOWN_AT + 2 * _SHOWN_SIZE
_PHOTO_SIZE = 4 * 1024 * 1024
SIZE = _PHOTO_AT + _PHOTO_SIZE
_GUIDANCE = tuple(Guidance)


def new_memory() -> int:
    """A file descriptor of fresh memory; only pages that are written take room."""
    descriptor = os.memfd_create("kioskd-camera")
    os.ftruncate(descriptor, SIZE)
    return descriptor


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the capture process is doing; times in ns of CLOCK_MONOTONIC."""

    frame: int
    frame_at_ns: int
    fresh_at_ns: int


class SharedPictures:
    """One side of the memory. Not to be shared between threads without a lock; ``close`` leaves the other side be."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, SIZE)
        self._number = 0

    def close(self) -> None:
        self._memory.close()

    def _word(self, name: str) -> int:
        return int(struct.unpack_from("<Q", self._memory, _WORDS[name])[0])

    def _set_word(self, name: str, value: int) -> None:
        struct.pack_into("<Q", self._memory, _WORDS[name], value)

    # --- the capture process

    def note_frame(self, at_ns: int, is_fresh: bool) -> None:
        """A frame came; ``is_fresh``: it differs from the one before."""
        self._set_word("frame_at_ns", at_ns)
        if is_fresh:
            self._set_word("fresh_at_ns", at_ns)
        self._set_word("frame", self._word("frame") + 1)

    def is_wanted(self, now_ns: int) -> bool:
        """Whether somebody looks."""
        return now_ns < self._word("wanted_until_ns")

    def show(self, jpeg: bytes, guidance: Guidance, at_ns: int) -> None:
        """The next picture to show; one that is too large is left out."""
        if len(jpeg) <= _SHOWN_SIZE - _SLOT.size:
            self._number += 1
            slot = _SHOWN_AT + self._number % 2 * _SHOWN_SIZE
            self._fill(slot, jpeg, self._number, at_ns, _GUIDANCE.index(guidance))

    def wipe_shown(self) -> None:
        """Nobody looks any more: leave no picture behind."""
        self._memory[_SHOWN_AT:_PHOTO_AT] = bytes(_PHOTO_AT - _SHOWN_AT)

    def put_photo(self, jpeg: bytes, number: int) -> bool:
        """Whether it had room."""
        if len(jpeg) > _PHOTO_SIZE - _SLOT.size:
            return False
        self._fill(_PHOTO_AT, jpeg, number, 0, 0)
        return True

    # --- the daemon

    def pulse(self) -> Pulse:
        return Pulse(self._word("frame"), self._word("frame_at_ns"), self._word("fresh_at_ns"))

    def want_until(self, until_ns: int) -> None:
        """Have pictures made until then."""
        self._set_word("wanted_until_ns", until_ns)

    def shown(self, since_ns: int) -> CameraPicture | None:
        """The newest picture, unless it is older than ``since_ns``."""
        found = [self._slot(_SHOWN_AT + index * _SHOWN_SIZE, _SHOWN_SIZE) for index in range(2)]
        whole = [slot for slot in found if slot is not None and slot[1] >= since_ns]
        if not whole:
            return None
        number, _, guidance, jpeg = max(whole)
        return CameraPicture(jpeg, _GUIDANCE[guidance], number)

    def take_photo(self, number: int, width: int, height: int) -> CardPhoto | None:
        """The photo of this number, which is not kept here."""
        slot = self._slot(_PHOTO_AT, _PHOTO_SIZE)
        if slot is None or slot[0] != number:
            return None
        self._memory[_PHOTO_AT : _PHOTO_AT + _SLOT.size + len(slot[3])] = bytes(_SLOT.size + len(slot[3]))
        return CardPhoto(slot[3], width, height)

    # --- slots

    def _fill(self, at: int, jpeg: bytes, number: int, at_ns: int, guidance: int) -> None:
        _SLOT.pack_into(self._memory, at, number, at_ns, len(jpeg), guidance, zlib.crc32(jpeg))
        self._memory[at + _SLOT.size : at + _SLOT.size + len(jpeg)] = jpeg

    def _slot(self, at: int, size: int) -> tuple[int, int, int, bytes] | None:
        number, at_ns, length, guidance, checksum = _SLOT.unpack_from(self._memory, at)
        if not 0 < length <= size - _SLOT.size or guidance >= len(_GUIDANCE):
            return None
        jpeg = self._memory[at + _SLOT.size : at + _SLOT.size + length]
        return (number, at_ns, guidance, jpeg) if zlib.crc32(jpeg) == checksum else None

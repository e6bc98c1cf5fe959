"""A disk as a power cut leaves it: what was flushed is there, of the rest nothing, all, some of it, or torn pieces.

POSIX promises no more than this: data is durable when an ``fsync`` of its file that began after the write has
returned, a name when an ``fsync`` of its folder has. Until then a write may be missing or there, each by itself, and a
disk writes whole sectors of 512 bytes, so one that was under way may be there in part. Names change in the order in
which they were changed, as on every journalling file system. Pure: no real file is touched here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Written:
    """``data`` was written at ``offset`` of a file."""

    name: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A file was given a length, longer or shorter than it had."""

    name: str
    length: int


@dataclass(frozen=True, slots=True)
class Made:
    """A file was opened and made if there was none of that name."""

    name: str


@dataclass(frozen=True, slots=True)
class Removed:
    name: str


@dataclass(frozen=True, slots=True)
class Renamed:
    name: str
    new_name: str


@dataclass(frozen=True, slots=True)
class Flushed:
    """A file was flushed, or the folder (an empty name). It covers the operations with a number below ``before``."""

    name: str
    before: int


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody outside was told something: no operation of the disk, but what must hold from here on."""

    line: bytes


Operation = Written | Cut | Made | Removed | Renamed | Flushed | Told


class Left(StrEnum):
    """What a power cut leaves of that which was not flushed."""

    NOTHING = "nothing"
    ALL = "all"
    SOME = "some"
    TORN = "torn"


Change = tuple[int, int, bytes | None]
"""Number of the operation, offset, and the bytes; without bytes the file's new length stands in place of the offset."""


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    unflushed: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class Disk:
    """One folder of files, fed with operations in order; ``after_cut`` says what is left of it at any moment.

    ``is_honoured(flush)`` decides which flushes count: a disk that lies, or a program that does not ask.
    """

    is_honoured: Callable[[int, Flushed], bool] = lambda number, flush: True
    _names: dict[str, _File] = field(default_factory=dict)
    _durable_names: dict[str, _File] = field(default_factory=dict)
    _unflushed_names: list[tuple[int, str, _File | None]] = field(default_factory=list)

    def apply(self, number: int, operation: Operation) -> None:
        match operation:
            case Written(name, offset, data):
                self._names[name].unflushed.append((number, offset, data))
            case Cut(name, length):
                self._names[name].unflushed.append((number, length, None))
            case Made(name):
                if name not in self._names:
                    self._name(number, name, _File())
            case Removed(name):
                self._name(number, name, None)
            case Renamed(name, new_name):
                self._name(number, new_name, self._names[name])
                self._name(number, name, None)
            case Flushed(name, before):
                if self.is_honoured(number, operation):
                    self._flush(name, before)
            case Told():
                pass

    def _name(self, number: int, name: str, file: _File | None) -> None:
        _set_name(self._names, name, file)
        self._unflushed_names.append((number, name, file))

    def _flush(self, name: str, before: int) -> None:
        if not name:
            for number, changed, file in self._unflushed_names:
                if number < before:
                    _set_name(self._durable_names, changed, file)
            self._unflushed_names = [change for change in self._unflushed_names if change[0] >= before]
        elif name in self._names:
            file = self._names[name]
            for change in file.unflushed:
                if change[0] < before:
                    _change(file.durable, change)
            file.unflushed = [change for change in file.unflushed if change[0] >= before]

    def after_cut(self, left: Left, chance: Random) -> dict[str, bytearray]:
        """Every file by its name as it may be found when the power is back."""
        names = dict(self._durable_names)
        survived = {Left.NOTHING: 0, Left.ALL: len(self._unflushed_names)}
        for _, name, file in self._unflushed_names[: survived.get(left, chance.randint(0, len(self._unflushed_names)))]:
            _set_name(names, name, file)
        return {name: _content(file, left, chance) for name, file in names.items()}


def _set_name(names: dict[str, _File], name: str, file: _File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


def _content(file: _File, left: Left, chance: Random) -> bytearray:
    content = bytearray(file.durable)
    share = chance.choice((0.1, 0.5, 0.9))
    for change in file.unflushed:
        match left:
            case Left.ALL:
                _change(content, change)
            case Left.SOME if chance.random() < share:
                _change(content, change)
            case Left.TORN:
                _tear(content, change, share, chance)
            case _:
                pass
    return content


def _change(content: bytearray, change: Change) -> None:
    _, offset, data = change
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _tear(content: bytearray, change: Change, share: float, chance: Random) -> None:
    """Some sectors of a write only, in any order; a length is changed or not."""
    number, offset, data = change
    if data is None:
        if chance.random() < share:
            _change(content, change)
        return
    begin = offset
    while begin < offset + len(data):
        end = min(begin - begin % SECTOR_BYTES + SECTOR_BYTES, offset + len(data))
        if chance.random() < share:
            _change(content, (number, begin, data[begin - offset : end - offset]))
        begin = end

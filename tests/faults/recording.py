"""What a process did to the files of one folder, in the order in which it was done, recorded by strace.

The databases are written by SQLite inside a wheel, so the system calls are the lowest layer that can be seen without
changing what is tested. A call counts from the moment it returned, a flush covers what had returned before it began,
and a word to the world counts from the moment it began: where two threads overlap, the harder reading is taken.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.faults.disk import Cut, Flushed, Made, Operation, Removed, Renamed, Told, Written
from tests.faults.told import FILE as TOLD_FILE

ROOT = Path(__file__).parents[2]
CALLS = "openat,open,creat,pwrite64,pwritev,pwritev2,write,writev,ftruncate,truncate,fallocate,fdatasync,fsync,msync"
CALLS += ",sync,syncfs,sync_file_range,unlink,unlinkat,rename,renameat,renameat2,link,linkat,copy_file_range,sendfile"
RECORDED_WITHIN_S = 300.0

_LINE = re.compile(rb"^(\d+) +(.*)$")
_RESUMED = re.compile(rb"^<\.\.\. (\w+) resumed>(.*)$")
_CALL = re.compile(rb"^(\w+)\((.*)\) += (-?\d+)(.*)$", re.DOTALL)
_TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_PATH = re.compile(rb"<((?:\\x[0-9a-f]{2})+)>")
_KEPT = re.compile(r"[a-z]+\.(db(-wal|-journal)?|heads(-\d+)?)")
"""What must outlive a power cut: databases and the heads of their audit chains. The ``-shm`` is rebuilt by every first
connection, lock and reserve hold nothing.
"""


@cache
def why_not_traced() -> str:
    """Why processes can't be traced here, or an empty text when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed (scripts/install test)"
    command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=write", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return "" if done.returncode == 0 else f"this machine does not let strace trace a process: {done.stderr.strip()}"


def record(folder: Path, program: Sequence[str]) -> list[Operation]:
    """Run Python with these arguments under strace; what was done to ``folder/data`` and told, in order.

    Raises AssertionError when the program fails.
    """
    trace = folder.with_name(folder.name + ".trace")
    strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "10000000", "-e", f"trace={CALLS}"]
    strace += ["-e", "signal=none", "-o", str(trace), sys.executable, *program]
    try:
        done = subprocess.run(strace, cwd=ROOT, capture_output=True, text=True, timeout=RECORDED_WITHIN_S, check=False)
        assert done.returncode == 0, f"the recorded process failed: {done.stderr[-3000:]}"
        with trace.open("rb") as lines:
            return list(operations(lines, folder / "data", folder / TOLD_FILE))
    finally:
        trace.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Began:
    """A call that another thread's call interrupted in the trace."""

    text: bytes
    number: int


def operations(lines: Iterable[bytes], data: Path, told: Path) -> Iterator[Operation]:
    """The operations in a trace of ``strace -f -y -xx``, as far as they touch what is kept in ``data``, or ``told``."""
    reader, began, number = _Reader(data, told), dict[bytes, _Began](), 0
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        thread, text = match.groups()
        text = text.rstrip(b"\n")
        first = number
        if text.endswith(b"<unfinished ...>"):
            text = text.removesuffix(b"<unfinished ...>").rstrip()
            began[thread] = _Began(text, number)
            found = reader.told(text)
        elif resumed := _RESUMED.match(text):
            before = began.pop(thread)
            first = before.number
            text = before.text + resumed.group(2)
            found = [] if reader.told(text) else reader.done(text, first)
        else:
            found = reader.told(text) or reader.done(text, first)
        yield from found
        number += len(found)


class _Reader:
    """One call of the trace as operations."""

    def __init__(self, data: Path, told: Path) -> None:
        self._data, self._told = data, told
        self._ends: dict[str, int] = {}
        """Where the next plain ``write`` to a file that was made empty goes."""

    def told(self, text: bytes) -> list[Operation]:
        """A write to the file ``told``; it counts although it has not returned yet."""
        if not text.startswith(b"write(") or _path(text) != self._told:
            return []
        return [Told(_bytes(text))]

    def done(self, text: bytes, before: int) -> list[Operation]:
        """A call that has returned. Raises AssertionError for a way of changing a file that is not known here."""
        match = _CALL.match(text)
        if match is None or int(match.group(3)) < 0:
            return []
        call, arguments, result = match.group(1).decode(), match.group(2), int(match.group(3))
        if call in {"openat", "unlink", "rename"}:
            paths = [Path(_decoded(name)) for name in _TEXT.findall(arguments)]
            is_ours = any(path.parent == self._data and _KEPT.fullmatch(path.name) for path in paths)
            return self._named(call, [path.name for path in paths], arguments) if is_ours else []
        path = _path(arguments)
        if path == self._data and call in {"fsync", "fdatasync"}:
            return [Flushed("", before)]
        if path is None or path.parent != self._data or not _KEPT.fullmatch(path.name):
            return []
        return [self._content(call, path.name, arguments, result, before)]

    def _named(self, call: str, names: list[str], arguments: bytes) -> list[Operation]:
        match call, names:
            case "openat", [name] if b"O_TRUNC" in arguments:
                self._ends[name] = 0
                return [Made(name), Cut(name, 0)]
            case "openat", [name]:
                return [Made(name)] if b"O_CREAT" in arguments else []
            case "unlink", [name]:
                return [Removed(name)]
            case _:
                return [Renamed(*names)]

    def _content(self, call: str, name: str, arguments: bytes, result: int, before: int) -> Operation:
        last = arguments.rsplit(b",", 1)[-1]
        match call:
            case "pwrite64":
                return Written(name, int(last), _bytes(arguments)[:result])
            case "write" if name in self._ends:
                self._ends[name] += result
                return Written(name, self._ends[name] - result, _bytes(arguments)[:result])
            case "ftruncate":
                return Cut(name, int(last))
            case "fsync" | "fdatasync":
                return Flushed(name, before)
            case _:
                raise AssertionError(f"{call} on {name}: this way of changing a file is not simulated yet")


def _path(text: bytes) -> Path | None:
    """The file of the first argument, as ``-y`` shows it."""
    found = _PATH.search(text.split(b",", 1)[0])
    return Path(_decoded(found.group(1))) if found else None


def _decoded(text: bytes) -> str:
    return bytes.fromhex(text.replace(b"\\x", b"").decode()).decode()


def _bytes(text: bytes) -> bytes:
    """The one string argument of a call."""
    found = _TEXT.search(text)
    assert found, "strace cut a string off"
    return bytes.fromhex(found.group(1).replace(b"\\x", b"").decode())

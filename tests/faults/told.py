"""What the world was told, one JSON object a line, and what must therefore be in the databases.

The process under test appends a line to a file right after (for a sheet of paper: right before) it tells somebody, so
the file outlives the process and stands in one order with its writes and flushes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kioskd.core.printing import JobKey, PrintJob, PrintState

FILE = "told"

Tell = Callable[..., None]
"""``tell("number", id=..., label=...)``"""

_RANK = {
    PrintState.QUEUED: 0,
    PrintState.SENDING: 1,
    PrintState.SENT: 2,
    PrintState.EXPIRED: 4,
    PrintState.UNKNOWN: 4,
    PrintState.PRINTED: 5,
}
_QUEUED_AGAIN = 3
"""Proven not printed: comes after SENDING and SENT of the same attempt."""

Progress = tuple[int, int]


def progress(state: PrintState, attempts: int) -> Progress:
    """How far a job is: rises with every transition of ``core.printing``."""
    return attempts, _QUEUED_AGAIN if state is PrintState.QUEUED and attempts else _RANK[state]


def key_text(key: JobKey) -> str:
    return f"{key.check_in_id}/{key.kind}/{key.copy}"


def teller(folder: Path) -> Tell:
    """Appends to the file ``told`` of a folder, one write a line."""
    descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def tell(what: str, **more: Any) -> None:
        os.write(descriptor, json.dumps({"told": what, **more}, default=str).encode() + b"\n")

    return tell


@dataclass
class Heard:
    """All that was told up to a moment."""

    replies: dict[str, str] = field(default_factory=dict)
    """Check-in to label, as the hub answered the station: the hub must have it."""
    shown: dict[str, str] = field(default_factory=dict)
    """Session to label, as a screen showed it: the station's intent must be closed, and the hub must have it."""
    jobs: dict[str, Progress] = field(default_factory=dict)
    at_desk: set[str] = field(default_factory=set)
    """Sheets that the desk was told of."""
    begun: dict[str, int] = field(default_factory=dict)
    """Printer to the highest token of a sheet whose first byte was about to leave."""
    stored: set[str] = field(default_factory=set)
    """Check-ins whose record the backend answered for."""
    delivered: set[str] = field(default_factory=set)
    """Check-ins whose delivery the hub has settled."""

    def hear(self, line: bytes) -> None:
        match json.loads(line):
            case {"told": "reply", "id": id_, "label": label}:
                self.replies[id_] = label
            case {"told": "number", "id": id_, "label": label}:
                self.shown[id_] = label
            case {"told": "job", "key": key, "state": state, "attempts": attempts}:
                now = progress(PrintState(state), attempts)
                self.jobs[key] = max(now, self.jobs.get(key, now))
            case {"told": "sheet", "device": device, "token": token}:
                self.begun[device] = max(token, self.begun.get(device, 0))
            case {"told": "desk", "key": key}:
                self.at_desk.add(key)
            case {"told": "stored", "id": id_}:
                self.stored.add(id_)
            case {"told": "delivered", "id": id_}:
                self.delivered.add(id_)
            case _:
                pass


def heard_in(folder: Path) -> Heard:
    """What a process told until it ended; a line that it was killed in was not told."""
    heard = Heard()
    for line in (folder / FILE).read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            heard.hear(line)
    return heard


def tell_job(tell: Tell, job: PrintJob) -> None:
    tell("job", key=key_text(job.key), state=job.state, attempts=job.attempts)

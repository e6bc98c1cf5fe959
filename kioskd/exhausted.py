"""The end of a process that has no memory left, so that a fresh one can begin.

asyncio logs a MemoryError of a callback and goes on, without what that callback was for: an answer of the database's
thread, a wake-up. Measured: a loop that can't even read its own wake-ups, and 16,000 log lines a second. What was
committed is on disk, so an end at once loses nothing that was told.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

EX_SOFTWARE = 70
"""sysexits.h; the init system starts the daemon again."""
_LAST_WORDS = b"kioskd: out of memory: ending, to be started again\n"


def end_when_out_of_memory(loop: asyncio.AbstractEventLoop) -> None:
    """For the rest of this loop's life: a callback without memory ends the process."""
    loop.set_exception_handler(_handle)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if isinstance(context.get("exception"), MemoryError):
        os.write(2, _LAST_WORDS)
        os._exit(EX_SOFTWARE)
    loop.default_exception_handler(context)

"""The daemon's memory holds patients while it runs; no copy of it is left behind, and no other program reads it.

A crash must not write a core: ``RLIMIT_CORE`` 0 keeps the kernel from writing a file, and "not dumpable" also from
handing the memory to a collector such as systemd-coredump, which that limit does not stop (core(5)). Not dumpable means
besides that another process of the same user can neither attach to this one nor read ``/proc/<pid>/mem``, ``maps`` or
``environ`` (ptrace(2)). Root still can, so ``strace``, ``gdb`` and ``py-spy`` work for root only.

Pages may go to swap: mlock(2) needs privileges that the daemon does not have. Encrypt the swap of a clinic's machine.
"""

from __future__ import annotations

import ctypes
import os
import resource

from kioskd.errors import StartRefused

_PR_SET_DUMPABLE = 4
"""prctl(2). An exec sets it back, so child programs such as a broker are not concerned."""


def keep_private() -> None:
    """For the rest of this process's life: no core, no reader. Raises StartRefused when the kernel does not do it."""
    if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):  # the unit sets it, and forbids to set limits
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise StartRefused(f"the kernel does not protect the memory of this process (PR_SET_DUMPABLE): {reason}")

"""Lives that are made to be killed: ``python -m tests.faults.crashing_life``.

This process has imported everything and does nothing but fork: a life begins in the time of opening the databases,
not of importing Python modules. It reads one life a line from standard input, as JSON (``Order``), and a life says on
standard output what it has come to: ``ready`` with its threads, and ``done``. A life with a patient waits for SIGUSR1
before the patient's card goes in, so that there is time to attach to its threads. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from drivers.escpos import EscposConfig, EscposDriver
from drivers.zpl import ZplConfig, ZplDriver
from tests.faults.desk_life import open_desk, running_clock
from tests.faults.told import teller

_PR_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)
"""prctl(2): with Yama's ``ptrace_scope`` of 1 only a parent may attach, unless the process says otherwise."""


@dataclass(frozen=True, slots=True)
class Order:
    """One life. ``patient`` 0: nobody comes. The printers listen on these ports of 127.0.0.1."""

    folder: str
    patient: int
    hours: int
    tickets: int
    bands: int


async def live(order: Order) -> None:
    folder = Path(order.folder)
    tickets = EscposDriver().create("tickets", EscposConfig(port=f"tcp://127.0.0.1:{order.tickets}"), ())
    bands = ZplDriver().create("bands", ZplConfig(port=f"tcp://127.0.0.1:{order.bands}"), ())
    come = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, come.set)
    clock = running_clock(timedelta(hours=order.hours))
    async with open_desk(folder, teller(folder), tickets, bands, clock) as desk:
        threads = {thread.name: thread.native_id for thread in threading.enumerate()}
        # The main thread of a forked process does not know its new number (Python 3.11).
        say("ready", threads={**threads, threading.main_thread().name: os.getpid()})
        if order.patient:
            await come.wait()
            await desk.serve(order.patient)
        await desk.settled()
        say("done")
        if order.patient:
            await asyncio.Event().wait()  # it is killed, one way or the other


def say(what: str, **more: object) -> None:
    os.write(1, json.dumps({"said": what, "pid": os.getpid(), **more}).encode() + b"\n")


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    for line in sys.stdin:
        if os.fork():
            continue
        status = 1
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
            asyncio.run(live(Order(**json.loads(line))))
            status = 0
        except BaseException:  # noqa: BLE001 - told to who ordered the life, which ends here
            say("failed", trace=traceback.format_exc())
        finally:
            say("ended")
            os._exit(status)


if __name__ == "__main__":
    main()

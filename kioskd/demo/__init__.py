"""``kioskd demo``: mosquitto, pcscd and simulated hardware around ``app``, and a lab page to play with them.

``--split``: station, hub and records as three processes of their own, as on three machines of a site.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kioskd import log
from kioskd.errors import KioskdError

if TYPE_CHECKING:
    from kioskd.demo.desks import Desks
    from kioskd.demo.rig import Rig


def main(is_once: bool, is_split: bool = False) -> int:
    """Run the demo until it is interrupted, or the path once. Its exit code."""
    log.set_up(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="kioskd-demo-") as folder:
        return asyncio.run(_demo(Path(folder), is_once, is_split))


async def _demo(folder: Path, is_once: bool, is_split: bool) -> int:
    # Imported here: everything of the daemon, which --help need not wait for.
    from datetime import UTC, datetime

    from kioskd.demo.clinic import clinic_day, guests, seed
    from kioskd.demo.once import once
    from kioskd.demo.rig import Rig, RigOptions

    rig = Rig(folder, RigOptions(has_fixed_ports=not is_once, is_split=is_split))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        print("starting mosquitto, pcscd and simulated hardware ...", flush=True)
        await rig.start()
        async with _three_processes(rig) if is_split else _one_process(rig) as desks:
            now = datetime.now(UTC)
            await seed(f"{desks.urls['fhir']}/fhir", rig.token, clinic_day(now))
            if is_once:
                return await once(rig, desks)
            await seed(f"{desks.urls['fhir']}/fhir", rig.token, guests(now))
            await _play(rig, desks, stop)
        return 0
    except KioskdError as error:
        print(f"kioskd demo: {error}", file=sys.stderr)
        return 1
    finally:
        await rig.stop()


async def _play(rig: Rig, desks: Desks, stop: asyncio.Event) -> None:
    from kioskd.demo.lab import lab

    async with lab(rig, desks) as page:
        accounts = "".join(f"  {account.name:13} {account.password}\n" for account in page.accounts)
        print(f"\n  the front desk: {page.url}\n\n{accounts}", flush=True)
        print("Ctrl-C ends it and leaves nothing behind.", flush=True)
        await stop.wait()


@asynccontextmanager
async def _one_process(rig: Rig) -> AsyncIterator[Desks]:
    from kioskd import app, config
    from kioskd.demo.desks import desks_of

    site = config.load(rig.site_file)
    async with app.running(site, str(rig.site_file), rig.site_text()) as daemon:
        yield desks_of(daemon)


@asynccontextmanager
async def _three_processes(rig: Rig) -> AsyncIterator[Desks]:
    from functools import partial

    from kioskd.beside import beside
    from kioskd.demo.desks import desks_of_processes
    from kioskd.demo.processes import Processes

    processes = Processes(rig)
    try:
        await processes.start_all()
        for role in rig.site_files:
            print(f"  {role:8} is process {processes.pid(role)}", flush=True)
        say = partial(print, " ", flush=True)
        async with beside(*(processes.keep(role, say) for role in rig.site_files)):
            yield desks_of_processes(processes)
        await processes.stop_all()
    finally:
        processes.kill_all()

"""``kioskd demo``: mosquitto, pcscd and simulated hardware around ``app``, and a lab page to play with them."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import tempfile
from pathlib import Path

from kioskd import log
from kioskd.errors import KioskdError


def main(is_once: bool) -> int:
    """Run the demo until it is interrupted, or the path once. Its exit code."""
    log.set_up(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="kioskd-demo-") as folder:
        return asyncio.run(_demo(Path(folder), is_once))


async def _demo(folder: Path, is_once: bool) -> int:
    # Imported here: everything of the daemon, which --help need not wait for.
    from datetime import UTC, datetime

    from kioskd import app, config
    from kioskd.demo.clinic import clinic_day, seed
    from kioskd.demo.once import once
    from kioskd.demo.rig import Rig, RigOptions

    rig = Rig(folder, RigOptions(has_fixed_ports=not is_once))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        print("starting mosquitto, pcscd and simulated hardware ...", flush=True)
        await rig.start()
        site = config.load(rig.site_file)
        async with app.running(site, str(rig.site_file), rig.site_text()) as daemon:
            await seed(f"{daemon.addresses['fhir'].url}/fhir", rig.token, clinic_day(datetime.now(UTC)))
            if is_once:
                return await once(rig, daemon)
            from kioskd.demo.lab import lab

            async with lab(rig, daemon) as page:
                accounts = "".join(f"  {account.name:13} {account.password}\n" for account in page.accounts)
                print(f"\n  the front desk: {page.url}\n\n{accounts}", flush=True)
                print("Ctrl-C ends it and leaves nothing behind.", flush=True)
                await stop.wait()
        return 0
    except KioskdError as error:
        print(f"kioskd demo: {error}", file=sys.stderr)
        return 1
    finally:
        await rig.stop()

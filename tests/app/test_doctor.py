"""``kioskd doctor`` at a front desk that is whole: beside the running daemon, and after it has ended."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from tests.app.daemon import Daemon, daemon_on_rig


async def doctor(daemon: Daemon) -> str:
    command = [sys.executable, "-m", "kioskd", "doctor", str(daemon.rig.site_file)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=50, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


async def test_a_front_desk_that_is_whole_has_nothing_broken(tmp_path: Path):
    async with daemon_on_rig(tmp_path) as daemon:
        beside = await doctor(daemon)
        log = daemon.log
        await daemon.stop()
        after = await doctor(daemon)
    for line in (
        r"OK +the daemon is running",
        r"OK +the hub database opens and is whole",
        r"OK +the broker on 127\.0\.0\.1:\d+ admits \S+ and takes what the hub publishes \(PUBACK 0x(00|10)\)",
        r"OK +the records at http://127\.0\.0\.1:\d+/fhir speak FHIR 4\.0\.1",
        r"OK +device \S+ is in the daemon's hands",
    ):
        assert re.search("^" + line, beside, re.M), f"{line}\n{beside}"
    assert not re.search(r"^BROKEN", beside, re.M), beside
    assert "error" not in log
    for line in (
        r"OK +the daemon is not running",
        r"OK +the broker on",
        r"attention +the records do not answer at .*they are part of the daemon",
        r"OK +device \S+ .*; proof of print: completion",
    ):
        assert re.search("^" + line, after, re.M), f"{line}\n{after}"

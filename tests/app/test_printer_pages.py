"""A receptionist looks after a printer of a real front desk: test sheet, open cover, doctor beside the daemon."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kioskd.demo.person import Person
from kioskd.demo.simulators import TICKETS
from tests.app.daemon import Daemon, daemon_on_rig

pytestmark = pytest.mark.timeout(120)
WITHIN_S = 30.0


@asynccontextmanager
async def receptionist(daemon: Daemon) -> AsyncIterator[Person]:
    one_time = await daemon.add_account("empfang", "receptionist")
    async with Person(daemon.url("console")) as person:
        await person.sign_in("empfang", one_time)
        chosen = "a quiet Monday morning"
        await person.send("/password", "/password", old=one_time, new=chosen, again=chosen)
        yield person


async def shows(look: Callable[[], Awaitable[str]], words: str) -> str:
    """The page as soon as it says ``words``."""
    async with asyncio.timeout(WITHIN_S):
        while words not in (text := await look()):  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(0.1)
        return text


async def test_a_receptionist_looks_after_a_printer(tmp_path: Path):
    async with daemon_on_rig(tmp_path) as daemon, receptionist(daemon) as person:
        listed = await person.look("/printers")
        address = next(a for a in re.findall(r'href="(/printers/[^"]+)"', listed) if "ticket" in a)

        async def page() -> str:
            return await person.look(address)

        ready = await shows(page, "This printer confirms each sheet once it is printed.")
        assert "It is ready" in ready
        assert "EPSON TM-T20III" in ready
        await person.send(f"{address}/test", address)
        assert await daemon.rig.hardware("wait-for-sheets", printer=TICKETS, count=1, seconds=WITHIN_S)
        await shows(page, "the printer confirmed it")
        await person.send(f"{address}/new-roll", address)
        assert "0 sheets used since" in await page()
        await daemon.rig.hardware("lid", printer=TICKETS, is_open=True)
        await shows(page, "Close the cover until it clicks.")
        doctor = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "kioskd", "doctor", str(daemon.rig.site_file)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert re.search(
            r"^attention +device \S+ is in the daemon's hands and needs attention .*: its cover is open$",
            doctor.stdout,
            re.MULTILINE,
        ), doctor.stdout
        await daemon.rig.hardware("lid", printer=TICKETS, is_open=False)
        await shows(page, "It is ready")
        assert "empfang" not in daemon.log

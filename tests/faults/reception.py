"""The receptionist of a fault run: signs in as a person does, calls the next number and finishes the oldest call."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from kioskd.demo.person import PageProblem, Person
from tests.faults.eyes import DisplayEye

AREA = "general"
ROOM = "Zimmer 1"
MOST_CALLED = 3
"""More calls than a display has rows for would hide some."""
NAME = "rezeption"
PASSWORD = "a quiet Monday morning"


class Receptionist:
    """Somebody at the console. Lets httpx's TransportError through when the console dies."""

    def __init__(self, person: Person, site_file: Path, display: DisplayEye) -> None:
        self._person = person
        self._site_file = site_file
        self._display = display

    async def sign_in(self) -> None:
        """Get an account from the command line, and choose a password of one's own."""
        command = [sys.executable, "-m", "kioskd", "user", "add", NAME, "--role", "receptionist"]
        command += ["--config", str(self._site_file)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
        found = re.search(r"one-time password of \S+: (\S+)", done.stdout)
        assert found, done.stderr
        await self._person.sign_in(NAME, found.group(1))
        await self._person.send("/password", "/password", old=found.group(1), new=PASSWORD, again=PASSWORD)

    async def call_next(self, begin: Callable[[], None]) -> None:
        """Call who waits longest; ``begin`` is called when the button is pressed. Nobody waits: nothing happens."""
        if len(self._display.now) >= MOST_CALLED:
            await self._finish(self._display.now[-1].label)
        try:
            form = await self._person.form("/call-next", contains=ROOM)
        except PageProblem:
            return
        calling = asyncio.create_task(self._person.submit("/call-next", form | {"area": AREA, "room": ROOM}))
        begin()
        await calling

    async def _finish(self, label: str) -> None:
        page = await self._person.look("/")
        found = re.search(rf'href="/\?ticket=([0-9a-f-]{{36}})[^"]*"[^>]*>(?:(?!</a>).)*\b{label}\b', page, re.DOTALL)
        if found is not None:
            await self._person.send(f"/tickets/{found.group(1)}/finish", page=f"/?ticket={found.group(1)}")

"""Drives a ``front_process`` from outside, and compares what patients were told with what is on disk afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from kioskd.config import StoreConfig
from kioskd.hub.tables import audit as audit_table
from kioskd.hub.tables import check_in, outbox, ticket
from kioskd.station import intents
from kioskd.store import audit
from kioskd.store.outbox import OutboxState
from tests.faults.front_process import front_on
from tests.faults.outcome import Outcome

ROOT = Path(__file__).parents[2]
ANSWER_WITHIN_S = 60.0


class Ended(Exception):
    """The process has ended instead of answering; ``code`` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ended with {code}")
        self.code = code


def store_config(workplace: Path, folder: Path, reserve_mb: int = 1) -> StoreConfig:
    key = workplace / "store.key"
    key.touch(mode=0o600)
    key.write_text("0f" * 32)
    return StoreConfig(folder=folder, key_file=key, reserve_mb=reserve_mb)


@dataclass
class FrontProcess:
    """One front desk over as many lives of its process as it takes. ``told``: patient number to the number shown."""

    config: StoreConfig
    log_file: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    told: dict[int, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Raises Ended when it refuses to start."""
        command = [*self.prefix, sys.executable, "-m", "tests.faults.front_process", self.config.model_dump_json()]
        with self.log_file.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        await self._answer()

    async def start_again(self, within_s: float = 60.0) -> float:
        """Like systemd: again and again until it is ready; the seconds that took."""
        began = time.monotonic()
        async with asyncio.timeout(within_s):
            while True:
                try:
                    await self.start()
                except Ended:
                    continue
                return time.monotonic() - began

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    async def ask(self, command: str) -> dict[str, Any]:
        """Raises Ended."""
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{command}\n".encode())
            await self.process.stdin.drain()
        except ConnectionError:
            pass  # its answer says that it has ended
        return await self._answer()

    async def visit(self, number: int) -> dict[str, Any]:
        """Patient ``number`` checks in; what the page says is noted. Raises Ended."""
        answer = await self.ask(f"visit {number}")
        if answer["step"] == "done":
            before = self.told.setdefault(number, answer["label"])
            if before != answer["label"]:
                self.problems.append(f"patient {number} was told {before} and later {answer['label']}")
        return answer

    async def _answer(self) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(ANSWER_WITHIN_S):
            line = await self.process.stdout.readline()
            if not line:
                raise Ended(await self.process.wait())
            answer: dict[str, Any] = json.loads(line)
            return answer

    async def stop(self) -> int:
        """Let it end by itself; its exit code."""
        assert self.process is not None
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()

    def end(self) -> None:
        """For clean-up: whatever still runs is killed."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    async def examine(self, outcome: Outcome) -> None:
        """After the process has ended: ask again what was left open, then hold what was told against the databases."""
        async with front_on(self.config) as front:  # with the right time again
            await front.checkins.recover()
            rows, numbers, messages, chains = await front.hub.read(_read)
            still_open = await front.station.read(intents.open_intents)
        labels = dict(rows)
        for number, label in self.told.items():
            found = labels.get(f"p{number}")
            if found != label:
                outcome.lost += 1
                outcome.problems.append(f"patient {number} was told {label}; the hub has {found}")
        twice = [f"patient {who}" for who, count in Counter(who for who, _ in rows).items() if count > 1]
        twice += [f"number {one}" for one, count in Counter(numbers).items() if count > 1]
        outcome.doubled += len(twice)
        outcome.problems += [f"{what} is there twice" for what in twice] + self.problems
        if sorted(messages) != sorted(who for who, _ in rows):
            outcome.problems.append(f"{len(rows)} check-ins and {len(messages)} messages to the record do not agree")
        if still_open:
            outcome.problems.append(f"{len(still_open)} intents stay open")
        outcome.problems += [f"audit: {chain.problem}" for chain in chains if chain.problem]


def _read(
    connection: Connection,
) -> tuple[list[tuple[str, str]], list[str], list[str], list[audit.ChainReport]]:
    """Patients with their numbers, all numbers, the patients of messages to the record, the audit chains."""
    query = select(check_in.c.patient_id, ticket.c.series, ticket.c.number, ticket.c.business_day, check_in.c.reason)
    found = connection.execute(query.join(ticket, ticket.c.check_in_id == check_in.c.id)).all()
    rows = [(row.patient_id, f"{row.series}{row.number}") for row in found if row.reason is None]
    numbers = [f"{row.business_day} {row.series}{row.number}" for row in found]
    waiting = (outbox.c.destination == "records") & (outbox.c.state == OutboxState.PENDING)
    messages = [payload["patient_id"] for payload in connection.scalars(select(outbox.c.payload).where(waiting))]
    return rows, numbers, messages, audit.verify(connection, audit_table)

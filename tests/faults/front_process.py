"""A kiosk with its hub on real databases, as a process that can be starved. Reads a command a line, answers a line.

``visit N``: patient N puts in their card and says yes; answered with the page's last word, ``done`` and the number or
``help``, and how long it took. ``health``: how both stores are. ``until-well``: answered when both are well.
``hoard``: takes all memory that it can get, until ``let-go``. The patients are invented; each has an appointment today.
Ends as the daemon does: 1 with words when a store is lost, 70 without memory.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kioskd.beside import beside
from kioskd.config import AreaConfig, HubConfig, SiteConfig, StoreConfig
from kioskd.core.checkin import Step
from kioskd.errors import KioskdError
from kioskd.exhausted import end_when_out_of_memory
from kioskd.hub import tables as hub_tables
from kioskd.hub.site import Site, SiteRules
from kioskd.news import News
from kioskd.roles.running import SteadyClock, now
from kioskd.station import tables as station_tables
from kioskd.station.checkins import CheckIns
from kioskd.station.kiosk import Kiosk
from kioskd.station.printing import PrintQueue
from kioskd.store import Store, StoreState, open_store
from tests.fakes import ListSchedule, PaperPrinter
from tests.people import appointment, card, patient
from tests.station_jobs import job_maker

SITE = SiteConfig(id="markt", name="Praxis", timezone="Europe/Berlin")
AREAS = (AreaConfig(id="general", name="Wartezimmer", series="A", rooms=("Zimmer 1",), wristbands=True),)
RULES = SiteRules(SITE, HubConfig(records_token_file=Path("unused")), AREAS)
PATIENTS = 2000
LAST_WORD_WITHIN_S = 30.0


def schedule() -> ListSchedule:
    """Everybody with an appointment at this moment."""
    people = [patient(number) for number in range(PATIENTS)]
    at = datetime.now(UTC).replace(microsecond=0)
    return ListSchedule(people, [appointment(number, person, at) for number, person in enumerate(people)])


@dataclass
class Front:
    """Station and hub of one process."""

    station: Store
    hub: Store
    checkins: CheckIns
    kiosk: Kiosk
    queue: PrintQueue
    news: News
    hoarded: list[bytes] = field(default_factory=list)

    async def visit(self, number: int) -> dict[str, Any]:
        began = time.monotonic()
        await self.kiosk.close(self.kiosk.view().session_id)
        await self.kiosk.card_removed()
        with self.news.subscribe() as listening:
            await self.kiosk.card_seen()
            await self.kiosk.card_read(card(patient(number)))
            async with beside(self.kiosk.confirm(self.kiosk.view().session_id)), asyncio.timeout(LAST_WORD_WITHIN_S):
                while self.kiosk.view().step not in {Step.DONE, Step.HELP}:
                    await listening.__anext__()
                view = self.kiosk.view()
        return {"step": str(view.step), "label": view.label, "took_s": time.monotonic() - began}

    def hoard(self) -> dict[str, Any]:
        """Take memory until there is none; small pieces too, so that nothing is left between."""
        size = 1 << 24
        while size >= 256:
            try:
                self.hoarded.append(bytes(size))
            except MemoryError:
                size //= 2
        return {"pieces": len(self.hoarded)}

    def health(self) -> dict[str, Any]:
        return {"station": self.station.health.state, "hub": self.hub.health.state}

    async def until_well(self) -> dict[str, Any]:
        while {self.station.health.state, self.hub.health.state} != {StoreState.OK}:  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(0.02)
        return self.health()


@asynccontextmanager
async def front_on(config: StoreConfig) -> AsyncIterator[Front]:
    """Station and hub on the databases of ``config``."""
    news, steady = News(), SteadyClock()
    async with open_store(hub_tables.SCHEMA, config) as hub_store, open_store(station_tables.SCHEMA, config) as store:
        hub = Site(hub_store, schedule(), RULES, news, now)
        queue = PrintQueue("entrance", store, hub, news, steady)
        checkins = CheckIns(store, hub, job_maker(SITE, PaperPrinter(), PaperPrinter()), steady)
        kiosk = Kiosk("entrance", SITE, hub, checkins, queue, news, steady, wall_clock=now)
        await queue.recover()
        yield Front(store, hub_store, checkins, kiosk, queue, news)


async def serve(config: StoreConfig) -> None:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    end_when_out_of_memory(loop)
    async with (
        front_on(config) as front,
        beside(front.kiosk.run(), front.queue.expire_in_time(), front.queue.report()),
    ):
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        print(json.dumps({"ready": True}), flush=True)
        while line := await reader.readline():
            match line.decode().split():
                case ["visit", number]:
                    answer = await front.visit(int(number))
                case ["until-well"]:
                    answer = await front.until_well()
                case ["hoard"]:
                    answer = front.hoard()
                case ["let-go"]:
                    front.hoarded.clear()
                    answer = {}
                case _:
                    answer = front.health()
            print(json.dumps(answer), flush=True)


def main() -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        asyncio.run(serve(StoreConfig.model_validate_json(sys.argv[1])))
    except KioskdError as error:
        print(f"ended: {error}", file=sys.stderr)
        return 1
    except BaseExceptionGroup as group:
        known, bugs = group.split(KioskdError)
        if known is None or bugs is not None:
            raise
        print(f"ended: {known.exceptions}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

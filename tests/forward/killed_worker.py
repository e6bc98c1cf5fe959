"""A worker that dies in the transaction after a delivery: run as a process of its own, killed by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from sqlalchemy import Connection

from kioskd.config import StoreConfig
from kioskd.core.appointment import AppointmentStatus
from kioskd.forward import FhirClient, FhirDestination, run_worker
from kioskd.ports import OutboxMessage
from kioskd.store import open_store
from kioskd.store.outbox import OutboxState
from tests.forward.outbox_rows import NAME, utc_now
from tests.store.notebook import OUTBOX, SCHEMA


def die(_connection: Connection, _message: OutboxMessage, state: OutboxState, _text: str) -> None:
    if state is OutboxState.DONE:
        os.kill(os.getpid(), signal.SIGKILL)


async def main(config: StoreConfig, url: str, token: str) -> None:
    async with open_store(SCHEMA, config) as store, FhirClient(url, token) as client:
        destination = FhirDestination(client, AppointmentStatus.CHECKED_IN)
        async with run_worker(store, OUTBOX, NAME, destination, utc_now, settled=die), asyncio.timeout(20):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(StoreConfig.model_validate_json(sys.argv[1]), *sys.argv[2:]))

"""The life of the process: every part started in order, stopped in reverse. What a role is made of: ``roles``.

Each part is a context; leaving the stack is the shutdown. A task that crashes ends its part, the parts around it and
the process, non-zero. Stopping is bounded everywhere, and should a bound be missed ``STOP_WITHIN_S`` ends the process.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from kioskd.beside import beside
from kioskd.config import Config
from kioskd.exhausted import end_when_out_of_memory
from kioskd.health import Feeder, Kind, Watch, beat_for, watchdog_every_s
from kioskd.news import News
from kioskd.notify import notify
from kioskd.roles.hub import hub_role
from kioskd.roles.records import records_role
from kioskd.roles.running import Running, SteadyClock, now
from kioskd.roles.station import linked_hub, station_role
from kioskd.roles.watching import look_at_disk
from kioskd.staff import Staff
from kioskd.staff import tables as staff_tables
from kioskd.store import open_store
from kioskd.web.metrics import Metrics, metrics_app
from kioskd.web.pages import Pages

__all__ = ["STOP_WITHIN_S", "Running", "run", "running"]

STOP_WITHIN_S = 40.0
"""Shorter than the unit's TimeoutStopSec."""

log = logging.getLogger(__name__)


async def run(config: Config, file: Path, text: str) -> None:
    """Run until SIGTERM or SIGINT. Raises StartRefused, or what a crashed part raised."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    end_when_out_of_memory(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(config, str(file), text) as daemon:
        notify("READY=1")
        daemon.watch.on_beat(Feeder(notify, loop.time, watchdog_every_s()))
        log.info("ready: %s", ", ".join(f"{name} on {a.url}" for name, a in daemon.addresses.items()))
        try:
            await stop.wait()
        finally:  # also when a part has crashed
            notify("STOPPING=1")
            log.info("stopping")
            _end_in_any_case()


def _end_in_any_case() -> None:
    """A last bound: whatever hangs, the process ends, and the init system sees that it did not end well."""
    timer = threading.Timer(STOP_WITHIN_S, os._exit, (70,))
    timer.daemon = True
    timer.start()


@asynccontextmanager
async def running(config: Config, file: str = "site file", text: str = "") -> AsyncIterator[Running]:
    """All roles of the site file, from entering to leaving. Raises StartRefused, or what a crashed part raised."""
    roles = config.site.roles
    async with AsyncExitStack() as parts:
        watch = Watch(now, beat_for(watchdog_every_s()))
        daemon = Running(config, News(), Pages(config.site.zone), watch, Metrics(lambda: watch.health))
        await parts.enter_async_context(beside(watch.run(), daemon.metrics.follow(daemon.news)))
        if "hub" in roles or "records" in roles:
            accounts = await parts.enter_async_context(open_store(staff_tables.SCHEMA, config.store))
            daemon.watch_store(parts, "staff", accounts)
            daemon.accounts = Staff(accounts, now, config.staff, SteadyClock())
            parts.callback(daemon.staff.close)
        if config.store.url is None:
            parts.callback(daemon.watch.look_at("disk", Kind.DISK, look_at_disk(config.store.folder)))
        if config.metrics.listen is not None:
            await daemon.serve(parts, "metrics", metrics_app(daemon.metrics, daemon.hosts), config.metrics.listen)
        if "records" in roles and config.records is not None:
            await parts.enter_async_context(records_role(daemon, config.records))
        if "hub" in roles and config.hub is not None and config.mqtt is not None:
            hub = await parts.enter_async_context(hub_role(daemon, config.hub, config.mqtt))
            if "station" in roles:
                await parts.enter_async_context(station_role(daemon, hub, file, text))
        elif "station" in roles and config.mqtt is not None:
            link = await parts.enter_async_context(linked_hub(daemon, config.mqtt))
            await parts.enter_async_context(station_role(daemon, link, file, text))
        # What was made by now lives as long as the process: without this the collector walks through all of it again
        # and again, 50 ms at a time (measured) in which nobody is answered.
        gc.collect()
        gc.freeze()
        parts.callback(daemon.news.end)  # the first thing to stop: live streams would keep the web servers waiting
        yield daemon

"""The health loop: what it makes of answers, and what it tells systemd."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from kioskd.beside import beside
from kioskd.health import (
    Feeder,
    Finding,
    Health,
    Kind,
    Part,
    State,
    Watch,
    Why,
    beat_for,
    watchdog_every_s,
)
from tests.fakes import Clock
from tests.people import NOW

BEAT_S = 0.01
AWAY = Finding(State.TROUBLE, Why.AWAY, "Connection refused")


@asynccontextmanager
async def watching(*add: Callable[[Watch], object]) -> AsyncIterator[tuple[Watch, Callable[..., Awaitable[Health]]]]:
    """A running watch, and ``until(condition)`` for the first look that fulfils it."""
    watch = Watch(Clock(NOW), BEAT_S)
    for one in add:
        one(watch)

    async def until(is_wanted: Callable[[Health], bool]) -> Health:
        found: asyncio.Future[Health] = asyncio.get_running_loop().create_future()
        watch.on_beat(lambda health: found.set_result(health) if is_wanted(health) and not found.done() else None)
        async with asyncio.timeout(20):
            return await found

    async with beside(watch.run()):
        yield watch, until


def part(health: Health, name: str) -> Part:
    return next(p for p in health.parts if p.name == name)


async def test_all_is_well_with_no_part_but_the_loop():
    async with watching() as (_, until):
        health = await until(lambda h: h.lag_s < 1)
    assert [p.kind for p in health.parts] == [Kind.LOOP]
    assert (health.is_alive, health.words) == (True, "all is well")


async def test_trouble_is_told_and_does_not_end_the_daemon():
    async with watching(lambda w: w.look_at("broker", Kind.BROKER, lambda: AWAY)) as (_, until):
        health = await until(lambda h: not h.words.startswith("all"))
    assert health.is_alive
    assert health.words == "broker is away (Connection refused)"


async def test_a_part_that_does_not_answer_has_failed_until_it_does():
    answered = asyncio.Event()

    async def ask() -> Finding:
        await answered.wait()
        return Finding()

    async with watching(lambda w: w.ask("hub database", Kind.STORE, ask, every_s=0.01, within_s=0.05)) as (_, until):
        health = await until(lambda h: not h.is_alive)
        assert health.words == "hub database does not answer (for 0 s)"
        answered.set()
        await until(lambda h: h.is_alive)


async def test_an_answer_that_takes_long_is_not_asked_for_a_second_time():
    begun = 0

    async def ask() -> Finding:
        nonlocal begun
        begun += 1
        await asyncio.Event().wait()
        return Finding()

    async with watching(lambda w: w.ask("hub database", Kind.STORE, ask, every_s=0.0, within_s=0.1)) as (_, until):
        await until(lambda h: not h.is_alive)
    assert begun == 1


async def test_a_loop_that_is_late_has_failed_for_as_long_as_it_is():
    async with watching() as (_, until):
        asyncio.get_running_loop().call_later(0.05, time.sleep, 1.1)
        health = await until(lambda h: not h.is_alive)
        assert part(health, "event loop").why is Why.LATE
        await until(lambda h: h.is_alive)


async def test_a_part_is_as_it_is_since_its_reason_changed_and_not_since_its_figures_did(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO, "kioskd.health")
    clock, free = Clock(NOW), 5
    watch = Watch(clock, BEAT_S)
    watch.look_at("disk", Kind.DISK, lambda: Finding(State.TROUBLE, Why.SHORT_OF_SPACE, f"{free} MB"))
    first, second = asyncio.Event(), asyncio.Event()
    watch.on_beat(lambda _: first.set())
    watch.on_beat(lambda h: second.set() if part(h, "disk").detail == "4 MB" else None)
    async with beside(watch.run()):
        async with asyncio.timeout(20):
            await first.wait()
            clock.now += timedelta(minutes=5)
            free = 4
            await second.wait()
    assert part(watch.health, "disk").since == NOW
    assert [r.message for r in caplog.records] == ["health: disk has hardly any room left (5 MB)"]


async def test_a_part_that_has_ended_is_not_asked_any_more():
    async with watching() as (watch, until):
        forget = watch.look_at("broker", Kind.BROKER, lambda: AWAY)
        await until(lambda h: len(h.parts) == 2)
        forget()
        await until(lambda h: len(h.parts) == 1)


def health(*findings: Finding) -> Health:
    parts = (Part(f"part {n}", Kind.STORE, f.state, f.why, f.detail, NOW) for n, f in enumerate(findings))
    return Health(NOW, tuple(parts))


def test_systemd_hears_at_half_its_patience_while_the_daemon_is_alive():
    told: list[str] = []
    now_s = 0.0
    feed = Feeder(told.append, lambda: now_s, every_s=8.0)
    for second in range(33):
        now_s = float(second)
        feed(health(AWAY))
    pings = [n for n in told if n == "WATCHDOG=1"]
    assert 4 < len(pings) <= 6
    assert [t for t in told if t != "WATCHDOG=1"] == ["STATUS=part 0 is away (Connection refused)"]


def test_systemd_hears_nothing_while_a_part_has_failed_and_at_once_when_it_is_back():
    told: list[str] = []
    now_s = 0.0
    feed = Feeder(told.append, lambda: now_s, every_s=8.0)
    for second in range(60):
        now_s = float(second)
        feed(health(Finding(State.FAILED, Why.NO_ANSWER, "hub")))
    assert told == ["STATUS=part 0 does not answer (hub)"]
    feed(health(Finding()))
    assert told[1:] == ["WATCHDOG=1", "STATUS=all is well"]


def test_who_waits_for_no_ping_gets_none():
    told: list[str] = []
    Feeder(told.append, lambda: 0.0, every_s=None)(health(Finding()))
    assert told == ["STATUS=all is well"]


@pytest.mark.parametrize(
    ("environment", "every_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "me"}, None),
    ],
)
def test_the_watchdog_of_systemd_is_read_as_sd_watchdog_enabled_does(
    environment: dict[str, str], every_s: float | None
):
    assert watchdog_every_s(environment, pid=42) == every_s


def test_a_beat_is_short_enough_for_every_watchdog():
    assert [beat_for(every_s) for every_s in (None, 15.0, 1.0)] == [1.0, 1.0, 0.25]

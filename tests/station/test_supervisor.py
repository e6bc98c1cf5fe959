"""A device is opened again and again, says so once, and never takes the daemon with it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from kioskd.errors import DeviceUnavailable, Unreachable
from kioskd.station.devices.supervisor import (
    LONGEST_WAIT_S,
    MOST_LOST_THREADS,
    READY,
    UNAVAILABLE,
    ManagedDevice,
    TooManyLostThreads,
)

QUICK_S = 0.005


class Gadget:
    """A device that fails when it is told to. ``trouble`` maps a method to what it raises; an Event hangs."""

    def __init__(self) -> None:
        self.trouble: dict[str, Exception | threading.Event] = {}
        self.calls: list[str] = []
        self.threads: list[threading.Thread] = []
        self._called = threading.Condition()

    async def until(self, name: str, count: int) -> None:
        """Wait until a method was called ``count`` times."""

        def wait() -> bool:
            with self._called:
                return self._called.wait_for(lambda: self.calls.count(name) >= count, 10)

        assert await asyncio.to_thread(wait), f"{name} was called {self.calls.count(name)} times only"

    def _do(self, name: str) -> None:
        with self._called:
            self.calls.append(name)
            self.threads.append(threading.current_thread())
            self._called.notify_all()
        trouble = self.trouble.get(name)
        if isinstance(trouble, threading.Event):
            trouble.wait(30)
        elif trouble is not None:
            raise trouble

    def open(self) -> None:
        self._do("open")

    def close(self) -> None:
        self._do("close")

    def use(self) -> str:
        self._do("use")
        return "used"


class Desk:
    """Hears the states of a device; ``is_away`` makes it unreachable."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.is_away = False
        self._changed = asyncio.Condition()

    async def report(self, device: ManagedDevice) -> None:
        if self.is_away:
            raise Unreachable("nobody is there")
        self.heard.append((device.state, device.what))
        async with self._changed:
            self._changed.notify_all()

    async def until(self, *expected: tuple[str, str]) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.heard[-len(expected) :] == list(expected))


Work = Callable[[ManagedDevice], Awaitable[None]]


async def use_for_ever(device: ManagedDevice) -> None:
    gadget = device.device
    assert isinstance(gadget, Gadget)
    while True:
        await device.call(gadget.use, 5)
        await device.tell()
        await asyncio.sleep(QUICK_S)


@asynccontextmanager
async def running(
    gadget: Gadget, desk: Desk, work: Work = use_for_ever, first_wait_s: float = QUICK_S
) -> AsyncIterator[asyncio.Task[None]]:
    device = ManagedDevice("reader", "card-reader", gadget, desk.report, first_wait_s)
    life = asyncio.create_task(device.run(work))
    try:
        yield life
    finally:
        life.cancel()
        await asyncio.wait({life}, timeout=10)
        for trouble in gadget.trouble.values():
            if isinstance(trouble, threading.Event):
                trouble.set()


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(r.levelname, r.getMessage()) for r in caplog.records if r.name.startswith("kioskd")]


async def test_a_device_that_comes_back_is_ready_again_with_one_line_for_each_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    gadget, desk = Gadget(), Desk()
    async with running(gadget, desk):
        await desk.until((READY, ""))
        gadget.trouble = {
            "use": DeviceUnavailable("reader", "was pulled out"),
            "open": DeviceUnavailable("x", "is gone"),
        }
        await desk.until((UNAVAILABLE, "is gone"))
        attempts = gadget.calls.count("open")
        await gadget.until("open", attempts + 3)
        gadget.trouble = {}
        await desk.until((READY, ""))
    assert lines(caplog) == [
        ("INFO", "reader is ready"),
        ("WARNING", "reader is unavailable: was pulled out"),
        ("WARNING", "reader is unavailable: is gone"),
        ("INFO", "reader is ready"),
    ]
    assert desk.heard == [(READY, ""), (UNAVAILABLE, "was pulled out"), (UNAVAILABLE, "is gone"), (READY, "")]


async def test_every_failed_attempt_is_closed_before_the_next() -> None:
    gadget, desk = Gadget(), Desk()
    gadget.trouble = {"open": DeviceUnavailable("reader", "is gone")}
    async with running(gadget, desk):
        await gadget.until("close", 3)
    assert gadget.calls[:6] == ["open", "close"] * 3


async def test_the_wait_doubles_and_does_not_start_over_after_a_short_success() -> None:
    """A device that breaks right after it was ready does not spin."""
    opened_at: list[float] = []

    class Brief(Gadget):
        def open(self) -> None:
            opened_at.append(time.monotonic())
            super().open()

    gadget = Brief()
    gadget.trouble = {"use": DeviceUnavailable("reader", "broke")}
    async with running(gadget, Desk(), first_wait_s=0.04):
        await gadget.until("open", 5)
    waits = [later - earlier for earlier, later in pairwise(opened_at)]
    for number, wait in enumerate(waits[:4]):
        assert wait >= 0.04 * 2**number * 0.8
    assert LONGEST_WAIT_S >= 1


async def test_the_wait_starts_over_when_the_device_did_its_work() -> None:
    """Twelve failures in a row would end in a wait of a minute and more, were each not a first one."""

    async def serve_once(device: ManagedDevice) -> None:
        device.served()
        raise DeviceUnavailable("reader", "pcscd was restarted")

    gadget = Gadget()
    async with running(gadget, Desk(), serve_once, first_wait_s=0.04):
        await gadget.until("open", 12)


async def test_a_call_that_hangs_is_given_up_and_its_thread_replaced() -> None:
    gadget, desk = Gadget(), Desk()
    gadget.trouble = {"use": threading.Event()}

    async def use_once(device: ManagedDevice) -> None:
        await device.call(gadget.use, 0.05)
        await asyncio.Event().wait()

    async with running(gadget, desk, use_once):
        await desk.until((UNAVAILABLE, "did not answer within 0.05 s"))
        hung = gadget.trouble.pop("use")
        await desk.until((READY, ""))
        assert isinstance(hung, threading.Event)
        hung.set()
        lost, fresh = gadget.threads[0], gadget.threads[-1]
        assert lost is not fresh
        await asyncio.to_thread(lost.join, 5)
        assert not lost.is_alive(), "a lost thread ends when its call returns after all"


async def test_after_five_lost_threads_only_a_new_process_helps() -> None:
    gadget, desk = Gadget(), Desk()
    gadget.trouble = {"use": threading.Event()}

    async def use_once(device: ManagedDevice) -> None:
        await device.call(gadget.use, 0.02)

    async with running(gadget, desk, use_once) as life:
        with pytest.raises(TooManyLostThreads, match=f"^reader: {MOST_LOST_THREADS} calls did not return"):
            await asyncio.wait_for(life, 10)
    assert gadget.calls.count("use") == MOST_LOST_THREADS


async def test_it_stops_quickly_while_a_call_hangs() -> None:
    gadget, desk = Gadget(), Desk()
    gadget.trouble = {"use": threading.Event()}

    async with running(gadget, desk, use_for_ever) as life:
        await gadget.until("use", 1)
        began = time.monotonic()
        life.cancel()
        await asyncio.wait({life}, timeout=10)
        assert life.cancelled()
        assert time.monotonic() - began < 20


async def test_stopping_closes_the_device_and_ends_its_thread() -> None:
    gadget, desk = Gadget(), Desk()
    async with running(gadget, desk):
        await desk.until((READY, ""))
    assert gadget.calls[-1] == "close"
    await asyncio.to_thread(gadget.threads[-1].join, 5)
    assert not gadget.threads[-1].is_alive()


@pytest.mark.parametrize("method", ["open", "use"])
@pytest.mark.parametrize("bug", [OSError("cable"), TypeError("bytes wanted"), TimeoutError("of a socket")])
async def test_a_bug_in_a_driver_costs_its_device_and_not_the_daemon(
    caplog: pytest.LogCaptureFixture, method: str, bug: Exception
) -> None:
    gadget, desk = Gadget(), Desk()
    gadget.trouble = {method: bug}
    async with running(gadget, desk) as life:
        what = f"its driver failed with {type(bug).__name__}; the log says where"
        await desk.until((UNAVAILABLE, what))
        gadget.trouble = {}
        await desk.until((READY, ""))
        assert not life.done()
    errors = [r for r in caplog.records if r.levelname == "ERROR"]
    assert [r.getMessage() for r in errors][:1] == ["reader: its driver failed"]
    assert errors[0].exc_info


async def test_a_bug_in_closing_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    gadget, desk = Gadget(), Desk()
    gadget.trouble = {"close": OSError("cable"), "use": DeviceUnavailable("reader", "was pulled out")}
    async with running(gadget, desk) as life:
        await desk.until((UNAVAILABLE, "was pulled out"))
        gadget.trouble.pop("use")
        await desk.until((READY, ""))
        assert not life.done()
    assert any("reader could not be closed" in text for _, text in lines(caplog))


async def test_a_desk_that_was_away_is_told_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    gadget, desk = Gadget(), Desk()
    desk.is_away = True
    async with running(gadget, desk) as life:
        await gadget.until("use", 4)
        assert not life.done()
        desk.is_away = False
        await desk.until((READY, ""))
    assert desk.heard == [(READY, "")]
    assert [text for _, text in lines(caplog) if "could not be told" in text] == [
        "the desk could not be told that reader is ready: nobody is there"
    ]

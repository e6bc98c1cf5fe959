"""Blocking calls on a thread of their own: order, deadlines, and what is late."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kioskd.calls import CallThread, CallTimedOut

LONG_S = 10.0


@contextmanager
def thread(name: str = "calls") -> Iterator[CallThread]:
    opened = CallThread(name)
    try:
        yield opened
    finally:
        opened.close()


class Gate:
    """A call that hangs until it is let go. ``has_begun`` and ``has_ended`` are events of threads."""

    def __init__(self, result: str = "late") -> None:
        self.result = result
        self.has_begun = threading.Event()
        self.has_ended = threading.Event()
        self.let_go = threading.Event()

    def __call__(self) -> str:
        self.has_begun.set()
        assert self.let_go.wait(LONG_S)
        self.has_ended.set()
        return self.result


async def test_calls_run_one_at_a_time_and_in_order() -> None:
    running: list[str] = []

    def work(number: int) -> int:
        running.append(f"begin {number}")
        time.sleep(0.002)  # long enough that a second thread would get in between
        running.append(f"end {number}")
        return number

    with thread() as one:
        results = await asyncio.gather(*(one.call(lambda n=n: work(n), LONG_S) for n in range(5)))  # type: ignore[misc]
    assert results == [0, 1, 2, 3, 4]
    assert running == [f"{what} {n}" for n in range(5) for what in ("begin", "end")]


async def test_the_call_does_not_run_on_the_loop_and_the_thread_does_not_hold_up_the_exit() -> None:
    with thread("reader") as one:
        there = await one.call(threading.current_thread, LONG_S)
    assert there is not threading.current_thread()
    assert there.daemon
    assert there.name == "reader"


async def test_an_exception_comes_to_the_caller_and_the_thread_goes_on() -> None:
    def fail() -> None:
        raise LookupError("no such thing")

    with thread() as one:
        with pytest.raises(LookupError, match="no such thing"):
            await one.call(fail, LONG_S)
        assert await one.call(lambda: 7, LONG_S) == 7


@pytest.mark.parametrize("raised", [TimeoutError("of the socket"), StopIteration("of an iterator"), SystemExit(3)])
async def test_awkward_exceptions_come_to_the_caller_too(raised: BaseException) -> None:
    def fail() -> None:
        raise raised

    with thread() as one:
        with pytest.raises((TimeoutError, RuntimeError, SystemExit)) as caught:
            await one.call(fail, LONG_S)
        assert raised in (caught.value, caught.value.__cause__)
        assert not one.is_lost
        assert await one.call(lambda: 7, LONG_S) == 7


async def test_after_its_deadline_a_call_is_given_up_and_the_thread_is_lost() -> None:
    gate = Gate()
    with thread("printer") as one:
        with pytest.raises(CallTimedOut, match=r"^printer: no answer within 0\.05 s$"):
            await one.call(gate, 0.05)
        assert one.is_lost
        with pytest.raises(CallTimedOut, match="lost since an earlier call"):
            await one.call(lambda: 7, LONG_S)
        gate.let_go.set()


async def test_a_late_result_is_dropped() -> None:
    gate = Gate()
    with thread() as one:
        with pytest.raises(CallTimedOut):
            await one.call(gate, 0.05)
        gate.let_go.set()
        assert await asyncio.to_thread(gate.has_ended.wait, LONG_S)
        await asyncio.sleep(0)  # the late answer, if there was one, is handled by the loop now
        assert one.is_lost


async def test_a_call_that_is_given_up_before_it_began_never_begins() -> None:
    gate, second = Gate(), Gate()
    with thread() as one:
        first = asyncio.create_task(one.call(gate, LONG_S))
        assert await asyncio.to_thread(gate.has_begun.wait, LONG_S)
        waiting = asyncio.create_task(one.call(second, LONG_S))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.let_go.set()
        assert await first == "late"
        assert await one.call(lambda: 7, LONG_S) == 7
    assert not second.has_begun.is_set()


async def test_an_answer_that_came_in_time_counts_also_when_the_loop_was_late() -> None:
    answered = threading.Event()

    def answer() -> str:
        answered.set()
        return "in time"

    with thread() as one:
        call = asyncio.create_task(one.call(answer, 0.05))
        await asyncio.sleep(0)
        assert answered.wait(LONG_S)
        time.sleep(0.1)  # noqa: ASYNC251 - the loop stands still beyond the deadline
        assert await call == "in time"
        assert not one.is_lost


def test_a_loop_that_is_closed_meanwhile_is_no_trouble_for_the_thread() -> None:
    gate = Gate()
    one = CallThread("left behind")

    async def ask_and_leave() -> None:
        asking = asyncio.create_task(one.call(gate, LONG_S))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})

    asyncio.run(ask_and_leave())
    gate.let_go.set()
    assert asyncio.run(one.call(lambda: 7, LONG_S)) == 7
    assert gate.has_begun.is_set() == gate.has_ended.is_set()
    one.close()


async def test_close_lets_the_calls_that_were_asked_for_finish() -> None:
    one = CallThread("closing")
    there = await one.call(threading.current_thread, LONG_S)
    asked = asyncio.create_task(one.call(lambda: 7, LONG_S))
    await asyncio.sleep(0)
    one.close()
    assert await asked == 7
    await asyncio.to_thread(there.join, LONG_S)
    assert not there.is_alive()

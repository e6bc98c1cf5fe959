"""Blocking calls on a daemon thread of their own: the way to hardware and to the database.

Not an executor: Python joins pool threads when it exits, so one hung USB call would keep the daemon from
stopping (measured: ThreadPoolExecutor, asyncio.to_thread and anyio all wait for it). A daemon thread is left behind.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class CallTimedOut(Exception):
    """A call did not return within its deadline; its thread is lost, a late result is dropped."""


@dataclass(slots=True)
class _Call:
    function: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class CallThread:
    """Runs blocking calls one at a time and in order, each under a deadline.

    A call that is given up before it began is never begun. After ``CallTimedOut`` the thread counts as lost:
    use a new CallThread.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_lost = False
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[[], T], within_s: float) -> T:
        """The result of ``function()``. Raises what it raises, or CallTimedOut after ``within_s`` seconds."""
        if self.is_lost:
            raise CallTimedOut(f"{self.name} is lost since an earlier call")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put(_Call(function, future, loop))
        try:
            async with asyncio.timeout(within_s):
                return await future
        except TimeoutError:
            if not future.cancelled():
                # It was answered: the function itself raised TimeoutError, or only the loop was late.
                return future.result()
            self.is_lost = True
            raise CallTimedOut(f"{self.name}: no answer within {within_s:g} s") from None

    def close(self) -> None:
        """Let the thread end after the calls that were asked for. Does not wait."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            if call.future.cancelled():
                continue
            try:
                result = call.function()
            except StopIteration as error:
                _answer(call, error=_as_runtime_error(error))
            except BaseException as error:  # noqa: BLE001 - handed to the caller, whoever that is
                _answer(call, error=error)
            else:
                _answer(call, result=result)
            del call


def _as_runtime_error(error: StopIteration) -> RuntimeError:
    """What a future can carry: StopIteration has another meaning to coroutines (PEP 479)."""
    carried = RuntimeError("the call raised StopIteration")
    carried.__cause__ = error
    return carried


def _answer(call: _Call, result: Any = None, error: BaseException | None = None) -> None:
    def settle() -> None:
        if call.future.done():
            return
        if error is not None:
            call.future.set_exception(error)
        else:
            call.future.set_result(result)

    try:
        call.loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop is closed: the daemon has stopped and nobody waits any more

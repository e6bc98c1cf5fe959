"""A deadline for calls that have none: SCardTransmit returns when the card has answered, or never.

The call runs on a thread and a PC/SC context of its own. When its time is over it is left behind, and the reader's
status loop, on another context, goes on: it sees the card go, which ends the call in most drivers. A call that still
does not return holds the card exclusively, so no second one is begun beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from smartcard import scard

T = TypeVar("T")

_ENDS_WITHIN_S = 1.0


class CallHangs(Exception):
    """A call did not return in time, or an earlier one still has not."""


class WatchedCalls:
    """Calls on one PC/SC context, one at a time, each under a deadline. For one thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[tuple[Callable[[Any], Any], Future[Any]] | None] | None = None
        self._thread: threading.Thread | None = None
        self._last: Future[Any] | None = None

    def is_hanging(self, within_s: float = 0) -> bool:
        """Whether the last call still has not returned, after waiting for it so long. Also after ``end``."""
        if self._last is None:
            return False
        with suppress(TimeoutError):
            self._last.exception(within_s)
        return not self._last.done()

    def begin(self, context: Any) -> None:
        """Make calls on ``context``, which is released at the end. Nothing must hang, and nothing be begun."""
        self._calls = SimpleQueue()
        self._thread = threading.Thread(
            target=_serve, args=(self._calls, context), name=f"card-{self._name}", daemon=True
        )
        self._thread.start()

    def call(self, function: Callable[[Any], T], within_s: float) -> T:
        """The result of ``function(context)``. Raises what it raises, or CallHangs."""
        if self._calls is None or self.is_hanging():
            raise CallHangs(self._name)
        future: Future[T] = Future()
        self._last = future
        self._calls.put((function, future))
        if self.is_hanging(within_s):
            raise CallHangs(self._name)
        self._last = None  # a card's data stay nowhere
        return future.result()

    def end(self) -> None:
        """Release the context, now or when the call that hangs returns. MAY be called twice."""
        if self._calls is None or self._thread is None:
            return
        self._calls.put(None)
        if not self.is_hanging():
            self._thread.join(_ENDS_WITHIN_S)
        self._calls = self._thread = None


def _serve(calls: SimpleQueue[tuple[Callable[[Any], Any], Future[Any]] | None], context: Any) -> None:
    while (call := calls.get()) is not None:
        function, future = call
        try:
            result = function(context)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whoever that is
            future.set_exception(error)
        else:
            future.set_result(result)
            del result
        del call, future, function
    # The answer does not matter: the context of a pcscd that died is gone anyway.
    with suppress(scard.error):
        scard.SCardReleaseContext(context)

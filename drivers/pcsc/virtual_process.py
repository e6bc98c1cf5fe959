"""``drivers.pcsc.virtual`` as a child process, inside the network namespace where its pcscd listens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drivers.pcsc.virtual import DEFAULT_PORT
from kioskd.errors import DeviceUnavailable

_NAME = "virtual card"
_ANSWER_WITHIN_S = 5.0


class VirtualCardProcess:
    """A hand with a tray of sample cards in front of one virtual reader.

    ``namespace_pid`` is a process in the network namespace of pcscd, or None when pcscd is in our own. All
    methods block, for 5 s at most, and raise DeviceUnavailable when the process or pcscd does not answer.
    """

    def __init__(self, namespace_pid: int | None = None, port: int = DEFAULT_PORT) -> None:
        self._messages: deque[dict[str, Any]] = deque()
        self._arrived = threading.Condition()
        self._process = subprocess.Popen(
            [*_enter(namespace_pid), sys.executable, "-m", "drivers.pcsc.virtual", "--port", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": _python_path()},
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, name="virtual-card-events", daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def insert(
        self,
        card_id: str,
        delay_ms: float = 0,
        remove_after_apdus: int | None = None,
        silent_after_apdus: int | None = None,
        within_s: float = _ANSWER_WITHIN_S,
    ) -> None:
        """Put a sample card in; returns when it is connected to the virtual reader (pcscd sees it at its next poll).

        ``delay_ms`` is what the card takes for each command; ``remove_after_apdus`` has it pulled during a read,
        ``silent_after_apdus`` has it stay in and answer no more.
        Raises ValueError (no such card, or there is one in already).
        """
        self._forget_events()
        apdus = {"remove_after_apdus": remove_after_apdus, "silent_after_apdus": silent_after_apdus}
        self._command({"do": "insert", "card": card_id, "delay_ms": delay_ms, **apdus})
        self.wait_for("inserted", within_s)

    def remove(self) -> None:
        """Take the card out, if there is one."""
        self._command({"do": "remove"})

    def swap(self, card_id: str, after_apdus: int | None = None, unnoticed: bool = False) -> None:
        """Exchange the card, now or by itself after so many APDUs; ``unnoticed`` keeps the reader in ignorance."""
        self._command({"do": "swap", "card": card_id, "after_apdus": after_apdus, "unnoticed": unnoticed})

    def wait_for(self, event: str, within_s: float = _ANSWER_WITHIN_S) -> dict[str, Any]:
        """The next event of that name (``inserted``, ``removed``), which may have come already."""
        return self._take(lambda message: message.get("event") == event, f"no event {event!r}", within_s)

    def close(self) -> None:
        """End the process; a card that is in is out then. MAY be called twice."""
        if self._process.stdin is None or self._process.stdout is None or self._process.stdin.closed:
            return
        self._process.stdin.close()
        try:
            self._process.wait(_ANSWER_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._process.stdout.close()

    def _command(self, command: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise DeviceUnavailable(_NAME, "the process has no input")
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise DeviceUnavailable(_NAME, f"the process of the virtual card has ended ({error})") from error
        answer = self._take(lambda message: "ok" in message, f"no answer to {command['do']!r}", _ANSWER_WITHIN_S)
        if not answer["ok"]:
            raise ValueError(answer["error"])

    def _take(self, is_it: Callable[[dict[str, Any]], bool], missing: str, within_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        with self._arrived:
            while True:
                for message in self._messages:
                    if is_it(message):
                        self._messages.remove(message)
                        return message
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0 or not self._listener.is_alive():
                    raise DeviceUnavailable(_NAME, f"{missing} within {within_s:g} s; does pcscd with vpcd run?")
                self._arrived.wait(remaining_s)

    def _forget_events(self) -> None:
        with self._arrived:
            self._messages = deque(message for message in self._messages if "event" not in message)

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            with self._arrived:
                self._messages.append(json.loads(line))
                self._arrived.notify_all()
        with self._arrived:
            self._arrived.notify_all()


def _enter(namespace_pid: int | None) -> list[str]:
    """The words of a command line that puts the rest of it into the namespace."""
    if namespace_pid is None:
        return []
    as_user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    return ["nsenter", "--target", str(namespace_pid), "--net", *as_user, "--"]


def _python_path() -> str:
    """A PYTHONPATH with the folder that ``drivers`` is in, for a child that may start elsewhere."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)

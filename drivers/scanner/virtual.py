"""A scanner in software at the end of a real terminal: what hands do with it, and what it sends then.

It stands at a path of its own, as udev would name it, and can be pulled out and put in again. It talks plainly, as a
Zebra in SSI mode or as a Newland, and understands what those are told.
"""

from __future__ import annotations

import os
import re
import select
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Condition, RLock, Thread
from time import monotonic
from types import TracebackType
from typing import Self

from drivers.scanner import Profile, newland, ssi

__all__ = ["VirtualScanner"]

ACK_WITHIN_S = 2.0
WRITE_WITHIN_S = 5.0
ATTEMPTS = 3
_PART_BYTES = 240
_COMMAND = re.compile(re.escape(newland.COMMAND) + rb"([^\x03]{1,80}?)" + re.escape(newland.END))
_MOST_HELD = 4096


class VirtualScanner:
    """Plugged in at once. Any thread may use it.

    ``suffix`` and ``is_marked`` (STX before, ETX behind): how it is set. ``sends_aim``: with AIM identifiers; as a
    Newland it may be told so, and in SSI mode packets say the kind of code anyway.
    """

    def __init__(
        self,
        path: Path,
        profile: Profile = "plain",
        suffix: bytes = b"\r",
        is_marked: bool = False,
        sends_aim: bool = True,
    ) -> None:
        self.path = path
        self.suffix = suffix
        self.is_marked = is_marked
        self.sends_aim = sends_aim
        self.is_deaf = False
        """Does not answer what it is told, as one that is set to another profile."""
        self.commands: list[str] = []
        """What it was told: opcodes in hexadecimal, or Newland's words."""
        self._profile = profile
        self._is_enabled = True
        self._spoiled = 0
        self._changed = Condition(RLock())
        self._answers: list[int] = []
        self._near = -1
        self._pull = -1
        self._thread: Thread | None = None
        self.plug()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    # --- hands

    @property
    def is_plugged(self) -> bool:
        return self._thread is not None

    @property
    def is_enabled(self) -> bool:
        """Whether it reads; a scanner that can't be told always does."""
        return self._is_enabled

    def wait_until_enabled(self, is_enabled: bool, within_s: float) -> bool:
        """Whether it was told so in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_enabled == is_enabled, within_s)

    def wait_for_command(self, word: str, within_s: float) -> bool:
        """Whether it was told so in time, since it was made."""
        with self._changed:
            return self._changed.wait_for(lambda: word in self.commands, within_s)

    def plug(self) -> None:
        """Put its cable in: a new terminal under the old name, and a scanner that forgot what it was told."""
        if self.is_plugged:
            return
        self._near, far = os.openpty()  # far stays open: a terminal that nobody has open reads as one that is gone
        tty.setraw(far)
        os.set_blocking(self._near, False)
        pulled, self._pull = os.pipe()
        self._is_enabled = True
        self._thread = Thread(target=self._serve, args=(self._near, far, pulled), name="virtual-scanner", daemon=True)
        self._thread.start()
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(far))

    def unplug(self) -> None:
        """Pull its cable out. MAY be called twice."""
        self.path.unlink(missing_ok=True)
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            os.close(self._pull)
            thread.join(10)

    def spoil_packets(self, count: int) -> None:
        """The next packets in SSI mode have a byte that changed on the way."""
        self._spoiled = count

    def scan(self, data: bytes, symbology: str = "]Q1") -> bool:
        """Hold a code before it; whether it was read and sent. In SSI mode that means answered."""
        if not self.is_plugged or not self._is_enabled:
            return False
        if self._profile == "zebra-ssi":
            return self._send_message(data, symbology)
        frame = (symbology.encode() if self.sends_aim else b"") + data
        return self.send(b"\x02" + frame + b"\x03" + self.suffix if self.is_marked else frame + self.suffix)

    def send(self, raw: bytes) -> bool:
        """Put bytes on its line as they are; whether the line took them all."""
        return self._send(raw, self._thread)

    def _send(self, raw: bytes, plugged: Thread | None) -> bool:
        """As ``send``, as long as the cable is the one that was in at the begin: pulled out, it forgets what it had."""
        until = monotonic() + WRITE_WITHIN_S
        while raw:
            with self._changed:
                if plugged is None or self._thread is not plugged:
                    return False
                near = self._near
                try:
                    raw = raw[os.write(near, raw) :]
                    continue
                except BlockingIOError:
                    pass
                except OSError:
                    return False
            poll = select.poll()
            poll.register(near, select.POLLOUT)
            if monotonic() >= until:
                return False
            poll.poll(50)
        return True

    # --- SSI

    def _send_message(self, data: bytes, symbology: str) -> bool:
        plugged = self._thread
        kind = next((number for number, aim in ssi.SYMBOLOGY.items() if aim[:2] == symbology[:2]), 0)
        starts = range(0, max(len(data), 1), _PART_BYTES)
        return all(
            self._send_part(bytes((kind,)) + data[at : at + _PART_BYTES], at != starts[-1], plugged) for at in starts
        )

    def _send_part(self, data: bytes, is_more: bool, plugged: Thread | None) -> bool:
        for attempt in range(ATTEMPTS):
            status = (ssi.AGAIN if attempt else 0) | (ssi.MORE if is_more else 0)
            whole = ssi.packet(ssi.DECODE_DATA, data, status, source=0)
            if self._spoiled:
                self._spoiled -= 1
                whole = whole[:-3] + bytes((whole[-3] ^ 0x01,)) + whole[-2:]
            with self._changed:
                self._answers.clear()
            if not self._send(whole, plugged):
                return False
            with self._changed:
                self._changed.wait_for(lambda: bool(self._answers) or self._thread is not plugged, ACK_WITHIN_S)
                if self._answers[:1] == [ssi.ACK]:
                    return True
        return False

    # --- what it is told

    def _serve(self, near: int, far: int, pulled: int) -> None:
        held = bytearray()
        poll = select.poll()
        poll.register(near, select.POLLIN)
        poll.register(pulled, select.POLLIN)
        try:
            while pulled not in [end for end, _ in poll.poll()]:
                with suppress(BlockingIOError):
                    held += os.read(near, 4096)
                del held[: max(len(held) - _MOST_HELD, 0)]
                for word, answer in self._understood(held):
                    self._obey(word, answer)
        except OSError:
            return  # the terminal is gone
        finally:
            for end in (far, near, pulled):
                os.close(end)

    def _understood(self, held: bytearray) -> Iterator[tuple[str, bytes]]:
        """Take the commands that have come whole, each with its answer."""
        if self._profile == "newland":
            while found := _COMMAND.search(held):
                text = bytes(found[1])
                del held[: found.end()]
                yield text.decode("ascii", "replace"), newland.ANSWER + text + b"\x06" + newland.END
        elif self._profile == "zebra-ssi":
            while held and len(held) >= held[0] + 2:
                body = bytes(held[: held[0]])
                del held[: max(held[0] + 2, 1)]
                if len(body) >= 4:
                    yield f"{body[1]:02X}", ssi.packet(ssi.ACK, source=0)

    def _obey(self, word: str, answer: bytes) -> None:
        if word in ("D0", "D1"):
            with self._changed:
                self._answers.append(int(word, 16))
                self._changed.notify_all()
            return
        if self.is_deaf:
            return
        self.send(answer)
        with self._changed:
            self.commands.append(word)
            if word in ("E9", "EA"):
                self._is_enabled = word == "E9"
            elif word in ("#SCNTRG0", "#SCNTRG1"):
                self._is_enabled = word.endswith("1")
            elif word.endswith(("AIDENA0", "AIDENA1")):
                self.sends_aim = word.endswith("1")
            self._changed.notify_all()

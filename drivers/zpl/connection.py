"""One connection to a printer: which way in, the questions that were asked on it, and the answers.

A network printer has two doors: 9100, which it opens to everybody, and on newer firmware 9300 (SGD
``ip.port_single_conn``), which it opens to one host at a time. A printer that several hosts use can't prove a band by
its count, so 9300 is tried first when the site file names no port. When it is shut, the printer is asked through 9100
whether it has such a door at all: then another host holds it, and that is a fault that somebody must see to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivers.line import Line, LineAddress, WriteFailed, open_line
from drivers.zpl.status import AnswerReader, Answers
from kioskd.clock import DeviceClock
from kioskd.errors import DeviceUnavailable

__all__ = ["DOORS", "UNSURE_WITHIN_S", "Connection", "Doors", "Heard", "connect", "refuse_if_held"]

ASK_WRITE_WITHIN_S = 0.5
UNSURE_WITHIN_S = 0.5
"""How long a printer that answers ``~HS`` may take for its odometer before it counts as having none."""
GRACE_S = 0.3
"""How long ``~HS`` may take once what was asked behind it is answered: answers come in the order of the questions."""
ANSWER_WITHIN_S = 1.0
_SINGLE_PORT = "ip.port_single_conn"
_END_OF_LINE = b"\r\n"


@dataclass(frozen=True, slots=True)
class Doors:
    """A network printer's ports: for one host at a time, and for everybody."""

    single: int = 9300
    shared: int = 9100


DOORS = Doors()


@dataclass(frozen=True, slots=True)
class Heard:
    """What was answered to one question in time. ``value``: of the variable that was asked for."""

    answers: Answers
    value: str | None
    quiet_s: float
    """How long the printer was listened to at the end without a byte."""


class Connection:
    """A line, and what is still to be answered on it. Never connects again by itself: a new one is a new object."""

    def __init__(self, device: str, address: LineAddress, clock: DeviceClock) -> None:
        """Raises DeviceUnavailable."""
        self.address = address
        self.line: Line = open_line(device, address, clock)
        self.has_heard = False
        """Whether the printer said anything at all."""
        self.door = ""
        """Which port was found, where the site file leaves that open."""
        self._device = device
        self._clock = clock
        self._reader = AnswerReader()
        self._owed = 0  # values asked for and not yet seen

    def close(self) -> None:
        self.line.close()

    def ask(
        self,
        query: bytes,
        variable: str | None,
        within_s: float,
        *,
        wants_host: bool = True,
        value_within_s: float | None = None,
    ) -> Heard:
        """Send ``query`` and ask for an SGD ``variable`` behind it; what was answered in time.

        ``wants_host``: ``query`` has ``~HS`` in it. ``value_within_s``: a shorter time for the variable once ``~HS`` is
        answered.

        Answers come in the order of the questions: when as many values are in as are owed, the newest one and the
        ``~HS`` right before it are this question's. With fewer, nobody can tell whose they are, and none is used.
        Raises DeviceUnavailable.
        """
        question = query + (f'! U1 getvar "{variable}"\r\n'.encode() if variable else b"")
        while data := self.line.read(0):  # late answers to earlier questions
            self._reader.feed(data)
        self._owed = max(self._owed - len(self._reader.answers.values), 0) + bool(variable)
        self._reader.begin()
        self._write(question)
        quiet_s = self._listen(self._clock.monotonic() + within_s, wants_host, value_within_s or within_s)
        return self._sorted(variable, quiet_s)

    def _write(self, question: bytes) -> None:
        try:
            self.line.write(question, self._clock.monotonic() + ASK_WRITE_WITHIN_S)
        except WriteFailed as error:  # half a question may be in the stream: who asks must close
            what = f"the connection to {self.line.where} takes no question: {error}"
            raise DeviceUnavailable(self._device, what) from None

    def _listen(self, until: float, wants_host: bool, value_within_s: float) -> float:
        """Read until all is answered, or nothing comes any more."""
        quiet_s = 0.0
        while True:
            answers = self._reader.answers
            has_values, has_host = len(answers.values) >= self._owed, answers.host is not None or not wants_host
            if has_values and has_host:
                return quiet_s
            quiet_s = max(until - self._clock.monotonic(), 0.0)
            if has_values and self._owed:
                quiet_s = min(quiet_s, GRACE_S)
            elif has_host and wants_host:
                quiet_s = min(quiet_s, value_within_s)
            data = self.line.read(quiet_s)
            if not data:
                return quiet_s
            self.has_heard = True
            self._reader.feed(data)

    def _sorted(self, variable: str | None, quiet_s: float) -> Heard:
        """Which of the answers are this question's, and how many values are owed from now on."""
        answers, owed = self._reader.answers, self._owed
        is_mine = len(answers.values) >= owed
        if variable and is_mine and answers.values_before_host < owed - 1:
            answers.host = None  # a late one, of an earlier question
        value = answers.values[-1] if variable and is_mine else None
        # A printer that talks and then was quiet for so long has dropped the questions: it owes nothing any more.
        talks_no_more = answers.host is not None and quiet_s >= UNSURE_WITHIN_S
        self._owed = 0 if talks_no_more else max(owed - len(answers.values), 0)
        self._reader.begin()
        return Heard(answers, value, quiet_s)


def connect(device: str, address: LineAddress, clock: DeviceClock, doors: Doors = DOORS) -> Connection:
    """The printer at ``address``; ``tcp_port`` 0 means 9300 where the printer has it, else 9100.

    Raises DeviceUnavailable, in words of its own when another host holds the port for one host.
    """
    is_left_open = address.kind == "tcp" and not address.tcp_port
    first = replace(address, tcp_port=doors.single) if is_left_open else address
    try:
        connection = Connection(device, first, clock)
        connection.door = f"port {doors.single}" if is_left_open else ""
    except DeviceUnavailable as error:
        if not isinstance(error.__cause__, ConnectionRefusedError):
            raise
        if not is_left_open:
            refuse_if_held(device, first, clock, doors)
            raise
        connection = Connection(device, replace(first, tcp_port=doors.shared), clock)
        connection.door = f"port {doors.shared}"
        if _is_held(connection, doors.single):
            connection.close()
            raise _held(device, first) from error
    return connection


def refuse_if_held(device: str, address: LineAddress, clock: DeviceClock, doors: Doors = DOORS) -> None:
    """Raises DeviceUnavailable when another host holds the single-host port that ``address`` names.

    A printer that can't be asked leaves it open: the caller knows what failed.
    """
    if address.kind != "tcp" or address.tcp_port == doors.shared:
        return
    try:
        connection = Connection(device, replace(address, tcp_port=doors.shared), clock)
    except DeviceUnavailable:
        return
    is_held = _is_held(connection, address.tcp_port)
    connection.close()
    if is_held:
        raise _held(device, address)


def _is_held(connection: Connection, port: int) -> bool:
    """Whether a port that was refused is one that the printer opens to one host: then another one has it."""
    try:
        named = connection.ask(_END_OF_LINE, _SINGLE_PORT, ANSWER_WITHIN_S, wants_host=False).value
    except DeviceUnavailable:
        return False
    return named == str(port)


def _held(device: str, address: LineAddress) -> DeviceUnavailable:
    what = (
        f"another host holds port {address.tcp_port} of the printer at {address.host}, which serves one host at a "
        "time: end the other program, or wait until it was silent for three minutes"
    )
    return DeviceUnavailable(device, what)

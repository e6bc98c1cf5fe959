"""Which door of a network printer is used, and answers that come late or in pieces."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drivers.line import LineAddress
from drivers.zpl import ZplConfig
from drivers.zpl.connection import Connection, Doors, connect
from drivers.zpl.printer import ZplPrinter
from drivers.zpl.virtual import Break, VirtualWristbandPrinter
from kioskd.clock import MACHINE, DeviceClock
from kioskd.core.printing import ProofKind
from kioskd.errors import DeviceUnavailable
from tests.drivers.wristband_printer_contract import SHEET
from tests.drivers.zpl.bench import HURRIED, WITHIN_S, Bench, doors_of

PATIENT = DeviceClock(0.2)
"""A clock on which a busy machine answers in time."""


@contextmanager
def _driven(
    hands: VirtualWristbandPrinter,
    port: int | None = None,
    doors: Doors | None = None,
    clock: DeviceClock = PATIENT,
) -> Iterator[ZplPrinter]:
    """The driver of a printer, not open; ``port`` None: the site file names none."""
    named = "" if port is None else f":{port}"
    printer = ZplPrinter("bands", ZplConfig(port=f"tcp://127.0.0.1{named}"), clock, doors or doors_of(hands))
    try:
        yield printer
    finally:
        printer.close()


@contextmanager
def _another_host_at(port: int) -> Iterator[socket.socket]:
    """Somebody who has heard from the printer, and stays."""
    with socket.create_connection(("127.0.0.1", port), WITHIN_S) as other:
        other.sendall(b"~HI")
        assert other.recv(1)
        yield other


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Taken, so that nobody else gets it, and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_the_port_for_one_host_is_used_where_the_site_file_names_none() -> None:
    with VirtualWristbandPrinter(mechanical=False, has_single_port=True) as hands, _driven(hands) as printer:
        printer.open()
        status = Bench(hands, printer).ready()
        assert status.model.endswith(f", port {hands.single_port}")
        with pytest.raises(OSError), _another_host_at(hands.single_port):
            pass
        printer.send(printer.render(SHEET), 1)
        assert printer.prove(1, status.odometer, WITHIN_S) is ProofKind.ODOMETER


def test_a_printer_without_that_port_is_reached_through_the_one_for_everybody(closed_port: int) -> None:
    with VirtualWristbandPrinter(mechanical=False) as hands:
        doors = Doors(single=closed_port, shared=hands.port)
        with _driven(hands, doors=doors) as printer:
            printer.open()
            status = Bench(hands, printer).ready()
            assert status.model.endswith(f", port {hands.port}")
            printer.send(printer.render(SHEET), 1)
            assert printer.prove(1, status.odometer, WITHIN_S) is ProofKind.ODOMETER


def test_a_printer_without_variables_is_reached_through_the_one_for_everybody(closed_port: int) -> None:
    with VirtualWristbandPrinter(mechanical=False, has_sgd=False) as hands:
        doors = Doors(single=closed_port, shared=hands.port)
        with _driven(hands, doors=doors, clock=HURRIED) as printer:
            printer.open()
            assert Bench(hands, printer).ready().proof is ProofKind.FENCE


@pytest.mark.parametrize("is_named", [True, False])
def test_a_port_that_another_host_holds_is_a_fault_in_words_until_that_host_has_left(is_named: bool) -> None:
    with VirtualWristbandPrinter(mechanical=False, has_single_port=True) as hands:
        port = hands.single_port if is_named else None
        with _driven(hands, port) as printer:
            with _another_host_at(hands.single_port):
                with pytest.raises(DeviceUnavailable, match=f"another host holds port {hands.single_port}"):
                    printer.open()
                with pytest.raises(DeviceUnavailable, match="not open"):
                    printer.status()
            _open_in_time(printer)
            assert Bench(hands, printer).ready().is_ready


def test_a_host_that_was_silent_for_long_loses_the_port() -> None:
    with (
        VirtualWristbandPrinter(mechanical=False, has_single_port=True, single_idle_s=0.1) as hands,
        _driven(hands) as printer,
        _another_host_at(hands.single_port) as other,
    ):
        _open_in_time(printer)
        assert Bench(hands, printer).ready().is_ready
        with pytest.raises(ConnectionResetError):
            _read_all(other)


def _open_in_time(printer: ZplPrinter) -> None:
    """The printer notices only after a while that the other host has left, or is silent."""
    until = time.monotonic() + WITHIN_S
    while True:
        try:
            printer.open()
        except DeviceUnavailable:
            if time.monotonic() > until:
                raise
        else:
            return


def _read_all(other: socket.socket) -> None:
    while other.recv(99):
        pass


def test_a_port_that_lets_in_and_hangs_up_is_held_by_another_host_too() -> None:
    """Zebra: the request "will be refused with an error response"."""
    with VirtualWristbandPrinter(mechanical=False, has_single_port=True) as hands, _driven(hands) as printer:
        hands.break_after(1, Break.CLOSE)
        with pytest.raises(DeviceUnavailable, match="another host holds"):
            printer.open()


def test_a_named_port_that_nobody_listens_on_is_not_replaced_by_another(closed_port: int) -> None:
    with (
        VirtualWristbandPrinter(mechanical=False) as hands,
        _driven(hands, closed_port) as printer,
        pytest.raises(DeviceUnavailable, match=f"no connection to 127.0.0.1:{closed_port}"),
    ):
        printer.open()


def test_a_printer_that_is_off_says_so_and_not_that_another_host_has_it(closed_port: int) -> None:
    doors = Doors(single=closed_port, shared=closed_port)
    printer = ZplPrinter("bands", ZplConfig(port="tcp://127.0.0.1"), HURRIED, doors)
    with pytest.raises(DeviceUnavailable, match="no connection") as refused:
        printer.open()
    assert "another host" not in str(refused.value)


# --- answers that come late or in pieces -----------------------------------------------------------------------

HS = b"\x02030,0,0,3295,000,0,0,0,000,0,0,0\x03\r\n\x02001,0,0,0,0,2,4,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"
OUT = HS.replace(b"030,0,0", b"030,1,0")


@contextmanager
def _scripted(*answers: bytes) -> Iterator[Connection]:
    """A printer that gives these answers, one to each question."""

    def answer(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            for text in answers:
                peer.recv(999)
                peer.sendall(text)
            peer.recv(999)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        connection = connect("bands", LineAddress("tcp", "127.0.0.1", port), MACHINE)
        try:
            yield connection
        finally:
            connection.close()
            thread.join(WITHIN_S)


def _ask(connection: Connection, within_s: float = WITHIN_S) -> tuple[bool | None, str | None]:
    """Whether media is out, and the count, as far as this question was answered."""
    heard = connection.ask(b"~HS", "odometer.total_label_count", within_s)
    return (None if heard.answers.host is None else heard.answers.host.is_paper_out, heard.value)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (b"", HS + b'"99"' + OUT + b'"100"', (True, "100")),
        (b"", HS + b'"99""100"', (None, "100")),
        (HS[:20], HS[20:] + b'"99"' + OUT + b'"100"', (True, "100")),
        (HS + b'"9', b'9"' + OUT + b'"100"', (True, "100")),
        (HS, b'"99"' + OUT + b'"100"', (True, "100")),
        (b'"99"', OUT + b'"100"', (True, "100")),
        (b"noise \x02\x03", OUT + b'"99"\r\n' + OUT + b'"100"\r\n', (True, "100")),
    ],
)
def test_a_late_answer_is_never_taken_for_one_to_the_present_question(
    first: bytes, second: bytes, expected: tuple[bool | None, str | None]
) -> None:
    with _scripted(first, second) as connection:
        _ask(connection, within_s=0.05)
        assert _ask(connection, within_s=5.0) == expected


def test_a_printer_that_talks_again_and_was_quiet_since_owes_nothing_for_what_it_never_heard() -> None:
    with _scripted(b"", HS + b'"100"', HS + b'"101"') as connection:
        assert _ask(connection, within_s=0.05) == (None, None)
        heard = connection.ask(b"~HS", "odometer.total_label_count", WITHIN_S, value_within_s=0.6)
        assert heard.value is None, "it may be the answer to the first"
        assert _ask(connection) == (False, "101")


def test_a_value_without_a_host_status_ends_the_wait_for_one() -> None:
    with _scripted(b'"100"') as connection:
        heard = connection.ask(b"~HS", "odometer.total_label_count", WITHIN_S)
        assert (heard.answers.host, heard.value) == (None, "100")
        assert heard.quiet_s < 1

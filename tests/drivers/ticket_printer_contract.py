"""What every ``ports.TicketPrinter`` must do. Subclass ``TicketPrinterContract`` and give it the two fixtures.

``bench``    the printer on the bench, as hands and eyes have it: paper, lid, cable, sheets in the tray
``printer``  a driver for it, not open
"""

from time import monotonic
from typing import Protocol

import pytest

from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.ports import TicketPrinter, TicketSheet
from tests.sheets import simple_ticket

_WORDS = ("Riverside Clinic", "Your number", ("Waiting area B, first floor", "09:40"), "Please keep this ticket.")
TICKET = simple_ticket("A12", *_WORDS)
WITHIN_S = 10.0
HELD_S = 0.3


class TicketBench(Protocol):
    def set_paper(self, has_paper: bool) -> None: ...

    def set_lid(self, is_open: bool) -> None: ...

    def hang_up(self) -> None:
        """Pull the cable."""

    def unplug(self) -> None:
        """Take the printer away for good."""

    def sheet_texts(self) -> list[str]: ...

    def wait_for_sheets(self, count: int, seconds: float) -> bool: ...


def ticket(label: str) -> TicketSheet:
    return simple_ticket(label, *_WORDS)


class TicketPrinterContract:
    proof: ProofKind
    """What this printer can prove."""

    @pytest.fixture
    def opened(self, printer: TicketPrinter):
        printer.open()
        yield printer
        printer.close()

    def test_it_is_a_ticket_printer(self, printer):
        assert isinstance(printer, TicketPrinter)

    def test_closing_what_is_not_open_does_nothing(self, printer):
        printer.close()
        printer.open()
        printer.close()
        printer.close()

    def test_opening_a_printer_that_is_not_there_says_so_in_time(self, printer, bench):
        bench.unplug()
        begun = monotonic()
        with pytest.raises(DeviceUnavailable):
            printer.open()
        assert monotonic() - begun < 20
        printer.close()

    def test_a_printer_that_is_not_open_can_not_be_asked(self, printer):
        with pytest.raises(DeviceUnavailable):
            printer.status()
        with pytest.raises(DeviceUnavailable):
            printer.prove(1, None, 0.1)
        with pytest.raises(NotPrinted):
            printer.send(printer.render(TICKET), 1)

    def test_a_well_printer_is_ready_and_names_its_proof(self, opened):
        status = opened.status()
        assert status.is_ready
        assert status.cause is None
        assert status.proof is self.proof

    @pytest.mark.parametrize("cause", [Cause.PAPER_OUT, Cause.COVER_OPEN])
    def test_what_ails_it_is_named_until_it_is_put_right(self, opened, bench, cause):
        put_right = ail(bench, cause)
        status = opened.status()
        assert (status.is_ready, status.cause) == (False, cause)
        put_right()
        assert opened.status().is_ready

    @pytest.mark.parametrize("cause", [Cause.PAPER_OUT, Cause.COVER_OPEN])
    def test_a_printer_that_was_ailing_when_opened_gives_its_full_proof_later(self, printer, bench, cause):
        put_right = ail(bench, cause)
        printer.open()
        assert printer.status().cause is cause
        put_right()
        assert printer.status().proof is self.proof
        printer.send(printer.render(TICKET), 1)
        assert printer.prove(1, None, WITHIN_S) is self.proof
        printer.close()

    def test_rendering_the_same_ticket_twice_gives_the_same_bytes(self, printer):
        assert printer.render(TICKET) == printer.render(TICKET)

    def test_a_ticket_without_a_number_is_refused_before_it_is_sent(self, printer):
        with pytest.raises(NotPrinted) as refused:
            printer.render(ticket(" \x00"))
        assert refused.value.cause == Cause.CONTENT_REFUSED

    def test_a_sheet_is_proven_and_is_on_paper_then(self, opened, bench):
        opened.send(opened.render(TICKET), 1)
        assert opened.prove(1, None, WITHIN_S) is self.proof
        assert bench.wait_for_sheets(1, WITHIN_S if self.proof is ProofKind.FENCE else 0)
        [text] = bench.sheet_texts()
        assert "A12" in text.splitlines()

    def test_a_proof_can_be_asked_for_again(self, opened):
        opened.send(opened.render(TICKET), 7)
        assert [opened.prove(7, None, WITHIN_S) for _ in range(3)] == [self.proof] * 3

    def test_without_paper_a_sheet_is_held_and_printed_once_when_paper_is_back(self, opened, bench):
        bench.set_paper(False)
        opened.send(opened.render(TICKET), 1)
        assert opened.prove(1, None, HELD_S) is None
        assert opened.status().cause is Cause.PAPER_OUT
        assert opened.prove(1, None, HELD_S) is None
        assert bench.sheet_texts() == []
        bench.set_paper(True)
        assert opened.prove(1, None, WITHIN_S) is self.proof
        assert bench.wait_for_sheets(1, WITHIN_S)
        assert len(bench.sheet_texts()) == 1

    def test_a_later_proof_does_not_reach_back_to_a_sheet_that_is_held(self, opened, bench):
        opened.send(opened.render(ticket("A1")), 1)
        assert opened.prove(1, None, WITHIN_S) is self.proof
        bench.set_lid(True)
        opened.send(opened.render(ticket("A2")), 2)
        opened.send(opened.render(ticket("A3")), 3)
        assert [opened.prove(token, None, 0.1) for token in (1, 2, 3)] == [self.proof, None, None]
        bench.set_lid(False)
        assert [opened.prove(token, None, WITHIN_S) for token in (3, 2)] == [self.proof] * 2
        assert bench.wait_for_sheets(3, WITHIN_S)

    def test_tokens_that_begin_again_at_one_prove_nothing_by_their_first_turn(self, opened, bench):
        for token in (1, 9999):
            opened.send(opened.render(TICKET), token)
            assert opened.prove(token, None, WITHIN_S) is self.proof
        bench.set_paper(False)
        opened.send(opened.render(TICKET), 1)
        assert opened.prove(1, None, HELD_S) is None

    @pytest.mark.parametrize("token", [0, -1, 10000])
    def test_a_token_out_of_range_is_refused(self, opened, token):
        with pytest.raises(ValueError):
            opened.send(opened.render(TICKET), token)

    def test_a_lost_connection_is_said_and_an_open_brings_it_back(self, opened, bench):
        bench.hang_up()
        with pytest.raises(DeviceUnavailable):
            until_it_raises(opened.status)
        with pytest.raises(NotPrinted):
            opened.send(opened.render(TICKET), 1)
        opened.close()
        opened.open()
        assert opened.status().is_ready

    def test_a_sheet_of_an_earlier_connection_can_not_be_proven_on_a_new_one(self, opened, bench):
        opened.send(opened.render(TICKET), 5)
        opened.close()
        opened.open()
        with pytest.raises(DeviceUnavailable):
            opened.prove(5, None, 0.1)

    def test_a_held_sheet_of_a_lost_connection_proves_nothing_for_the_next_sheet(self, opened, bench):
        """Its late answer comes on the new connection, where it must not be taken for the new sheet's."""
        bench.set_paper(False)
        opened.send(opened.render(ticket("A1")), 1)
        opened.close()
        opened.open()
        assert opened.status().cause is Cause.PAPER_OUT
        bench.set_paper(True)
        assert opened.status().is_ready
        assert bench.wait_for_sheets(1, WITHIN_S)
        bench.set_paper(False)
        opened.send(opened.render(ticket("A2")), 2)
        assert opened.prove(2, None, HELD_S) is None
        bench.set_paper(True)
        assert until_it_is(lambda: opened.prove(2, None, WITHIN_S), self.proof)
        assert bench.wait_for_sheets(2, WITHIN_S)

    def test_the_status_is_asked_again_and_again_between_sheets(self, opened):
        """As the daemon does to keep the connection from being closed for idleness."""
        for token in range(1, 6):
            for _ in range(5):
                assert opened.status().is_ready
            opened.send(opened.render(TICKET), token)
            assert opened.prove(token, None, WITHIN_S) is self.proof


def ail(bench: TicketBench, cause: Cause):
    """Make the printer ail, and how to put it right."""
    if cause is Cause.PAPER_OUT:
        bench.set_paper(False)
        return lambda: bench.set_paper(True)
    bench.set_lid(True)
    return lambda: bench.set_lid(False)


def until_it_raises(call) -> None:
    """Losing a cable is noticed at the latest by the answer that does not come."""
    deadline = monotonic() + WITHIN_S
    while monotonic() < deadline:
        call()


def until_it_is(call, wanted) -> bool:
    deadline = monotonic() + WITHIN_S
    while monotonic() < deadline:
        if call() is wanted:
            return True
    return False

"""What goes away and comes back: the broker, the record, the card reader, the printers. One runner for each."""

from tests.faults.cut_broker import broker_hangs, broker_restarts
from tests.faults.cut_printers import printer_cuts
from tests.faults.cut_reader import card_reader_faults
from tests.faults.cut_records import records_faults

__all__ = ["broker_hangs", "broker_restarts", "card_reader_faults", "printer_cuts", "records_faults"]

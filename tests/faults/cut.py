"""What goes away and comes back: the broker, the record, the card reader, the printers. One runner for each."""

from tests.faults.cut_printers import printer_cuts

__all__ = ["printer_cuts"]

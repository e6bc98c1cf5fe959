"""One site: check-ins, tickets, the queue, what displays show, what the desk sees and may do.

``site``        the ``ports.Hub`` that stations talk to: identify, check in, help tickets, reports, print orders
``desk``        the receptionist's commands about the queue, and the console's view (``view``, ``queue_rows``)
``sheet_desk``  the commands about wristbands and copies of tickets (``sheet_view``, ``visits``, ``band_state``)
``printers``    the printers' pages (``printer_view``)
``letter_desk`` letters for appointments, to print (``letter_view``)
``rules``       what of the site file decides a check-in
``tables``      the tables of hub.db

Inside transactions: ``arrivals``, ``tickets``, ``bands``, ``sheets`` (which of two words about a sheet counts),
``orders``, ``devices`` and ``letters`` (appointment letters and their codes).
"""

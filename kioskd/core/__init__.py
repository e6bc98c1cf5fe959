"""The domain, pure: frozen dataclasses and functions ``(state, input, now) -> (state, events)``.

No I/O, no clock (``now`` is an argument, an aware UTC ``datetime``), no threads, no logging.
Read ``events`` first, then ``checkin`` and ``queue``.
"""

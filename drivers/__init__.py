"""Drivers: how kioskd talks to hardware, one folder for each kind. This is how to write one.

A driver is a class with the shape of ``kioskd.ports.Driver``, named in the entry point group ``kioskd.drivers``;
the name of the entry point is what stands as ``driver =`` in the site file. It may live in a package of its own:
what it may import is ``kioskd.ports``, ``kioskd.core`` and ``kioskd.errors``, and the pure packages ``drivers.cards``
and ``drivers.raster``. Words as in RFC 2119.

``create``
    MUST return at once, without touching the device, and MUST be the first to import the hardware's library: a
    library that is not installed is then this one device's status and not the end of the daemon.
``config``
    MUST be a ``DriverConfig``: every key with a type, a default where there is a sensible one, and the unit in its
    name. Unknown keys are refused for you.
``open``
    MUST leave nothing claimed when it fails and MUST work again on the same object after ``close``: that is how the
    supervisor recovers a device. MUST find the device as it is: a card that is already in, a printer that is paused.
``close``
    MUST NOT raise, whatever the state.
Every other call
    MUST return within the seconds it is given plus one, and MUST be written as short blocking calls: the daemon runs
    them on the device's own thread, one at a time. MUST NOT start threads that outlive ``close``. MUST NOT use asyncio.
Errors
    MUST be ``kioskd.errors``, translated at the driver's own border: DeviceUnavailable when the device must be opened
    again, CardUnreadable or NotPrinted when it only failed this time. The text says what is wrong, where, and
    what to do about it; it MUST NOT hold anything of a patient. MAY chain the library's own error.
Retries
    MUST NOT be made for a whole job: whether to try again is the daemon's decision, because it knows what a
    second attempt would do. A driver MAY repeat what had no effect.
Certainty
    A driver MUST NOT claim more than it knows. Not printed means proven not printed; a card read means that the
    same card was there from beginning to end.

A driver's folder holds: ``__init__.py`` with declaration and configuration - the I/O - pure modules that build and
parse bytes - ``virtual.py``, the device simulated on the wire, so that everything above it is tested without hardware.
Contract suites for each kind of device are in ``tests/drivers/*_contract.py``; a driver is done when it passes.
"""

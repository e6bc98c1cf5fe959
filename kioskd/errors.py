"""Every exception that kioskd raises on purpose.

::

    KioskdError
    ├── ConfigError              the site file can't be used (exit code 78)
    ├── StartRefused             something outside the site file forbids the start
    ├── DeviceError              a device did not do what was asked; carries the device's name
    │   ├── DeviceUnavailable    it can't be reached or does not answer; it is opened again later
    │   ├── CardUnreadable       there is a card, and it could not be read whole; carries a reason
    │   ├── CodeUnreadable       a code was read by a scanner and did not arrive whole
    │   └── NotPrinted           nothing of the sheet reached the paper; sending it again is safe
    ├── RuleViolation            a command that the present state does not allow
    ├── StoreError               the database refused
    │   ├── StoreUnwritable      the disk is full or read-only: nothing is stored until that ends
    │   └── StoreLost            nobody knows what is on disk, or it does not answer: only a new process helps
    ├── BusError                 the broker is away or refused
    │   └── PublishRefused       the broker answered a publish with a reason code of 0x80 or more
    ├── ForwardError             a destination did not take a message
    │   ├── Unreachable          it may take it later: try again
    │   └── Rejected             it will never take it as it is: a person must look
    └── AccessDenied             sign-in or permission refused

The text of an exception never holds patient data: it goes to logs.
"""

from __future__ import annotations

__all__ = [
    "AccessDenied",
    "BusError",
    "CardUnreadable",
    "CodeUnreadable",
    "ConfigError",
    "DeviceError",
    "DeviceUnavailable",
    "ForwardError",
    "KioskdError",
    "NotPrinted",
    "PublishRefused",
    "Rejected",
    "RuleViolation",
    "StartRefused",
    "StoreError",
    "StoreLost",
    "StoreUnwritable",
    "Unreachable",
]


class KioskdError(Exception):
    """The root of the tree above."""


class ConfigError(KioskdError):
    """The site file can't be used; the text names file, line, key and what was expected."""


class StartRefused(KioskdError):
    """The start was refused for a reason outside the site file, such as a second daemon on one database."""


class DeviceError(KioskdError):
    """A device did not do what was asked."""

    def __init__(self, device: str, what: str) -> None:
        super().__init__(f"{device}: {what}")
        self.device = device
        self.what = what


class DeviceUnavailable(DeviceError):
    """The device can't be reached or does not answer; the supervisor opens it again."""


class CardUnreadable(DeviceError):
    """A card is there and could not be read whole. ``reason`` is a ``core.identity.Reason`` value."""

    def __init__(self, device: str, reason: str, what: str) -> None:
        super().__init__(device, what)
        self.reason = reason


class CodeUnreadable(DeviceError):
    """A scanner read a code, and it did not arrive whole; the scanner goes on."""


class NotPrinted(DeviceError):
    """Proven: no byte of the sheet had an effect. ``cause`` is a ``core.printing.Cause`` value."""

    def __init__(self, device: str, cause: str, what: str) -> None:
        super().__init__(device, what)
        self.cause = cause


class RuleViolation(KioskdError):
    """A command that the present state does not allow; ``rule`` names it for the page that shows why."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(what)
        self.rule = rule


class StoreError(KioskdError):
    """The database refused an operation or is gone."""


class StoreUnwritable(StoreError):
    """Nothing can be stored now, and nothing was: the disk is full or read-only. It may go on without a restart."""


class StoreLost(StoreError):
    """The database did not come back, or its disk failed: nobody knows whether the transaction was committed."""


class BusError(KioskdError):
    """The broker is away, or refused."""


class PublishRefused(BusError):
    """The broker answered a publish with an MQTT 5 reason code of 0x80 or more (MQTT 5.0, 3.4.2.1)."""

    def __init__(self, topic: str, reason_code: int, reason: str) -> None:
        super().__init__(f"publish to {topic} refused: {reason} (0x{reason_code:02X})")
        self.topic = topic
        self.reason_code = reason_code


class ForwardError(KioskdError):
    """A destination did not take a message."""


class Unreachable(ForwardError):
    """The destination may take it later. ``retry_after_s`` is what it asked for, when it did."""

    def __init__(self, what: str, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class Rejected(ForwardError):
    """The destination will never take the message as it is; ``code`` is its own code for that."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(f"{code}: {what}")
        self.code = code


class AccessDenied(KioskdError):
    """Sign-in or permission refused; the text says why to the person who asked."""

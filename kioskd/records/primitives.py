"""The primitive types of FHIR R4 (2.24.0.1): whether a JSON value is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from kioskd.records.dates import is_date, is_date_time, is_instant

TEXT_LENGTH = 1_048_576
"""FHIR R4: a string is at most 1 MiB."""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_CODE = re.compile(r"\S+( \S+)*")
_URI = re.compile(r"\S+")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?", re.ASCII)
_BASE64_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \r\n\t")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def is_id(value: object) -> bool:
    """A logical id."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def is_text(value: object) -> bool:
    """A string that says something: not empty, not only blanks, no control characters."""
    return (
        isinstance(value, str) and 0 < len(value) <= TEXT_LENGTH and not value.isspace() and not _CONTROL.search(value)
    )


def _is_code(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 1024 and _CODE.fullmatch(value) is not None


def _is_integer(value: object, low: int = -(2**31)) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < 2**31


def _is_base64(value: object) -> bool:
    return isinstance(value, str) and len("".join(value.split())) % 4 == 0 and set(value) <= _BASE64_CHARACTERS


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_a(check: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and check(value)


PRIMITIVES: dict[str, tuple[Callable[[object], bool], str]] = {
    "boolean": (lambda v: isinstance(v, bool), "true or false"),
    "integer": (_is_integer, "a whole number of 32 bits"),
    "unsignedInt": (lambda v: _is_integer(v, 0), "a whole number from 0 to 2147483647"),
    "positiveInt": (lambda v: _is_integer(v, 1), "a whole number from 1 to 2147483647"),
    "decimal": (lambda v: isinstance(v, int | Decimal) and not isinstance(v, bool), "a number"),
    "string": (is_text, "a text that is not empty"),
    "xhtml": (lambda v: is_text(v) and str(v).lstrip().startswith("<div"), "an XHTML div"),
    "code": (_is_code, "a code without blanks around it"),
    "uri": (_matches(_URI), "a URI without blanks"),
    "id": (is_id, "1 to 64 letters, digits, - and ."),
    "base64Binary": (_is_base64, "base64 text"),
    "date": (_is_a(is_date), "a date such as 2026-11-23 that is in the calendar"),
    "dateTime": (_is_a(is_date_time), "a date, or a time with seconds and time zone such as 2026-11-23T09:15:00+01:00"),
    "instant": (_is_a(is_instant), "a time with seconds and time zone such as 2026-11-23T09:15:00+01:00"),
    "time": (_matches(_CLOCK), "a time of day such as 09:15:00"),
}
"""Type to its check and to what a message says was expected."""

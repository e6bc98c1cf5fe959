"""The code on an appointment letter: signed, opaque, expiring. It holds no patient data.

::

    KL1:  BASE32( reference 16 bytes | hours since 1970 when it expires, 3 bytes | seal 16 bytes )

35 bytes are exactly 56 characters of base32, so that with its mark a letter is a QR code of version 3, correction M,
in alphanumeric mode. The reference is random; which appointment it stands for is known at the hub alone.

The seal is HMAC-SHA256 cut to 128 bits (RFC 2104, section 5) under a key that the hub alone has, not a signature that
kiosks could check: what a letter is good for (moved, used up, cancelled) nobody but the hub can say, so a kiosk has to
ask it anyway. A kiosk that is stolen then holds nothing to make letters with, and the code stays small enough for a
bad print. A guessed letter is refused before the database is asked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

MARK = "KL1:"
REFERENCE_BYTES = 16
SEAL_BYTES = 16
KEY_BYTES = 32
_EXPIRY_BYTES = 3
_FORM = re.compile(r"KL1:([A-Z2-7]{56})")
_PURPOSE = b"kioskd appointment letter 1\0"
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NotOurLetter(ValueError):
    """No letter, or not one that was sealed with this key. The text quotes nothing."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What stands in a letter's code. ``reference``: 16 random bytes. ``expires_at``: aware UTC, a whole hour."""

    reference: bytes = field(repr=False)
    expires_at: datetime

    @property
    def hash(self) -> str:
        """What the hub keeps of the reference, hexadecimal: who reads its database has no letters in hand."""
        return hashlib.sha256(self.reference).hexdigest()


def is_letter(text: str) -> bool:
    """Whether a text has the form of a letter."""
    return _FORM.fullmatch(text) is not None


def write(reference: bytes, expires_at: datetime, key: bytes) -> str:
    """The text of a letter's code; the expiry is rounded up to a whole hour. Raises ValueError."""
    if len(reference) != REFERENCE_BYTES or len(key) != KEY_BYTES:
        raise ValueError(f"a letter has a reference of {REFERENCE_BYTES} bytes and a key of {KEY_BYTES}")
    hours = -((_EPOCH - expires_at) // _HOUR)
    if not 0 <= hours < 1 << 8 * _EXPIRY_BYTES:
        raise ValueError("a letter can't expire that early or late")
    body = reference + hours.to_bytes(_EXPIRY_BYTES, "big")
    return MARK + base64.b32encode(body + _seal(body, key)).decode("ascii")


def read(text: str, key: bytes) -> Letter:
    """The letter that a code is; whether it has expired is another question. Raises NotOurLetter."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise NotOurLetter("it has not the form of a letter")
    try:
        raw = base64.b32decode(form[1])
    except binascii.Error:
        raise NotOurLetter("it has not the form of a letter") from None
    body, seal = raw[:-SEAL_BYTES], raw[-SEAL_BYTES:]
    if not hmac.compare_digest(seal, _seal(body, key)):
        raise NotOurLetter("it was not sealed by this clinic")
    hours = int.from_bytes(body[REFERENCE_BYTES:], "big")
    return Letter(body[:REFERENCE_BYTES], _EPOCH + hours * _HOUR)


def _seal(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + body, hashlib.sha256).digest()[:SEAL_BYTES]

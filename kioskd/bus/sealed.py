"""What station and hub say to each other, sealed: AES-256-GCM (NIST SP 800-38D) under the site key.

The broker carries names and insurance numbers, and must not be able to read, change, redirect or repeat them. ::

    version (1 byte, 1) | expiry (8 bytes, big-endian: UTC in ms) | nonce (12 bytes, random) | ciphertext and tag

Additional data, each field behind its length (4 bytes, big-endian): version, topic, correlation data, expiry. A message
opened on another topic, for another request or with another expiry fails as one does that was changed.

Each direction has a key of its own (HKDF-SHA256, RFC 5869, of the site key), so that a request can't be sent back as
its answer. Random nonces are good for 2^32 messages under one key (SP 800-38D, 8.3): 130 years of one a second.
An answer carries the expiry of its request: the asker's clock alone decides how long it waits.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = 1
KEY_LENGTH = 32
NONCE_LENGTH = 12
TAG_LENGTH = 16

_EXPIRY_AT = 1
_NONCE_AT = _EXPIRY_AT + 8
_CIPHERTEXT_AT = _NONCE_AT + NONCE_LENGTH
_SHORTEST = _CIPHERTEXT_AT + TAG_LENGTH


class Direction(Enum):
    """Who speaks."""

    REQUEST = b"kioskd hub link request"
    REPLY = b"kioskd hub link reply"


class NotSealed(ValueError):
    """A message that can't be opened. ``reason`` is one word for counting; the text holds nothing of the message."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Opened:
    """The content of a sealed message, and until when it may be used (UTC in ms)."""

    plain: bytes = field(repr=False)
    expires_at_ms: int


class Sealer:
    """Seals and opens the messages of one site. ``site_key`` is 32 bytes; raises ValueError."""

    def __init__(self, site_key: bytes, site: str) -> None:
        if len(site_key) != KEY_LENGTH:
            raise ValueError(f"the site key has {len(site_key)} bytes, not {KEY_LENGTH}")
        self._ciphers = {d: AESGCM(_derived(site_key, d.value + b" " + site.encode())) for d in Direction}

    def seal(self, direction: Direction, topic: str, token: bytes, expires_at_ms: int, plain: bytes) -> bytes:
        """The message for ``topic`` with the correlation data ``token``."""
        nonce = os.urandom(NONCE_LENGTH)
        expiry = expires_at_ms.to_bytes(8, "big")
        body = self._ciphers[direction].encrypt(nonce, plain, _additional(topic, token, expiry))
        return bytes([VERSION]) + expiry + nonce + body

    def open(self, direction: Direction, topic: str, token: bytes, message: bytes) -> Opened:
        """The content of a message that came on ``topic`` with ``token``. Raises NotSealed.

        The expiry is proven to be the sender's; whether it is over is the caller's to say.
        """
        if message[:1] not in {b"", bytes([VERSION])}:
            raise NotSealed("version", f"a seal of version {message[0]}; this side knows version {VERSION}")
        if len(message) < _SHORTEST:
            raise NotSealed("changed", "no sealed message")
        expiry, nonce = message[_EXPIRY_AT:_NONCE_AT], message[_NONCE_AT:_CIPHERTEXT_AT]
        additional = _additional(topic, token, expiry)
        try:
            plain = self._ciphers[direction].decrypt(nonce, message[_CIPHERTEXT_AT:], additional)
        except InvalidTag:
            raise NotSealed("changed", "sealed with another site key, for another request, or changed") from None
        return Opened(plain, int.from_bytes(expiry, "big"))


def _derived(site_key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_LENGTH, salt=None, info=purpose).derive(site_key)


def _additional(topic: str, token: bytes, expiry: bytes) -> bytes:
    fields = (bytes([VERSION]), topic.encode(), token, expiry)
    return b"".join(len(part).to_bytes(4, "big") + part for part in fields)

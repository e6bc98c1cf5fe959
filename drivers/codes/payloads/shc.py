"""SMART Health Cards (``shc:/``): digits, a JWS, ES256, DEFLATE, a FHIR bundle. Believed by a pinned list alone.

The signature is checked before anything is inflated: the key is found by the id in the header, so that what a stranger
wrote is never opened, however it was made. Cards in several codes (``shc:/1/3/...``) were deprecated by the framework
and are not put together here. Until when a card is good goes into ``Card.valid_until``, as for any card.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from drivers.codes.payloads import carin
from drivers.codes.payloads.bounded import base64url, inflated, json_object
from drivers.codes.payloads.refusal import NotUsable
from drivers.codes.payloads.trust import TrustedKey, TrustList
from kioskd.core.identity import Card, Reason

MARK = "shc:/"
MOST_CHARACTERS = 16_000
"""A QR code of the largest version has 7,089 digits; a link may bring a longer one."""

_IN_PARTS = re.compile(r"[0-9]{1,3}/[0-9]{1,3}/")
_DIGITS = re.compile(r"(?:[0-9]{2})+")
_LOWEST, _HIGHEST = ord("-"), ord("z")


def card(text: str, trusted: TrustList) -> Card:
    """The insurance card in a code that begins with ``shc:/``. Raises NotUsable."""
    return card_of_jws(jws(text), trusted)


def jws(text: str) -> str:
    """The compact JWS that a code's digits stand for. Raises NotUsable."""
    digits = text[len(MARK) :]
    if len(text) > MOST_CHARACTERS:
        raise NotUsable("the card is longer than a code can be")
    if _IN_PARTS.match(digits):
        raise NotUsable("the card is spread over several codes, which issuers no longer do")
    if not _DIGITS.fullmatch(digits):
        raise NotUsable("the card is not made of pairs of digits")
    values = [int(digits[n : n + 2]) for n in range(0, len(digits), 2)]
    if max(values) > _HIGHEST - _LOWEST:
        raise NotUsable("the card holds a pair of digits that stands for nothing")
    return "".join(chr(_LOWEST + value) for value in values)


def card_of_jws(compact: str, trusted: TrustList) -> Card:
    """The insurance card of a JWS, verified. Raises NotUsable."""
    parts = compact.split(".")
    if len(parts) != 3 or len(compact) > MOST_CHARACTERS:
        raise NotUsable("the card has not the three parts of a signed document")
    first, packed, signature = (base64url(part, "a part of the card") for part in parts)
    header = json_object(first, "the card's header")
    if header.get("alg") != "ES256" or header.get("zip") != "DEF":
        raise NotUsable("the card is not signed by ES256 and packed by DEFLATE")
    kid = header.get("kid")
    key = trusted.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise NotUsable("whoever signed the card is not on the site's list", Reason.CODE_UNTRUSTED)
    if not _is_signed(f"{parts[0]}.{parts[1]}".encode("ascii"), signature, key):
        raise NotUsable("the card's signature is wrong: it was changed or is forged")
    return _card(json_object(inflated(packed, "the card's content"), "the card's content"), key)


def _is_signed(signed: bytes, signature: bytes, key: TrustedKey) -> bool:
    """ES256 (RFC 7518, section 3.4): r and s, 32 bytes each."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    if len(signature) != 64:
        return False
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    x, y = (int.from_bytes(half, "big") for half in (key.x, key.y))
    try:
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        public.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _card(content: dict[str, Any], key: TrustedKey) -> Card:
    if content.get("iss") != key.issuer:
        raise NotUsable("the card names another issuer than the one whose key has signed it", Reason.CODE_UNTRUSTED)
    credential = content.get("vc")
    subject = credential.get("credentialSubject") if isinstance(credential, dict) else None
    bundle = subject.get("fhirBundle") if isinstance(subject, dict) else None
    if not isinstance(bundle, dict):
        raise NotUsable("the card holds no FHIR bundle")
    found = carin.card(bundle)
    until = [day for day in (found.valid_until, _day(content.get("exp"))) if day is not None]
    return replace(found, valid_until=min(until, default=None))


def _day(seconds: object) -> date | None:
    """The day, in UTC, of seconds since 1970; None: the card does not say."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise NotUsable("the card's end is no time")
    try:
        return datetime.fromtimestamp(seconds, UTC).date()
    except (ValueError, OverflowError, OSError):
        raise NotUsable("the card's end is no time") from None

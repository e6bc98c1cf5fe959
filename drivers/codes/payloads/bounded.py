"""What comes out of strangers' hands, opened within bounds: base64url, raw DEFLATE, JSON. Raises NotUsable."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from typing import Any

from drivers.codes.payloads.refusal import NotUsable

MOST_INFLATED = 256 * 1024
"""Bytes that anything may have once it is inflated; an insurance card has about 2,000."""
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def base64url(text: str, what: str) -> bytes:
    """Base64url without padding (RFC 7515, section 2)."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise NotUsable(f"{what} is not base64url")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise NotUsable(f"{what} is not base64url") from None


def inflated(raw: bytes, what: str) -> bytes:
    """Raw DEFLATE (RFC 1951), whole and nothing behind it, MOST_INFLATED at the most."""
    inflater = zlib.decompressobj(wbits=-15)
    try:
        opened = inflater.decompress(raw, MOST_INFLATED + 1)
    except zlib.error:
        raise NotUsable(f"{what} is not DEFLATE") from None
    if len(opened) > MOST_INFLATED:
        raise NotUsable(f"{what} has more than {MOST_INFLATED} bytes")
    if not inflater.eof or inflater.unused_data:
        raise NotUsable(f"{what} is cut short or has something behind it")
    return opened


def json_object(raw: bytes, what: str) -> dict[str, Any]:
    """A JSON object; a number or a depth that JSON allows and Python does not is refused too."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        # `from None`: the error holds the document.
        raise NotUsable(f"{what} is not JSON") from None
    if not isinstance(found, dict):
        raise NotUsable(f"{what} is not a JSON object")
    return found

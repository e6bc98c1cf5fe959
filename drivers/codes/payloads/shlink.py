"""SMART Health Links (``shlink:/``): where a card lies and the key that opens it. Read and decided here, not fetched.

A link makes the kiosk ask an address that a stranger brought, so none is taken unless the site names its host. The
address must be https, at its usual port, without a user; a link that asks for a passcode is not for a kiosk.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from drivers.codes.payloads.bounded import base64url, inflated, json_object
from drivers.codes.payloads.refusal import NotUsable
from kioskd.core.identity import Reason
from kioskd.core.payload import LinkPayload

LONGEST_LINK = 2048
LONGEST_ADDRESS = 128
"""Of the address in it, by the specification."""
KEY_BYTES = 32

_LINK = re.compile(r"(?:https://[^\s#]{1,300}#)?shlink:/([A-Za-z0-9_-]+)")
_ADDRESS = re.compile(r"https://[!-~]+")


def is_link(text: str) -> bool:
    """Whether it is such a link, with the address of a viewer before it or without."""
    return "shlink:/" in text[:400] and (text.startswith("shlink:/") or "#shlink:/" in text[:400])


def link(text: str, allowed_hosts: frozenset[str]) -> LinkPayload:
    """What a link says, if its host is one of those. Raises NotUsable."""
    whole = _LINK.fullmatch(text) if len(text) <= LONGEST_LINK else None
    if whole is None:
        raise NotUsable("the link is not laid out as such a link is")
    content = json_object(base64url(whole[1], "the link"), "the link")
    address, key, flags = content.get("url"), content.get("key"), content.get("flag", "")
    if not isinstance(address, str) or not isinstance(key, str) or not isinstance(flags, str):
        raise NotUsable("the link has no address or no key")
    if content.get("v", 1) != 1:
        raise NotUsable("the link is of a newer version")
    if "P" in flags:
        raise NotUsable("the link asks for a passcode")
    opener = base64url(key, "the link's key")
    if len(opener) != KEY_BYTES:
        raise NotUsable(f"the link's key does not have {KEY_BYTES} bytes")
    return LinkPayload(host_of(address, allowed_hosts), address, opener, "U" in flags)


def host_of(address: str, allowed_hosts: frozenset[str], longest: int = LONGEST_ADDRESS) -> str:
    """The host of an address, if it is one of those and the address is one to ask. Raises NotUsable."""
    if len(address) > longest or not _ADDRESS.fullmatch(address):
        raise NotUsable("the link's address is not https, or too long")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise NotUsable("the link's address is none") from None
    host = (parts.hostname or "").lower()
    if parts.username is not None or parts.password is not None or port not in {None, 443} or "\\" in address:
        raise NotUsable("the link's address has a user or a port of its own")
    if host not in allowed_hosts:
        raise NotUsable("the link's host is not on the site's list", Reason.CODE_UNTRUSTED)
    return host


def opened(jwe: str, key: bytes) -> bytes:
    """The content of a file behind a link: a compact JWE, ``dir`` with A256GCM (RFC 7516, 7518). Raises NotUsable."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    parts = jwe.split(".")
    if len(parts) != 5 or parts[1]:
        raise NotUsable("the file behind the link has not the parts of an encrypted one")
    header = json_object(base64url(parts[0], "the file's header"), "the file's header")
    packed = header.get("zip")
    if header.get("alg") != "dir" or header.get("enc") != "A256GCM" or packed not in (None, "DEF") or "crit" in header:
        raise NotUsable("the file behind the link is encrypted in another way")
    nonce, text, tag = (base64url(part, "the file behind the link") for part in parts[2:])
    if len(nonce) != 12 or len(tag) != 16 or len(key) != KEY_BYTES:
        raise NotUsable("the file behind the link is encrypted in another way")
    try:
        plain = AESGCM(key).decrypt(nonce, text + tag, parts[0].encode("ascii"))
    except InvalidTag:
        raise NotUsable("the link's key does not open the file behind it") from None
    return inflated(plain, "the file behind the link") if packed else plain

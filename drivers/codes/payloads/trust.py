"""Whose SMART Health Cards a site believes: keys in files, pinned. Nothing is ever fetched.

A file per issuer in a folder that the site file names: the issuer's JWKS (RFC 7517) as it publishes it, with its
address added as ``iss``::

    {"iss": "https://example.org/issuer", "keys": [{"kty": "EC", "crv": "P-256", "kid": "...", "x": "...", "y": "..."}]}

A key's id must be its own thumbprint (RFC 7638), as the SMART Health Cards framework asks: so an id names one key in
the world, a card is verified before a byte of it is opened, and a mistyped key is found at the start.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.codes.payloads.bounded import base64url, json_object
from drivers.codes.payloads.refusal import NotUsable
from kioskd.errors import ConfigError

MOST_BYTES = 1024 * 1024
"""Of a file of keys."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key for ES256: a point of P-256, 32 bytes each, and whose it is."""

    issuer: str
    x: bytes
    y: bytes


TrustList = Mapping[str, TrustedKey]
"""By key id."""


def trust_list(folder: Path) -> TrustList:
    """The keys of all files ``*.json`` in a folder. Raises ConfigError, which names the file."""
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix == ".json")
        files = [(str(path), _bytes_of(path)) for path in paths]
    except OSError as error:
        raise ConfigError(f"{folder}: the keys of trusted issuers can't be read: {error.strerror}") from error
    return read_keys(files)


def read_keys(files: Iterable[tuple[str, bytes]]) -> TrustList:
    """The keys of files, given as name and content. Raises ConfigError."""
    found: dict[str, TrustedKey] = {}
    for name, content in files:
        try:
            keys = _keys(content)
        except NotUsable as problem:
            raise ConfigError(f"{name}: {problem.what}") from None
        for kid, key in keys.items():
            if found.setdefault(kid, key) != key:
                raise ConfigError(f"{name}: the key {kid} is another issuer's too: each key has one issuer")
    return found


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _keys(content: bytes) -> dict[str, TrustedKey]:
    if len(content) > MOST_BYTES:
        raise NotUsable(f"expected a file of keys of {MOST_BYTES} bytes at the most")
    document = json_object(content, "the file of keys")
    issuer, keys = document.get("iss"), document.get("keys")
    if not isinstance(issuer, str) or not issuer.startswith("https://") or issuer.endswith("/"):
        raise NotUsable('expected "iss": the address of the issuer, https:// and no slash at its end')
    if not isinstance(keys, list):
        raise NotUsable('expected "keys": a list of keys (JWKS)')
    found: dict[str, TrustedKey] = {}
    for number, key in enumerate(keys, start=1):
        if not isinstance(key, dict) or key.get("kty") != "EC" or key.get("crv") != "P-256":
            continue  # A key for something else, which issuers publish in the same file.
        found |= _key(issuer, key, f"key {number}")
    if not found:
        raise NotUsable("expected at least one key of kind EC P-256")
    return found


def _key(issuer: str, key: dict[str, object], what: str) -> dict[str, TrustedKey]:
    x, y, kid = key.get("x"), key.get("y"), key.get("kid")
    if not isinstance(x, str) or not isinstance(y, str):
        raise NotUsable(f"{what}: expected x and y")
    point = base64url(x, f"{what}: x"), base64url(y, f"{what}: y")
    if [len(part) for part in point] != [32, 32]:
        raise NotUsable(f"{what}: expected 32 bytes each in x and y")
    if kid != thumbprint(x, y):
        raise NotUsable(f"{what}: its kid is not its thumbprint (RFC 7638): the key or its id is mistyped")
    return {str(kid): TrustedKey(issuer, *point)}


def thumbprint(x: str, y: str) -> str:
    """RFC 7638 of a P-256 key with these coordinates in base64url."""
    members = json.dumps({"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()

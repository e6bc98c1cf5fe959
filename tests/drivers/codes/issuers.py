"""Issuers of SMART Health Cards for tests."""

from __future__ import annotations

import json
from datetime import date

from cryptography.hazmat.primitives.asymmetric import ec

from drivers.codes.payloads import TrustList, read_keys, samples

KEY = ec.derive_private_key(0x5EED, ec.SECP256R1())
"""Of ``samples.ISSUER``."""
OTHER_KEY = ec.derive_private_key(0xBAD, ec.SECP256R1())


def trust_in(key: ec.EllipticCurvePrivateKey = KEY, issuer: str = samples.ISSUER) -> TrustList:
    return read_keys([("issuer.json", json.dumps(samples.issuer_keys(key, issuer)).encode())])


TRUSTED = trust_in()
TODAY = date(2026, 11, 23)

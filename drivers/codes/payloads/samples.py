"""Codes of invented people, byte for byte as their issuers make them: for tests, the demo and the lab page.

What these build is checked against ``aamva`` and ``shc`` only, and against one card of the SMART Health Cards
framework's own examples; no real licence or insurance card was at hand.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivers.codes.payloads.trust import thumbprint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ISSUER = "https://cards.insurer.example/issuer"

LICENCE: Mapping[str, str] = {
    "DAQ": "T64235789",
    "DCS": "SAMPLE",
    "DDE": "N",
    "DAC": "MICHAEL",
    "DDF": "N",
    "DAD": "JOHN",
    "DDG": "N",
    "DBB": "06061986",
    "DBA": "12102034",
    "DBC": "1",
    "DAG": "2300 WEST BROAD STREET",
    "DAI": "RICHMOND",
    "DAJ": "VA",
    "DAK": "232690000  ",
    "DCG": "USA",
}


def licence(
    elements: Mapping[str, str] = LICENCE,
    *,
    version: int = 10,
    issuer: str = "636000",
    kind: str = "DL",
    others: Sequence[tuple[str, str]] = (("ZV", "ZVA01"),),
) -> bytes:
    """The bytes of a licence's PDF417 code, with true places and lengths; ``others``: subfiles that follow."""
    body = kind + "\n".join(name + value for name, value in elements.items()) + "\r"
    parts = [(kind, body), *((name, name + value + "\r") for name, value in others)]
    header = f"@\n\x1e\rANSI {issuer}{version:02}{'02' if version >= 2 else ''}{len(parts):02}"
    place, entries = len(header) + 10 * len(parts), ""
    for name, part in parts:
        entries += f"{name}{place:04}{len(part):04}"
        place += len(part)
    return (header + entries + "".join(part for _, part in parts)).encode("latin-1")


def insurance_bundle(member: str = "102345672-02", birth_date: str = "1986-06-06") -> dict[str, Any]:
    """Coverage, Patient and Organization of a digital insurance card, no more of each than a code has room for."""
    member_type = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}]}
    coverage = {
        "resourceType": "Coverage",
        "identifier": [{"type": member_type, "system": "https://insurer.example/member", "value": member}],
        "status": "active",
        "subscriberId": "102345672-01",
        "beneficiary": {"reference": "resource:1"},
        "period": {"start": "2026-01-01", "end": "2034-12-31"},
        "payor": [{"reference": "resource:2", "display": "Acme"}],
    }
    patient = {
        "resourceType": "Patient",
        "name": [{"family": "Sample", "given": ["Michael", "John"]}],
        "gender": "male",
        "birthDate": birth_date,
    }
    payer_type = {"coding": [{"code": "payerid"}]}
    organization = {
        "resourceType": "Organization",
        "identifier": [
            {"system": "urn:oid:2.16.840.1.113883.6.300", "value": "1"},
            {"type": payer_type, "value": "45002"},
        ],
        "name": "Acme Insurance Co",
    }
    resources = enumerate((coverage, patient, organization))
    entries = [{"fullUrl": f"resource:{number}", "resource": resource} for number, resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def health_card(bundle: Mapping[str, Any], key: EllipticCurvePrivateKey, **claims: object) -> str:
    """The compact JWS of a SMART Health Card; ``claims`` go beside ``vc``, such as ``exp``."""
    kid = issuer_keys(key)["keys"][0]["kid"]
    subject = {"fhirVersion": "4.0.1", "fhirBundle": bundle}
    vc = {"type": ["https://smarthealth.cards#health-card"], "credentialSubject": subject}
    content = {"iss": ISSUER, "nbf": 1735689600, **claims, "vc": vc}
    return signed(
        {"zip": "DEF", "alg": "ES256", "kid": kid}, deflated(json.dumps(content, separators=(",", ":")).encode()), key
    )


def signed(header: Mapping[str, object], packed: bytes, key: EllipticCurvePrivateKey) -> str:
    """A compact JWS by ES256 (RFC 7515, RFC 7518)."""
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    body = f"{base64url(json.dumps(header).encode())}.{base64url(packed)}"
    r, s = utils.decode_dss_signature(key.sign(body.encode(), ec.ECDSA(SHA256())))
    return f"{body}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def issuer_keys(key: EllipticCurvePrivateKey, issuer: str = ISSUER) -> dict[str, Any]:
    """The file of keys of an issuer, as ``trust`` reads it."""
    point = key.public_key().public_numbers()
    x, y = (base64url(part.to_bytes(32, "big")) for part in (point.x, point.y))
    own = {"kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "kid": thumbprint(x, y), "x": x, "y": y}
    return {"iss": issuer, "keys": [own]}


def in_digits(jws: str) -> str:
    """A JWS as the text of a numeric QR code."""
    return "shc:/" + "".join(f"{ord(character) - 45:02}" for character in jws)


def deflated(content: bytes) -> bytes:
    """Raw DEFLATE."""
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(content) + packer.flush()


def base64url(raw: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""Codes that people hold before a kiosk and that are for something else, told by how they begin.

Which kind it is lets the kiosk say so: "This is a prescription. Please show it at the pharmacy." None of it is read
any further.
"""

from __future__ import annotations

import re

from kioskd.core.payload import CodeKind

LOOKED_AT = 256
"""Characters that are looked at."""

_KINDS: tuple[tuple[CodeKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for kind, pattern in (
        # gematik, gemF_eRp_DM: the token of an electronic prescription, as DataMatrix.
        (CodeKind.PRESCRIPTION, r'\s*\{\s*"urls"\s*:\s*\[\s*"(?:https?://[^"]{0,80}/)?Task/'),
        # NHS EPS: the prescription's id as Code 128, the last character a check.
        (CodeKind.PRESCRIPTION, r"[0-9A-F]{6}-[0-9A-Z]{6}-[0-9A-F]{5}[0-9A-Z+]\s*$"),
        (CodeKind.MEDICATION_PLAN, r"<MP\s"),
        (CodeKind.VACCINATION, r"HC1:"),
        (CodeKind.CONTACT, r"BEGIN:VCARD|MECARD:|BIZCARD:"),
        (CodeKind.NETWORK, r"WIFI:|DPP:"),
        # EPC069-12 (GiroCode), the Swiss QR bill, the Czech and Slovak forms, EMV merchant codes, UPI, crypto money.
        (CodeKind.PAYMENT, r"BCD\r?\n00[12]\r?\n|SPC\r?\n0[0-9]00\r?\n|SPD\*1\.0\*|000201[0-9]{2}|upi:|bitcoin:"),
        # IATA Resolution 792: format M, legs, name in 20 characters, electronic ticket or not.
        (CodeKind.BOARDING_PASS, r"M[1-4][A-Z/ .\-]{20}[E ].{7}[A-Z]{6}"),
        (CodeKind.PHONE, r"TEL:"),
        (CodeKind.MESSAGE, r"(?:SMS|SMSTO|MMS|MMSTO|MAILTO|MATMSG):"),
        (CodeKind.EVENT, r"BEGIN:V(?:CALENDAR|EVENT)"),
        (CodeKind.PLACE, r"GEO:"),
        (CodeKind.ONE_TIME_PASSWORD, r"otpauth(?:-migration)?://"),
        # ISO/IEC 15434 with the pharmacy product number of IFA.
        (CodeKind.PRODUCT, r"\[\)>\x1e0[56]\x1d"),
        (CodeKind.WEB_ADDRESS, r"https?://|www\.[a-z0-9]"),
    )
)
_OF_PRODUCTS = re.compile(r"\](?:E.|C1|e.|d2|Q3|J1)")
"""AIM identifiers of EAN, UPC and GS1 codes."""


def kind_of(text: str, symbology: str) -> CodeKind | None:
    """The kind, or None. ``symbology``: AIM identifier, may be empty."""
    begin = text[:LOOKED_AT]
    found = next((kind for kind, pattern in _KINDS if pattern.match(begin)), None)
    return found or (CodeKind.PRODUCT if _OF_PRODUCTS.fullmatch(symbology) else None)

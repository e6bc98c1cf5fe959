"""What a wristband says."""

from __future__ import annotations

import re

from kioskd.core.patient import Patient
from kioskd.ports import WristbandSheet


def wristband_sheet(patient: Patient, band_number: int, gs1_company_prefix: str) -> WristbandSheet | None:
    """The band of a patient, or None when two identifiers of the person are not known (NPSG.01.01.01)."""
    if patient.birth_date is None or not patient.record_number:
        return None
    return WristbandSheet(
        family=patient.family,
        given=patient.given,
        birth_date=patient.birth_date,
        record_number=patient.record_number,
        band_number=band_number,
        gsrn=gsrn(gs1_company_prefix, patient.record_number),
    )


def gsrn(company_prefix: str, record_number: str) -> str:
    """GS1 service relation number (AI 8018): prefix + record number + check digit, 18 digits; empty if it can't be.

    GS1 General Specifications 2.5.2 and 7.9: weights 3 and 1 from the right.
    """
    room = 17 - len(company_prefix)
    # Only a record number that is all digits: leaving letters out would give A123 and B123 one identity.
    if not company_prefix or not re.fullmatch(r"[0-9]+", record_number) or len(record_number) > room:
        return ""
    body = company_prefix + record_number.rjust(room, "0")
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return body + str(-total % 10)

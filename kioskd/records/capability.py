"""CapabilityStatement (FHIR R4 2.21): what exactly works here, made from the tables that make it work."""

from __future__ import annotations

from typing import Any

from kioskd import __version__
from kioskd.records.parameters import INCLUDES, PARAMETERS
from kioskd.records.structures import STORED

PUBLISHED = "2026-11-23"
"""When this statement last changed in what it says."""


def capability_statement(base: str) -> dict[str, Any]:
    """What the server at ``base`` can do."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": PUBLISHED,
        "kind": "instance",
        "software": {"name": "kioskd records", "version": __version__},
        "implementation": {"description": "Records backend of a clinic's front desk", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Everything but this statement needs a bearer token. Dates without a time zone "
                "are in the clinic's zone. Search prefixes: eq, ge, gt, le, lt. No modifiers, no chaining, no _sort. "
                "A transaction takes PUT entries only; one that is already stored as a whole is not stored again.",
                "security": {"description": "Bearer token (RFC 6750) that both sides are given by the clinic"},
                "resource": [_resource(kind) for kind in STORED],
                "interaction": [{"code": "transaction"}],
            }
        ],
    }


def _resource(kind: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "update"}, {"code": "search-type"}],
        "versioning": "versioned",
        "readHistory": False,
        "updateCreate": True,
        "conditionalCreate": False,
        "conditionalRead": "not-supported",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "referencePolicy": ["literal", "local"],
    }
    if includes := [name for name in INCLUDES if name.startswith(f"{kind}:")]:
        made["searchInclude"] = includes
    made["searchParam"] = [
        {"name": name, "type": parameter.kind.fhir_type} for name, parameter in PARAMETERS[kind].items()
    ]
    return made

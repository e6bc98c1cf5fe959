"""OperationOutcome (FHIR R4 2.31), and the refusal that carries one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kioskd.errors import KioskdError

SHOWN = 20
"""Issues that one answer names at most."""


@dataclass(frozen=True, slots=True)
class Issue:
    """What is wrong and where. ``text`` names elements and codes, never a value of a patient."""

    code: str
    """FHIR R4 IssueType, such as ``required`` or ``not-supported``."""
    text: str
    expression: str = ""
    severity: str = "error"


class InteractionRefused(KioskdError):
    """A FHIR interaction that was not done, with its HTTP status. Nothing of it is stored."""

    def __init__(self, status: int, *issues: Issue) -> None:
        super().__init__(f"{status}: " + "; ".join(issue.code for issue in issues))
        self.status = status
        self.issues = issues


def operation_outcome(*issues: Issue) -> dict[str, Any]:
    """The resource that tells a client what happened."""
    return {"resourceType": "OperationOutcome", "issue": [_as_fhir(issue) for issue in issues[:SHOWN]]}


def _as_fhir(issue: Issue) -> dict[str, Any]:
    told: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "diagnostics": issue.text}
    if issue.expression:
        told["expression"] = [issue.expression]
    return told

"""What an HTTP status or an OperationOutcome of a FHIR server means for a message. Pure.

Of an OperationOutcome only the code and the place of an issue are kept: its texts may quote patient data.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from kioskd.errors import ForwardError, Rejected, Unreachable

LATER = frozenset({408, 421, 423, 424, 425, 429})
"""Not now (RFC 9110, RFC 4918, RFC 6585, RFC 8470), like every 5xx. 423 and 424: a chart that is open elsewhere."""
CONFLICTS = frozenset({409, 412})
GONE = frozenset({404, 410})
MOVED_FOR_NOW = frozenset({302, 303, 307})
NOT_ADMITTED = frozenset({401, 403})
MOVED = frozenset({301, 308})
"""With these it is not the message that must change but the site's set-up: a token that has run out on a Monday morning
must not leave a whole day's check-ins to be sent again by hand. They wait, visibly, until it is put right."""

_CODE = re.compile(r"[a-z][a-z-]{0,39}")
_PLACE = re.compile(r"[A-Za-z][A-Za-z0-9.\[\]]{0,119}")


class Conflict(Unreachable):
    """Somebody else changed a resource meanwhile (409, 412): read again and decide again."""


class Gone(Rejected):
    """What was asked for is not there (404), or not any more (410)."""


def failure(status: int, what: str, body: Any = None, retry_after_s: float | None = None) -> ForwardError | None:
    """What a status means; None when it is done. ``what`` says what was asked, without patient data."""
    if 200 <= status < 300:
        return None
    text = f"{what}: HTTP {status}{_issue_text(body)}"
    if status in CONFLICTS:
        return Conflict(text)
    if status in LATER or status >= 500 or status in MOVED_FOR_NOW:
        return Unreachable(text, retry_after_s)
    if status in NOT_ADMITTED:
        return Unreachable(f"{text}; the server does not admit us: put a valid token into hub.records_token_file")
    if status in MOVED:
        return Unreachable(f"{text}; the server has moved: set hub.records_url to its new address")
    refusal = Gone if status in GONE else Rejected
    return refusal(_issue_code(body) or f"http-{status}", text)


def transaction_failure(bundle: Any, sent: int) -> ForwardError | None:
    """Why a transaction-response does not say that all ``sent`` entries are done, or None when it does.

    Each entry counts: servers that do not roll back answer 200 with refused entries inside.
    """
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    if not isinstance(entries, list) or len(entries) != sent:
        return Unreachable(f"transaction: the answer is not a transaction-response with {sent} entries")
    failures = [f for position, entry in enumerate(entries) if (f := _entry_failure(entry, position))]
    return next((f for f in failures if isinstance(f, Rejected)), failures[0] if failures else None)


def _entry_failure(entry: Any, position: int) -> ForwardError | None:
    answered = entry.get("response") if isinstance(entry, dict) else None
    response = answered if isinstance(answered, dict) else {}
    status = response.get("status")
    if not isinstance(status, str) or not re.match(r"[1-5]\d\d\b", status, re.ASCII):
        return Unreachable(f"transaction entry {position}: the answer has no status")
    return failure(int(status[:3]), f"transaction entry {position}", response.get("outcome"))


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3); None when it is neither."""
    if header is None:
        return None
    if re.fullmatch(r"\d{1,9}", header.strip(), re.ASCII):
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())


def _issues(body: Any) -> list[dict[str, Any]]:
    is_outcome = isinstance(body, dict) and body.get("resourceType") == "OperationOutcome"
    issues = body.get("issue") if is_outcome else None
    return [i for i in issues if isinstance(i, dict)] if isinstance(issues, list) else []


def _worst(body: Any) -> dict[str, Any]:
    issues = _issues(body)
    return next((i for i in issues if i.get("severity") in {"fatal", "error"}), issues[0] if issues else {})


def _issue_code(body: Any) -> str:
    code = _worst(body).get("code")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _issue_text(body: Any) -> str:
    code = _issue_code(body)
    places = _worst(body).get("expression")
    # A FHIRPath may hold values, as in name.where(family='...'): only plain paths are kept.
    plain = [p for p in places if isinstance(p, str) and _PLACE.fullmatch(p)] if isinstance(places, list) else []
    return (f", {code}" if code else "") + (f" at {', '.join(plain[:3])}" if plain else "")

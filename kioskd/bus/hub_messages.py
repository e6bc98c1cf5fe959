"""The wire format of ``ports.Hub``: a question and an answer for each of its methods, as JSON inside the seal.

::

    Question  {"v": 1, "station": "entrance", "within_ms": 2000, "body": {...}}
    Answer    {"v": 1, "body": {...}}   or   {"v": 1, "error": {"kind": "rule", "rule": "...", "text": "..."}}

A field with a default may be added under the same ``v``, and readers ignore what they do not know; anything else
raises ``v``. The bodies are in ``hub_bodies``. A text about a wrong message never quotes it: it goes to logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from kioskd.bus.hub_bodies import (
    CheckInAnswer,
    CheckInQuestion,
    DoneAnswer,
    HelpAnswer,
    HelpQuestion,
    IdentifiedAnswer,
    IdentifyAnswer,
    IdentifyQuestion,
    LetterQuestion,
    NumberQuestion,
    RefusedAnswer,
    Wire,
)
from kioskd.bus.hub_reports import (
    AttemptQuestion,
    DeviceQuestion,
    OrdersAnswer,
    OrdersQuestion,
    PrintQuestion,
    StationQuestion,
)

LINK_VERSION = 1
LONGEST_WAIT_S = 30.0
"""Longest that a station may wait for an answer."""


class WireError(Wire):
    """Why there is no answer. ``text`` holds no patient data; ``code`` is a rule's name or a Rejected's code."""

    kind: str
    """``rule``, ``rejected``, ``clocks``, ``not-understood``, ``failed`` or ``unreachable``; who reads a kind that they
    do not know takes it for the last."""
    text: str
    code: str = ""
    retry_after_s: float | None = None


# --- questions and answers around them -----------------------------------------------------------------------------

Q = TypeVar("Q")
A = TypeVar("A")


class Question(Wire, Generic[Q]):
    """What a station asks. ``within_ms``: how long it waits for the answer."""

    v: Literal[1] = 1
    station: str
    within_ms: int = Field(gt=0)
    body: Q


class Answer(Wire, Generic[A]):
    """What the hub answers: a body or an error."""

    v: Literal[1] = 1
    body: A | None = None
    error: WireError | None = None


@dataclass(frozen=True, slots=True)
class Method(Generic[Q, A]):
    """One method of ``ports.Hub``. ``name`` is the last level of its request topic."""

    name: str
    question: TypeAdapter[Question[Q]]
    answer: TypeAdapter[Answer[A]]


def _method(name: str, question: Any, answer: Any) -> Method[Any, Any]:
    return Method(name, TypeAdapter(Question[question]), TypeAdapter(Answer[answer]))


IDENTIFY: Method[IdentifyQuestion, IdentifiedAnswer | RefusedAnswer] = _method(
    "identify", IdentifyQuestion, IdentifyAnswer
)
IDENTIFY_LETTER: Method[LetterQuestion, IdentifiedAnswer | RefusedAnswer] = _method(
    "identify-letter", LetterQuestion, IdentifyAnswer
)
IDENTIFY_NUMBER: Method[NumberQuestion, IdentifiedAnswer | RefusedAnswer] = _method(
    "identify-number", NumberQuestion, IdentifyAnswer
)
CHECK_IN: Method[CheckInQuestion, CheckInAnswer] = _method("check-in", CheckInQuestion, CheckInAnswer)
ASK_FOR_HELP: Method[HelpQuestion, HelpAnswer] = _method("ask-for-help", HelpQuestion, HelpAnswer)
STATION_STARTED: Method[StationQuestion, DoneAnswer] = _method("station-started", StationQuestion, DoneAnswer)
REPORT_DEVICE: Method[DeviceQuestion, DoneAnswer] = _method("report-device", DeviceQuestion, DoneAnswer)
REPORT_PRINT: Method[PrintQuestion, DoneAnswer] = _method("report-print", PrintQuestion, DoneAnswer)
ORDERS: Method[OrdersQuestion, OrdersAnswer] = _method("orders", OrdersQuestion, OrdersAnswer)
REPORT_ATTEMPT: Method[AttemptQuestion, DoneAnswer] = _method("report-attempt", AttemptQuestion, DoneAnswer)

METHODS: dict[str, Method[Any, Any]] = {
    m.name: m
    for m in (
        IDENTIFY,
        IDENTIFY_LETTER,
        IDENTIFY_NUMBER,
        CHECK_IN,
        ASK_FOR_HELP,
        STATION_STARTED,
        REPORT_DEVICE,
        REPORT_PRINT,
        ORDERS,
        REPORT_ATTEMPT,
    )
}


class NotUnderstood(ValueError):
    """A message that is of another version or shape; the text says which, and quotes nothing."""


class _Version(BaseModel):
    v: int


def read(adapter: TypeAdapter[Any], message: bytes, what: str, reader: str) -> Any:
    """The question or answer that ``message`` is. Raises NotUnderstood; ``what`` and ``reader`` are for its text."""
    try:
        return adapter.validate_json(message)
    except ValidationError as error:
        raise NotUnderstood(_why_not(message, error, what, reader)) from None


def _why_not(message: bytes, error: ValidationError, what: str, reader: str) -> str:
    try:
        version = _Version.model_validate_json(message).v
    except ValidationError:
        return f"{what} is no message of the hub link"
    if version != LINK_VERSION:
        return f"{what} is of version {version} of the hub link, and {reader} knows version {LINK_VERSION}: update one"
    places = sorted({".".join(str(part) for part in e["loc"]) for e in error.errors(include_input=False)})
    return f"{what} is wrong at {', '.join(places[:5])}"


def utc_now() -> datetime:
    """The clock of this machine: aware UTC."""
    return datetime.now(UTC)

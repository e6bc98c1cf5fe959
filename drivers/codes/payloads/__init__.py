"""What the bytes of a code say: a card, a letter, a number, a stranger. Pure; needs neither OpenCV nor numpy.

``understood``  the one entry: bytes and symbology in, one of ``kioskd.core.payload`` out; never raises
``aamva``       driving licences and identity cards of North America
``shc``         SMART Health Cards: digits, signature, packing (``trust``: who is believed; ``bounded``: opened safely)
``carin``       the insurance card in them: Coverage, Patient, Organization
``shlink``      SMART Health Links: read, and decided by the host; ``drivers.codes.links`` fetches what is behind them
``numbers``     NHS numbers and member IDs, by patterns of the site
``strangers``   what is for something else

To add a kind: a module that raises nothing but ``NotUsable``, whose texts quote nothing, and a line in ``_PARSERS``.
The fuzz tests take it from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from drivers.codes.payloads import aamva, shc, shlink, strangers
from drivers.codes.payloads.numbers import CheckDigit, NumberRule, nhs_number
from drivers.codes.payloads.refusal import NotUsable
from drivers.codes.payloads.trust import TrustedKey, TrustList, read_keys, trust_list
from kioskd.core import letter
from kioskd.core.identity import Reason, is_expired
from kioskd.core.payload import (
    CardPayload,
    CodeKind,
    LetterPayload,
    NumberPayload,
    Payload,
    Stranger,
    Unknown,
    Unusable,
)

__all__ = [
    "CheckDigit",
    "NotUsable",
    "NumberRule",
    "Rules",
    "TrustList",
    "TrustedKey",
    "nhs_number",
    "read_keys",
    "trust_list",
    "understood",
]

MOST_BYTES = 16_000
"""More than any code holds: a scanner that sends more has lost its framing."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What of the site file decides what a code may be."""

    numbers: tuple[NumberRule, ...] = ()
    trusted: TrustList = field(default_factory=dict)
    """Whose SMART Health Cards are believed."""
    link_hosts: frozenset[str] = frozenset()
    """Hosts, in lower case, whose SMART Health Links are followed. Empty: none are."""


def understood(data: bytes, symbology: str, rules: Rules, today: date) -> Payload:
    """What a code says. ``symbology``: AIM identifier such as ``]Q1``, or empty. ``today``: of the site.

    Never raises, whatever it is. A card whose last day is over is Unusable.
    """
    if not data or len(data) > MOST_BYTES:
        return Unknown(len(data))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = text.strip()
    for kind, is_one, parse in _PARSERS:
        if is_one(data, text):
            try:
                return _in_date(kind, parse(data, text, rules), today)
            except NotUsable as problem:
                return Unusable(kind, problem.reason, problem.what)
    return _number(text, rules) or _stranger(text, symbology) or Unknown(len(data))


def is_well_formed(data: bytes, symbology: str, rules: Rules) -> bool:
    """The format check of a one-dimensional code: whether anything here knows it."""
    return not isinstance(understood(data, symbology, rules, date.min), Unknown)


def _in_date(kind: CodeKind, payload: Payload, today: date) -> Payload:
    if isinstance(payload, CardPayload) and is_expired(payload.card, today):
        return Unusable(kind, Reason.CARD_EXPIRED, "its last day is over")
    return payload


def _number(text: str, rules: Rules) -> NumberPayload | None:
    for rule in rules.numbers:
        identifier = rule.identifier(text)
        if identifier is not None:
            return NumberPayload(rule.name, identifier, rule.is_shared_by_family)
    return None


def _stranger(text: str, symbology: str) -> Stranger | None:
    kind = strangers.kind_of(text, symbology)
    return None if kind is None else Stranger(kind)


def _link(data: bytes, text: str, rules: Rules) -> Payload:
    if not rules.link_hosts:
        return Stranger(CodeKind.HEALTH_LINK)
    return shlink.link(text, rules.link_hosts)


def _letter(data: bytes, text: str, rules: Rules) -> Payload:
    if not letter.is_letter(text):
        raise NotUsable("the letter's code is not whole")
    return LetterPayload(text)


_PARSERS: tuple[
    tuple[CodeKind, Callable[[bytes, str], bool], Callable[[bytes, str, Rules], Payload]],
    ...,
] = (
    (CodeKind.LETTER, lambda data, text: text.startswith(letter.MARK), _letter),
    (
        CodeKind.HEALTH_CARD,
        lambda data, text: text[:5].lower() == shc.MARK,
        lambda data, text, rules: CardPayload(shc.card(text, rules.trusted)),
    ),
    (CodeKind.HEALTH_LINK, lambda data, text: shlink.is_link(text), _link),
    (
        CodeKind.DRIVING_LICENCE,
        lambda data, text: aamva.IS_ONE.match(data) is not None,
        lambda data, text, rules: CardPayload(aamva.card(data)),
    ),
)

"""What the parameters of a FHIR R4 search ask for (3.1.1). Pure.

A search is a list of conditions that all must hold, each with alternatives of which one must.
Date semantics (3.1.1.4.4, half-open intervals; s is asked, t is stored):

``eq``  s holds all of t      ``gt``  t reaches beyond s      ``ge``  gt or eq
                              ``lt``  t begins before s       ``le``  lt or eq
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from kioskd.records.dates import Interval, interval
from kioskd.records.outcome import InteractionRefused, Issue
from kioskd.records.parameters import INCLUDES, PARAMETERS, Kind, Parameter
from kioskd.records.primitives import is_id
from kioskd.records.resources import INDEXED_LENGTH, literal
from kioskd.records.structures import STORED

COUNT = 100
MOST = 500
"""Matches on one page: when the client does not say, and at most."""
VALUES = 200
"""Values that one search may name."""
PREFIXES = ("eq", "ge", "gt", "le", "lt")


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """``system|value``: None stands for any system or any value, an empty system for none."""

    system: str | None
    value: str | None


@dataclass(frozen=True, slots=True)
class DateMatch:
    """A prefix and the interval that it is about."""

    prefix: str
    asked: Interval


@dataclass(frozen=True, slots=True)
class ReferenceMatch:
    """A target by its id; the type is the parameter's."""

    type: str
    id: str


Match = TokenMatch | DateMatch | ReferenceMatch


@dataclass(frozen=True, slots=True)
class Condition:
    """One of ``matches`` must hold."""

    name: str
    kind: Kind
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """A search on one type. Pages are in the order of ids, each beginning after the id ``after``."""

    type: str
    conditions: tuple[Condition, ...] = ()
    includes: tuple[str, ...] = ()
    count: int = COUNT
    after: str = ""
    ignored: tuple[str, ...] = field(default=())
    """Names of parameters that this server does not know."""
    kept: tuple[tuple[str, str], ...] = ()
    """The parameters that count, for the link to this page and the next."""


_HARMLESS = frozenset({"_format", "_pretty"})


def parse(kind: str, parameters: Iterable[tuple[str, str]], zone: ZoneInfo, is_strict: bool = False) -> Search:
    """What the parameters of a search URL ask for. Raises InteractionRefused (400).

    A parameter that is not known is refused when ``is_strict`` (``Prefer: handling=strict``), otherwise named in
    ``ignored``. A modifier, a prefix or a value that is not understood is always refused: leaving it out would
    find more than was asked for.
    """
    given = [(name, value) for name, value in parameters if name not in _HARMLESS]
    if len(given) > VALUES or sum(value.count(",") for _, value in given) > VALUES:
        raise _bad("too-costly", f"a search may name {VALUES} values at most")
    conditions, includes, ignored, kept = [], [], [], []
    count, after = COUNT, ""
    for name, value in given:
        if name == "_count":
            count = _count(value)
        elif name == "_after":
            after = _after(value)
        elif name == "_include" and value.removesuffix(":Patient").removesuffix(":Appointment") in INCLUDES:
            includes.append(_include(kind, value))
        elif (parameter := _parameter(kind, name)) is not None:
            conditions.append(_condition(name, parameter, value, zone))
        else:
            ignored.append(name)
            continue
        kept.append((name, value))
    if ignored and is_strict:
        raise InteractionRefused(400, *(unknown(kind, name, "error") for name in ignored))
    return Search(kind, tuple(conditions), tuple(includes), count, after, tuple(ignored), tuple(kept))


def unknown(kind: str, name: str, severity: str) -> Issue:
    """A parameter that is not known, as an issue."""
    known = ", ".join([*PARAMETERS[kind], "_count", *(f"_include={i}" for i in INCLUDES if i.startswith(f"{kind}:"))])
    return Issue("not-supported", f"{name[:64]} is not a search parameter here; known: {known}", severity=severity)


def _bad(code: str, text: str) -> InteractionRefused:
    return InteractionRefused(400, Issue(code, text))


def _parameter(kind: str, name: str) -> Parameter | None:
    plain, colon, modifier = name.partition(":")
    parameter = PARAMETERS[kind].get(plain)
    if colon and (parameter is not None or plain == "_include"):
        raise _bad("not-supported", f"{plain}: the modifier {modifier[:32]} is not supported")
    return parameter


def _count(value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value, re.ASCII):
        raise _bad("value", "_count: expected a whole number")
    return min(int(value), MOST)


def _after(value: str) -> str:
    if not is_id(value):
        raise _bad("value", "_after: follow the link next of the page before")
    return value


def _include(kind: str, value: str) -> str:
    source, _, rest = value.partition(":")
    name, _, target = rest.partition(":")
    if source != kind or target not in {"", INCLUDES[f"{source}:{name}"].target}:
        raise _bad("value", "_include: expected a reference of the type that is searched")
    return f"{source}:{name}"


def _condition(name: str, parameter: Parameter, value: str, zone: ZoneInfo) -> Condition:
    matches = tuple(_match(name, parameter, part, zone) for part in _split(value, ","))
    return Condition(name, parameter.kind, matches)


def _match(name: str, parameter: Parameter, text: str, zone: ZoneInfo) -> Match:
    if not text:
        raise _bad("value", f"{name}: a value is empty")
    if parameter.kind is Kind.DATE:
        return _date(name, text, zone)
    if parameter.kind is Kind.REFERENCE:
        return _reference(name, parameter, text)
    if parameter.kind is Kind.ID:
        return TokenMatch(None, _plain(text))
    system, bar, value = _bar(text)
    if not bar:
        return TokenMatch(None, system)
    if not system and not value:
        raise _bad("value", f"{name}: expected system|value")
    return TokenMatch(system, value or None)


def _date(name: str, text: str, zone: ZoneInfo) -> DateMatch:
    prefix = text[:2] if text[:2].isalpha() else ""
    if prefix and prefix not in PREFIXES:
        raise _bad("not-supported", f"{name}: the prefix {prefix} is not supported; known: {', '.join(PREFIXES)}")
    try:
        return DateMatch(prefix or "eq", interval(text.removeprefix(prefix), zone))
    except ValueError as error:
        hint = "; a + in a URL is written %2B" if " " in text else ""
        raise _bad("value", f"{name}: {error}{hint}") from None


def _reference(name: str, parameter: Parameter, text: str) -> ReferenceMatch:
    kind, found_id = literal(text) or (parameter.target, text)
    if kind not in STORED or kind != parameter.target:
        raise _bad("value", f"{name}: expected the id of a {parameter.target}")
    return ReferenceMatch(kind, _plain(found_id))


def _split(text: str, separator: str) -> list[str]:
    r"""Parts at a separator that no backslash stands before (3.1.1.4.11); the escapes are left in."""
    return re.split(rf"(?<!\\){re.escape(separator)}", text)


def _bar(text: str) -> tuple[str, bool, str]:
    parts = _split(text, "|")
    return _plain(parts[0]), len(parts) > 1, _plain("|".join(parts[1:]))


def _plain(text: str) -> str:
    plain = re.sub(r"\\([,|$\\])", r"\1", text)
    if "\0" in plain or len(plain) > INDEXED_LENGTH:
        raise _bad("value", f"a value is longer than {INDEXED_LENGTH} characters or not text")
    return plain

"""What stands printed on an insurance card: as it was read, and what a person made of it. Pure.

A reading is a guess. ``ReadField`` is what the machine saw; nothing may use it until the patient or the desk has
confirmed or corrected it, which makes it a ``CheckedField`` that keeps both values for the secretary to see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self


class FieldName(StrEnum):
    """What a printed field says. Dates are ISO 8601 (YYYY-MM-DD), numbers are without spaces."""

    PAYER = "payer"
    """The insurer's name, or on a European card its acronym."""
    PAYER_ID = "payer-id"
    """The insurer's number: US payer ID, German IK, field 7 of a European card."""
    MEMBER_ID = "member-id"
    """The insured's number: US member ID, German KVNR, field 6 of a European card."""
    GROUP = "group"
    RX_BIN = "rx-bin"
    """Six digits that route a pharmacy claim (ANSI BIN or IIN)."""
    RX_PCN = "rx-pcn"
    RX_GROUP = "rx-group"
    NAME = "name"
    """The whole name, where the card does not say which part is the family name."""
    FAMILY = "family"
    GIVEN = "given"
    BIRTH_DATE = "birth-date"
    VALID_FROM = "valid-from"
    VALID_UNTIL = "valid-until"
    CARD_NUMBER = "card-number"
    """Field 8 of a European card: 20 digits that begin with 80."""
    COUNTRY = "country"
    """Field 2 of a European card: the state that issued it, two letters."""
    FORM = "form"
    """Field 1 of a European card's paper replacement: the number of the form."""


class Side(StrEnum):
    """Of a card."""

    FRONT = "front"
    BACK = "back"


class Design(StrEnum):
    """What kind of card it looks like; it decides how dates are read and which fields there are."""

    US_INSURANCE = "us-insurance"
    EUROPEAN = "european"
    """European Health Insurance Card, Decision S2 of the Administrative Commission (2010/C 106/09)."""
    GERMAN_EGK = "german-egk"
    UNKNOWN = "unknown"


Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
"""Top left, top right, bottom right, bottom left as the text stands; pixels of the photo, x right and y down."""

CONFIDENT = 0.9
"""From here on a field is shown as read; below it, the person is asked to look at it with care."""

MOST_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class ReadField:
    """One field as it was read. The value is a patient's: it stays out of the repr."""

    name: FieldName
    value: str = field(repr=False)
    confidence: float
    """From 0 to 1."""
    box: Box
    side: Side = Side.FRONT

    @property
    def is_confident(self) -> bool:
        return self.confidence >= CONFIDENT


@dataclass(frozen=True, slots=True)
class PrintedCard:
    """What was read of a card, each field once. Without fields: nothing on it was understood."""

    design: Design
    fields: tuple[ReadField, ...] = ()

    def value(self, name: FieldName) -> str:
        """What was read, or empty."""
        return next((one.value for one in self.fields if one.name is name), "")


class PhotoTrouble(StrEnum):
    """Why a photo can't be read; the patient is asked for another one."""

    TOO_DARK = "too-dark"
    TOO_BRIGHT = "too-bright"
    TOO_SHINY = "too-shiny"
    """A lamp is mirrored in it."""
    BLURRED = "blurred"
    TOO_SMALL = "too-small"
    """Hold it closer: too few pixels for small print."""
    NOTHING_PRINTED = "nothing-printed"
    """A good photo with no writing on it."""


@dataclass(frozen=True, slots=True)
class PhotoRefused:
    """This photo can't be read; the other side's may be good."""

    side: Side
    trouble: PhotoTrouble


class Standing(StrEnum):
    """What a person has made of a field."""

    READ = "read"
    """Nothing yet: not to be used."""
    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    """Changed, typed in because it was not read, or emptied because it is not on the card."""


class Checker(StrEnum):
    """Who looked at it."""

    PATIENT = "patient"
    DESK = "desk"


@dataclass(frozen=True, slots=True)
class CheckedField:
    """A field with what the machine read and what holds now; both stay visible to the secretary."""

    name: FieldName
    read_value: str = field(repr=False)
    """As the machine read it; empty: it did not."""
    confidence: float
    value: str = field(repr=False)
    standing: Standing = Standing.READ
    by: Checker | None = None
    at: datetime | None = None
    """Aware; None while nobody has looked."""

    @property
    def is_usable(self) -> bool:
        return self.standing is not Standing.READ and self.value != ""


@dataclass(frozen=True, slots=True)
class CheckedCard:
    """A printed card on its way through a person's hands. Every change gives a new value."""

    design: Design
    fields: tuple[CheckedField, ...]

    @classmethod
    def of(cls, card: PrintedCard) -> Self:
        """As read, nobody having looked."""
        return cls(card.design, tuple(CheckedField(f.name, f.value, f.confidence, f.value) for f in card.fields))

    def confirm(self, names: Iterable[FieldName], by: Checker, at: datetime) -> Self:
        """These fields are right as they stand. One that was corrected before stays marked as corrected.

        Raises ValueError for a field that is not there.
        """
        wanted = set(names)
        if missing := wanted - {one.name for one in self.fields}:
            raise ValueError(f"no field {', '.join(sorted(missing))} was read; correct() adds one")
        seen = (
            replace(one, standing=Standing.CONFIRMED, by=by, at=at)
            if one.name in wanted and one.standing is Standing.READ
            else one
            for one in self.fields
        )
        return replace(self, fields=tuple(seen))

    def correct(self, name: FieldName, value: str, by: Checker, at: datetime) -> Self:
        """The field is ``value``; empty: the card has no such field. The value that was read counts as confirmed.

        Raises ValueError for a value that can't stand on a card; the text does not quote it.
        """
        clean = " ".join(value.split())
        if not clean.isprintable() or len(clean) > MOST_CHARACTERS:
            raise ValueError(f"{name}: at most {MOST_CHARACTERS} printable characters")
        old = next((one for one in self.fields if one.name is name), CheckedField(name, "", 0.0, ""))
        standing = Standing.CONFIRMED if clean == old.read_value != "" else Standing.CORRECTED
        new = replace(old, value=clean, standing=standing, by=by, at=at)
        others = self.fields if any(one.name is name for one in self.fields) else (*self.fields, old)
        return replace(self, fields=tuple(new if one.name is name else one for one in others))

    def usable(self) -> dict[FieldName, str]:
        """What a person has vouched for; nothing else of the card may be used."""
        return {one.name: one.value for one in self.fields if one.is_usable}

r"""Numbers of people that a site tells us to take: NHS numbers, member IDs. A pattern, a system, a check digit.

A pattern is a row of characters, ``[classes]`` and ``\d``, each with an optional count ``{9}``, ``{6,8}`` or ``?``:
``[A-Z]{3}\d{9}``. No groups, no ``*``, ``+`` or ``|``, and few counts that may vary: such a pattern can't be made to
search for ever by what somebody holds before the camera.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from kioskd.core.patient import Identifier

NHS_NUMBER_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"
LONGEST = 64
"""Characters of a number, at the most."""

_ITEM = r"(?:\[[A-Za-z0-9\-/. ]+\]|\\d|\\[.\-/]|[A-Za-z0-9\-/ ])"
_COUNT = r"(?:\{[0-9]{1,2}(?:,[0-9]{1,2})?\}|\?)"
_SIMPLE = re.compile(rf"(?:{_ITEM}{_COUNT}?)+")
_VARIES = re.compile(r"\{[0-9]{1,2},[0-9]{1,2}\}|\?")
_MOST_VARYING = 3


class CheckDigit(StrEnum):
    """How the last character of a number is checked."""

    LUHN = "luhn"
    """ISO/IEC 7812-1 annex B, over digits."""
    NHS = "nhs"
    """Modulo 11 with the weights 10 to 2 over ten digits (NHS Data Dictionary)."""
    EAN_13 = "ean-13"
    """Modulo 10 with the weights 1 and 3 (GS1 General Specifications 7.9), as the Swiss AHV number has it."""
    MOD_97 = "mod-97"
    """ISO/IEC 7064 MOD 97-10 over digits and letters, two check digits at the end."""


@dataclass(frozen=True, slots=True)
class NumberRule:
    """One kind of number. Raises ValueError for a pattern that is not of the simple form above."""

    name: str
    system: str
    """FHIR identifier system that records keep the number under."""
    pattern: str
    check: CheckDigit | None = None
    is_shared_by_family: bool = False
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _SIMPLE.fullmatch(self.pattern) or len(_VARIES.findall(self.pattern)) > _MOST_VARYING:
            raise ValueError(
                "expected characters, [classes] and \\d with counts such as {9} or {6,8}, three that vary at the most"
            )
        try:
            object.__setattr__(self, "_compiled", re.compile(self.pattern, re.ASCII))
        except (re.error, OverflowError):
            raise ValueError("expected a pattern whose classes and counts go upwards") from None

    def identifier(self, text: str) -> Identifier | None:
        """The number that a text is, or None. Blanks that make it readable, as on letters of the NHS, do not count."""
        for form in (text, text.replace(" ", "")):
            if len(form) <= LONGEST and self._compiled.fullmatch(form) and self._is_checked(form):
                return Identifier(self.system, form)
        return None

    def _is_checked(self, number: str) -> bool:
        return self.check is None or _CHECKS[self.check](number.upper())


def nhs_number() -> NumberRule:
    """The number of the NHS in England, Wales and the Isle of Man."""
    return NumberRule("nhs-number", NHS_NUMBER_SYSTEM, r"\d{10}", CheckDigit.NHS)


def _is_digits(number: str) -> bool:
    return re.fullmatch(r"[0-9]+", number) is not None


def _luhn(number: str) -> bool:
    if not _is_digits(number):
        return False
    total = sum(d if n % 2 == 0 else d * 2 - 9 * (d > 4) for n, d in enumerate(map(int, reversed(number))))
    return total % 10 == 0


def _nhs(number: str) -> bool:
    if not _is_digits(number) or len(number) != 10:
        return False
    rest = 11 - sum(weight * int(d) for weight, d in zip(range(10, 1, -1), number[:9], strict=True)) % 11
    return rest != 10 and rest % 11 == int(number[9])


def _ean_13(number: str) -> bool:
    if not _is_digits(number) or len(number) != 13:
        return False
    return sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(number)) % 10 == 0


def _mod_97(number: str) -> bool:
    if not re.fullmatch(r"[0-9A-Z]+", number):
        return False
    return int("".join(str(int(c, 36)) for c in number)) % 97 == 1


_CHECKS: dict[CheckDigit, Callable[[str], bool]] = {
    CheckDigit.LUHN: _luhn,
    CheckDigit.NHS: _nhs,
    CheckDigit.EAN_13: _ean_13,
    CheckDigit.MOD_97: _mod_97,
}

"""What ``kioskd doctor`` found of one thing: how it is, what that means, what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """From good to bad."""

    OK = "OK"
    ATTENTION = "attention"
    BROKEN = "BROKEN"


class Finding(NamedTuple):
    """``what`` says how it is and what that means, ``do`` what to do; empty when there is nothing to do."""

    verdict: Verdict
    what: str
    do: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:10} {self.what}"
        return f"{line}\n{'':10} -> {self.do}" if self.do else line


def ok(what: str) -> Finding:
    return Finding(Verdict.OK, what)


def attention(what: str, do: str = "") -> Finding:
    return Finding(Verdict.ATTENTION, what, do)


def broken(what: str, do: str = "") -> Finding:
    return Finding(Verdict.BROKEN, what, do)

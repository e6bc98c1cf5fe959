"""Spaces that the text reader lost, put back where the paper shows them.

The reader says at which column it saw each character. Where two characters that it wrote together have a bare strip
between them as wide as the spaces of the same print, there is a space.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

_SPACE = 0.17
"""Width of the narrowest space, as a share of the height of the line as it is cut out. Measured on 271 spaces and 2851
gaps of drawn cards: 269 spaces are wider, no gap between two letters is."""

_NEAR = 0.12
"""How far from the column that the reader names a letter has ink, as a share of the height of the line."""

Pixels = np.ndarray[Any, Any]


def with_spaces(text: str, places: Sequence[float], line: Pixels) -> str:
    """``text`` with the spaces that are missing in it.

    ``places`` are the middles of its characters but spaces, in pixels from the left of ``line``.
    """
    letters = [place for place, character in enumerate(text) if not character.isspace()]
    if len(letters) != len(places):
        return text
    bare = _bare_columns(line)
    # A letter that is no ink itself, under a mirrored lamp, says that the gaps beside it are none either.
    near = round(_NEAR * line.shape[0])
    if any(bare[max(int(place) - near, 0) : int(place) + near + 1].all() for place in places):
        return text
    missing = {
        right
        for (left, a), (right, b) in pairwise(zip(letters, places, strict=True))
        # Digits stand apart like words do, and no number depends on its spaces.
        if right == left + 1
        and not (text[left].isdigit() or text[right].isdigit())
        and _widest_gap(bare, a, b) > _SPACE * line.shape[0]
    }
    return "".join(f" {character}" if place in missing else character for place, character in enumerate(text))


def _widest_gap(bare: Pixels, begin: float, end: float) -> int:
    """The longest run of bare columns between two places, in pixels."""
    longest = run = 0
    for is_bare in bare[max(int(begin), 0) : int(end) + 1]:
        run = run + 1 if is_bare else 0
        longest = max(longest, run)
    return longest


def _bare_columns(line: Pixels) -> Pixels:
    """For each column whether there is no ink in it; ink is what differs from the paper around it."""
    grey = cv2.cvtColor(line, cv2.COLOR_BGR2GRAY).astype(np.int16)
    tall = grey.shape[0]
    middle = grey[round(tall * 0.12) : round(tall * 0.9)]
    paper = float(np.median(grey))
    apart = np.abs(middle - paper)
    limit = 0.35 * float(np.percentile(apart, 97))
    bare: Pixels = (apart > limit).sum(axis=0) < 2
    return bare

"""The one exception of the parsers in here."""

from __future__ import annotations

from kioskd.core.identity import Reason
from kioskd.errors import KioskdError


class NotUsable(KioskdError):
    """A code of a kind that we take can't be used. The text quotes nothing of it."""

    def __init__(self, what: str, reason: Reason = Reason.CODE_UNUSABLE) -> None:
        super().__init__(what)
        self.what = what
        self.reason = reason

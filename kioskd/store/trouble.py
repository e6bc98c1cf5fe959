"""What the database's own error codes mean for us. Pure: an error in, a kind of trouble out.

SQLITE_IOERR and what is as bad: since the write-back error was told to nobody else, Linux has marked the pages clean
and a second fsync would say "done" (wiki.postgresql.org/wiki/Fsync_Errors). So nothing after it can be believed in this
process. Codes: sqlite.org/rescode.html; PostgreSQL, appendix A.
"""

from __future__ import annotations

from enum import Enum, auto

from sqlalchemy.exc import DBAPIError


class Trouble(Enum):
    """What follows from an error."""

    REFUSED = auto()
    """This transaction was refused; the next one may do."""
    NO_SPACE = auto()
    """Rolled back whole, because there is no room."""
    READ_ONLY = auto()
    """Nothing can be written at all."""
    UNKNOWN_OUTCOME = auto()
    """Nobody knows what is on disk: stop."""


_FULL, _READONLY, _IOERR, _CORRUPT, _NOTADB = 13, 8, 10, 11, 26
_SHM_SIZE = 10 | 19 << 8
"""The file of shared memory can't grow: no room. It holds nothing that must last."""
_PASSING = frozenset({10 | 12 << 8, 10 | 18 << 8, 10 | 21 << 8})
"""IOERR_NOMEM, _SHMOPEN, _SHMMAP: memory or descriptors ran out before anything was written."""
_POSTGRESQL = {"53100": Trouble.NO_SPACE, "25006": Trouble.READ_ONLY}


def trouble_of(error: DBAPIError) -> Trouble:
    """What an error of either engine means."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is None:
        return _POSTGRESQL.get(str(getattr(error.orig, "sqlstate", "")), Trouble.REFUSED)
    primary = code & 0xFF
    if primary == _FULL or code == _SHM_SIZE:
        return Trouble.NO_SPACE
    if primary == _READONLY:
        return Trouble.READ_ONLY
    if primary in {_CORRUPT, _NOTADB} or (primary == _IOERR and code not in _PASSING):
        return Trouble.UNKNOWN_OUTCOME
    return Trouble.REFUSED

"""A picture as ``^GFA`` field data: ASCII hex with the printer's run-length letters (ZPL II, ~DG compression). Pure.

``G`` to ``Y`` repeat the next hex digit 1 to 19 times, ``g`` to ``z`` 20 to 400 times; ``,`` fills a row with
zeros, ``!`` with ones, ``:`` repeats the row above.
"""

from __future__ import annotations

from itertools import groupby

__all__ = ["gfa", "rows_from"]


def gfa(rows: bytes, row_bytes: int) -> str:
    """The whole command for packed rows (MSB first, 1 is black), without ``^FO`` and ``^FS``."""
    cut = [rows[at : at + row_bytes] for at in range(0, len(rows), row_bytes)]
    data = "".join(":" if at and row == cut[at - 1] else _packed(row.hex().upper()) for at, row in enumerate(cut))
    return f"^GFA,{len(rows)},{len(rows)},{row_bytes},{data}"


def rows_from(data: str, row_bytes: int) -> bytes:
    """The reverse of ``gfa`` for its data part. Raises ValueError for data that are no picture."""
    if row_bytes < 1:
        raise ValueError("a row has one byte at least")
    rows: list[str] = []
    row, count = "", 0
    for letter in data:
        if letter == ":" and rows and not row:
            rows.append(rows[-1])
        elif letter in ",!":
            row = row.ljust(row_bytes * 2, "0" if letter == "," else "F")
        elif "G" <= letter <= "Y":
            count += ord(letter) - ord("F")
        elif "g" <= letter <= "z":
            count += (ord(letter) - ord("f")) * 20
        else:
            row += letter * max(count, 1)
            count = 0
        while len(row) >= row_bytes * 2:
            rows.append(row[: row_bytes * 2])
            row = row[row_bytes * 2 :]
    return bytes.fromhex("".join(rows))


def _packed(row: str) -> str:
    for filler, letter in (("0", ","), ("F", "!")):
        kept = row.rstrip(filler)
        if len(row) - len(kept) >= 2:
            return _runs(kept) + letter
    return _runs(row)


def _runs(row: str) -> str:
    return "".join(_count(len(list(run))) + digit for digit, run in groupby(row))


def _count(count: int) -> str:
    """Letters for 1 to 400 repetitions; none for one. A row of ours has fewer hex digits than that."""
    if count == 1:
        return ""
    twenties, ones = divmod(count, 20)
    return (chr(ord("f") + twenties) if twenties else "") + (chr(ord("F") + ones) if ones else "")

"""The program that is recorded for the power cuts: ``python -m tests.faults.recorded_day FOLDER CHECK_INS``.

Three lives on one set of databases, each ended cleanly: the first start, which makes the tables; a long morning, in
which the write-ahead logs are checkpointed and begin again; and another start on what is left.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from tests.faults.desk_life import TroubledPaper, open_desk, running_clock
from tests.faults.told import Tell, teller


async def life(folder: Path, tell: Tell, number: int, patients: range) -> None:
    tickets = TroubledPaper(lost_at=3, refused_at=5)
    bands = TroubledPaper(lost_at=4, refused_at=7, has_odometer=True)
    async with open_desk(folder, tell, tickets, bands, running_clock(timedelta(hours=number))) as desk:
        for patient in patients:
            await desk.serve(patient, "deny" if patient % 6 == 0 else "confirm")
            if patient % 9 == 0 and patient % 6:
                await desk.serve(patient)  # they come back and are shown the number that they have


def main(folder: Path, check_ins: int) -> None:
    tell = teller(folder)
    ends = (1, 3, 3 + check_ins, 5 + check_ins)
    for number, (begin, end) in enumerate(pairwise(ends)):
        asyncio.run(life(folder, tell, number, range(begin, end)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

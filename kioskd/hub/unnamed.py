"""Bands for who has no name yet: somebody whom nobody has identified, and children at their mother's visit.

Two identifiers tell them: the record number that staff type, and when they arrived or were born and to whom. Whoever
typed something wrong orders the band again with the right facts: then the wrong one is void. Inside transactions.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from kioskd.core.patient import Patient, Sex
from kioskd.core.printing import Cause
from kioskd.errors import RuleViolation
from kioskd.hub import bands, visits
from kioskd.hub.bands import THE_PATIENT, Says
from kioskd.hub.sheet_changes import Asked, Done, in_its_place, order_new_band, void
from kioskd.hub.sheet_view import BandState, ChildAsSaid
from kioskd.hub.visits import Visit
from kioskd.ports import Newborn, UnknownPerson

RULES = frozenset(
    {
        "is-known",
        "no-mother",
        "no-record-number",
        "number-taken",
        "mothers-number",
        "birth-order",
        "born-when",
        "band-there",
        "band-unknown",
    }
)

NEWBORN_FOR = timedelta(days=28)
"""Who is older is no newborn (WHO)."""
NUMBERS_DIFFER_FOR = timedelta(days=1)
"""Two people without a name who came within it do not have the same record number."""
MOST_BIRTHS = 9
LONGEST_NUMBER = 40
_REPLACEABLE = frozenset({BandState.PRINTED, BandState.ON})


def band_for_unknown(connection: Connection, visit: Visit, record_number: str, sex: Sex, asked: Asked) -> Done:
    """A band for the person of a help ticket. Raises RuleViolation."""
    if not visit.is_help or visit.patient is not None:
        raise RuleViolation("is-known", f"the person of {visit.label} has a name in the records")
    says = Says(unnamed=UnknownPerson(sex, visit.arrived_at), record_number=_checked(record_number))
    return _band(connection, visit, says, THE_PATIENT, asked)


def band_for_newborn(connection: Connection, visit: Visit, child: ChildAsSaid, zone: ZoneInfo, asked: Asked) -> Done:
    """A band for a child of a visit's patient. Raises RuleViolation."""
    mother = _mother(connection, visit)
    number = _checked(child.record_number)
    if number == mother.record_number:
        raise RuleViolation("mothers-number", "a child has a record number of its own, not the mother's")
    if not 1 <= child.birth_order <= child.births <= MOST_BIRTHS:
        raise RuleViolation("birth-order", f"a child is 1 to {MOST_BIRTHS} of at most {MOST_BIRTHS}")
    born_at = child.born_at.replace(tzinfo=zone).astimezone(UTC)
    is_on_the_clock = born_at.astimezone(zone).replace(tzinfo=None) == child.born_at
    if not is_on_the_clock or not asked.at - NEWBORN_FOR <= born_at <= asked.at:
        raise RuleViolation("born-when", f"a newborn was born in the last {NEWBORN_FOR.days} days, at a time there was")
    newborn = Newborn(
        mother.family, mother.given, mother.record_number, born_at, birth_order=child.birth_order, births=child.births
    )
    return _band(connection, visit, Says(unnamed=newborn, record_number=number), child.birth_order, asked)


def _mother(connection: Connection, visit: Visit) -> Patient:
    if not visit.is_help and bands.newest(connection, visit.check_in_id) is None:
        raise RuleViolation("no-band", f"{visit.label} gets no wristband: its area has none")
    mother = visit.patient
    if mother is None or not mother.record_number or not (mother.family or mother.given):
        raise RuleViolation("no-mother", f"name and record number of the person of {visit.label} are not known")
    return mother


def _checked(record_number: str) -> str:
    number = record_number.strip()
    if not number or not number.isprintable() or len(number) > LONGEST_NUMBER:
        raise RuleViolation("no-record-number", f"a record number has 1 to {LONGEST_NUMBER} printable characters")
    return number


def _band(connection: Connection, visit: Visit, says: Says, person: int, asked: Asked) -> Done:
    for other in bands.unnamed_since(connection, asked.at - NUMBERS_DIFFER_FOR):
        is_another = (other.check_in_id, other.person) != (visit.check_in_id, person)
        if is_another and other.record_number == says.record_number:
            raise RuleViolation("number-taken", "somebody else without a name has a band with this record number")
    last = bands.newest(connection, visit.check_in_id, person)
    if last is None:
        return order_new_band(connection, visit, says, person, asked)
    held = visits.band_in_hand(connection, visit, last.copy, asked.at)
    if (last.unnamed, last.record_number) == (says.unnamed, says.record_number):
        raise RuleViolation("band-there", f"band {last.number} says the same")
    if held.row.state in _REPLACEABLE:
        return in_its_place(connection, visit, held, Cause.REPLACED, asked, says, "other-facts")
    if held.row.state is BandState.UNKNOWN:
        raise RuleViolation("band-unknown", f"nobody has said whether band {last.number} came out")
    if held.row.state is not BandState.NOT_PRINTED:
        raise RuleViolation("band-ordered", f"band {last.number} is on its way")
    if held.sheet is None:
        void(connection, held, asked.printer, None, asked.at)
    return order_new_band(connection, visit, says, person, asked)

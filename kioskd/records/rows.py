"""Resources, their versions and their search rows in the database. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    update,
)

from kioskd.records import tables
from kioskd.records.dates import instant_text
from kioskd.records.fhirjson import read, write, write_indented
from kioskd.records.parameters import INCLUDES, Kind, search_rows
from kioskd.records.search import Condition, DateMatch, Match, ReferenceMatch, Search, TokenMatch

_AT_ONCE = 500
"""Ids that one statement names."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a resource. ``json`` is the whole resource as FHIR JSON, with its ``meta``."""

    type: str
    id: str
    version: int
    updated_at: datetime
    written_by: str
    json: str

    @property
    def resource(self) -> dict[str, Any]:
        parsed: dict[str, Any] = read(self.json)
        return parsed

    @property
    def indented(self) -> str:
        """``json`` for people."""
        return write_indented(self.resource)

    @property
    def etag(self) -> str:
        return f'W/"{self.version}"'


def _stored(row: Row[Any]) -> Stored:
    return Stored(row.type, row.id, row.version, row.updated_at, row.written_by, row.json)


def load(connection: Connection, kind: str, resource_id: str) -> Stored | None:
    """The newest version, or None."""
    table = tables.resource
    row = connection.execute(select(table).where(table.c.type == kind, table.c.id == resource_id)).one_or_none()
    return _stored(row) if row else None


def load_many(connection: Connection, kind: str, ids: Iterable[str]) -> dict[str, Stored]:
    """The newest versions of those that are there, by id."""
    table, wanted = tables.resource, sorted(set(ids))
    found: dict[str, Stored] = {}
    for begin in range(0, len(wanted), _AT_ONCE):
        some = wanted[begin : begin + _AT_ONCE]
        rows = connection.execute(select(table).where(table.c.type == kind, table.c.id.in_(some)))
        found.update((row.id, _stored(row)) for row in rows)
    return found


def versions(connection: Connection, kind: str, resource_id: str) -> list[Stored]:
    """Every version, oldest first."""
    table = tables.history
    query = select(table).where(table.c.type == kind, table.c.id == resource_id).order_by(table.c.version)
    return [_stored(row) for row in connection.execute(query)]


def save(
    connection: Connection, resource: dict[str, Any], before: Stored | None, at: datetime, by: str, zone: ZoneInfo
) -> Stored:
    """Store ``resource`` as the version after ``before`` (None: as the first), with ``meta`` and search rows."""
    version = before.version + 1 if before else 1
    meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": instant_text(at)}
    text = write(
        {**{k: v for k, v in resource.items() if k in {"resourceType", "id"}}, "meta": meta} | without_meta(resource)
    )
    made = Stored(resource["resourceType"], resource["id"], version, at, by, text)
    row = {
        "type": made.type,
        "id": made.id,
        "version": version,
        "updated_at": at,
        "written_by": by,
        "deleted": False,
        "json": text,
    }
    table = tables.resource
    if before is None:
        connection.execute(insert(table).values(row))
    else:
        connection.execute(update(table).where(table.c.type == made.type, table.c.id == made.id).values(row))
    connection.execute(insert(tables.history).values(row))
    _save_search_rows(connection, resource, is_first=before is None, zone=zone)
    return made


def without_meta(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource without the element that the server writes."""
    return {name: value for name, value in resource.items() if name != "meta"}


def is_same(resource: dict[str, Any], stored: Stored) -> bool:
    """Whether a resource says what is stored, apart from what the server itself writes into ``meta``."""
    return _comparable(resource) == _comparable(stored.resource)


def _comparable(resource: dict[str, Any]) -> str:
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in {"versionId", "lastUpdated"}}
    return write({**without_meta(resource), "meta": meta}, is_sorted=True)


def _save_search_rows(connection: Connection, resource: dict[str, Any], is_first: bool, zone: ZoneInfo) -> None:
    owner = {"type": resource["resourceType"], "id": resource["id"]}
    rows = search_rows(resource, zone)
    made: tuple[tuple[Table, list[dict[str, Any]]], ...] = (
        (tables.token, [{"parameter": p, "system": s, "value": v} for p, s, v in rows.tokens]),
        (tables.date_range, [{"parameter": p, "low": i.low, "high": i.high} for p, i in rows.dates]),
        (tables.reference, [{"parameter": p, "target_type": t, "target_id": i} for p, t, i in rows.references]),
    )
    for table, new in made:
        if not is_first:
            connection.execute(delete(table).where(table.c.type == owner["type"], table.c.id == owner["id"]))
        if new:
            connection.execute(insert(table), [owner | row for row in new])


# --- finding -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """One page of matches, in the order of their ids. ``has_more``: there is a next page."""

    matches: tuple[Stored, ...]
    included: tuple[Stored, ...]
    total: int
    has_more: bool


def find(connection: Connection, search: Search) -> Found:
    """What a search finds."""
    table = tables.resource
    where = and_(table.c.type == search.type, *(_holds(search.type, c) for c in search.conditions))
    total = connection.scalar(select(func.count()).select_from(table).where(where)) or 0
    if search.count == 0:
        return Found((), (), total, has_more=False)
    page = select(table).where(where, table.c.id > search.after).order_by(table.c.id).limit(search.count + 1)
    rows = connection.execute(page).all()
    matches = tuple(_stored(row) for row in rows[: search.count])
    return Found(matches, tuple(_included(connection, search, matches)), total, len(rows) > search.count)


def _included(connection: Connection, search: Search, matches: Sequence[Stored]) -> Iterator[Stored]:
    reference = tables.reference
    for include in dict.fromkeys(search.includes):
        name, target = include.partition(":")[2], INCLUDES[include].target
        query = select(reference.c.target_id).where(
            reference.c.type == search.type,
            reference.c.parameter == name,
            reference.c.id.in_([match.id for match in matches]),
        )
        ids = connection.scalars(query).all()
        yield from load_many(connection, target, ids).values()


def _holds(kind: str, condition: Condition) -> ColumnElement[bool]:
    table = tables.resource
    if condition.kind is Kind.ID:
        return table.c.id.in_([match.value for match in condition.matches if isinstance(match, TokenMatch)])
    rows = {Kind.TOKEN: tables.token, Kind.DATE: tables.date_range, Kind.REFERENCE: tables.reference}[condition.kind]
    owners: Select[Any] = select(rows.c.id).where(
        rows.c.type == kind,
        rows.c.parameter == condition.name,
        or_(false(), *(_matches(rows, match) for match in condition.matches)),
    )
    return table.c.id.in_(owners)


def _matches(rows: Table, match: Match) -> ColumnElement[bool]:
    if isinstance(match, DateMatch):
        return _date_matches(rows, match)
    if isinstance(match, ReferenceMatch):
        return and_(rows.c.target_id == match.id, rows.c.target_type == match.type)
    parts = [rows.c.value == match.value] if match.value is not None else []
    if match.system is not None:
        parts.append(rows.c.system == match.system)
    return and_(*parts)


def _date_matches(rows: Table, match: DateMatch) -> ColumnElement[bool]:
    """See ``search``: half-open intervals, ``match.asked`` against what is stored."""
    low, high = match.asked.low, match.asked.high
    is_equal = and_(rows.c.low >= low, rows.c.high <= high)
    if match.prefix == "eq":
        return is_equal
    if match.prefix in {"gt", "ge"}:
        reaches_beyond = rows.c.high > high
        return or_(reaches_beyond, is_equal) if match.prefix == "ge" else reaches_beyond
    begins_before = rows.c.low < low
    return or_(begins_before, is_equal) if match.prefix == "le" else begins_before


def ids_from(connection: Connection, kind: str, parameter: str, begin: datetime, end: datetime) -> Sequence[str]:
    """Ids of the resources whose date begins in [begin, end)."""
    rows = tables.date_range
    query = select(rows.c.id).where(
        rows.c.type == kind, rows.c.parameter == parameter, rows.c.low >= begin, rows.c.low < end
    )
    return connection.scalars(query).all()

"""Whatever is done to the rows of an audit trail afterwards, ``verify`` finds it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Row, create_engine, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from kioskd.store import AuditEntry, audit
from kioskd.store.audit import GENESIS, Head
from tests.store.notebook import AUDIT, NOW

SAID = st.text(max_size=12)
DETAIL = st.dictionaries(
    SAID, st.integers() | SAID | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
)
ENTRY = st.builds(AuditEntry, SAID, SAID, SAID, st.just(NOW), DETAIL)
CHAINS = st.lists(st.tuples(st.sampled_from(["hub-1", "hub-2"]), ENTRY), min_size=1, max_size=7)

ANY = settings(max_examples=100, deadline=None)


@contextmanager
def trail(entries: list[tuple[str, AuditEntry]]) -> Iterator[tuple[Connection, list[Head]]]:
    """A database with these entries, and the heads that were noted outside it."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        AUDIT.create(connection)
        for chain, entry in entries:
            audit.append(connection, AUDIT, entry, chain)
        heads = audit.heads(connection, AUDIT, NOW)
        assert not problems(connection, heads)
        yield connection, heads
    engine.dispose()


def problems(connection: Connection, heads: list[Head]) -> list[str]:
    return [r.problem for r in audit.verify(connection, AUDIT, heads) if r.problem]


def rows_of(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(AUDIT).order_by(AUDIT.c.id)))


def changes(connection: Connection, do: Callable[[], object]) -> None:
    """Do something that the database itself does not refuse."""
    try:
        with connection.begin_nested():
            do()
    except IntegrityError:
        assume(False)


@ANY
@given(CHAINS, st.data())
def test_any_column_of_any_row_that_was_changed_is_found(entries: list[tuple[str, AuditEntry]], data: st.DataObject):
    with trail(entries) as (connection, heads):
        rows = rows_of(connection)
        row = data.draw(st.sampled_from(rows))
        column = data.draw(st.sampled_from([column.name for column in AUDIT.c]))
        value = data.draw(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 12) | SAID | DETAIL.map(json.dumps))
        changed = text(f'UPDATE audit SET "{column}" = :value WHERE id = :id')
        changes(connection, lambda: connection.execute(changed, {"value": value, "id": row.id}))
        with suppress(TypeError, ValueError):  # what can't be read any more was changed
            assume(rows_of(connection) != rows)  # the same in other words, such as JSON with a space
        assert problems(connection, heads)


@ANY
@given(CHAINS, st.data())
def test_any_rows_that_were_deleted_are_found_also_the_newest_and_all(
    entries: list[tuple[str, AuditEntry]], data: st.DataObject
):
    with trail(entries) as (connection, heads):
        gone = data.draw(st.sets(st.sampled_from([row.id for row in rows_of(connection)]), min_size=1))
        connection.execute(delete(AUDIT).where(AUDIT.c.id.in_(gone)))
        assert problems(connection, heads)


@ANY
@given(st.lists(ENTRY, min_size=2, max_size=7, unique_by=repr), st.data())
def test_two_rows_that_changed_places_are_found(entries: list[AuditEntry], data: st.DataObject):
    with trail([("main", entry) for entry in entries]) as (connection, heads):
        places = st.lists(st.integers(0, len(entries) - 1), min_size=2, max_size=2, unique=True)
        one, other = (rows_of(connection)[place] for place in data.draw(places))
        columns = data.draw(
            st.sampled_from([("sequence",), ("actor", "action", "subject", "detail"), ("sequence", "previous", "hash")])
        )
        for row in (one, other):  # out of the way of the unique sequence
            connection.execute(update(AUDIT).where(AUDIT.c.id == row.id).values(sequence=-row.sequence))
        for row, source in ((one, other), (other, one)):
            values = {"sequence": row.sequence} | {name: source._mapping[name] for name in columns}
            connection.execute(update(AUDIT).where(AUDIT.c.id == row.id).values(values))
        assert problems(connection, heads)


@ANY
@given(CHAINS, st.data())
def test_a_row_that_is_there_twice_is_found_wherever_it_was_put(
    entries: list[tuple[str, AuditEntry]], data: st.DataObject
):
    with trail(entries) as (connection, heads):
        row = data.draw(st.sampled_from(rows_of(connection)))
        place = data.draw(st.integers(0, len(entries) + 1))
        later = (AUDIT.c.chain == row.chain) & (AUDIT.c.sequence >= place)
        connection.execute(update(AUDIT).where(later).values(sequence=AUDIT.c.sequence + 1000))
        connection.execute(update(AUDIT).where(AUDIT.c.sequence >= 1000).values(sequence=AUDIT.c.sequence - 999))
        copy = dict(row._mapping) | {"id": 99, "sequence": place}
        changes(connection, lambda: connection.execute(insert(AUDIT).values(copy)))
        assert problems(connection, heads)


@ANY
@given(st.lists(ENTRY, min_size=1, max_size=6), st.data())
def test_a_chain_that_was_written_anew_with_right_hashes_is_found_by_its_noted_head(
    entries: list[AuditEntry], data: st.DataObject
):
    with trail([("main", entry) for entry in entries]) as (connection, heads):
        place = data.draw(st.integers(0, len(entries) - 1))
        forged = [*entries[:place], data.draw(ENTRY.filter(lambda e: repr(e) != repr(entries[place])))]
        forged += data.draw(st.sampled_from([entries[place + 1 :], [], entries]))
        connection.execute(delete(AUDIT))
        for entry in forged:
            audit.append(connection, AUDIT, entry)
        assert not problems(connection, []), "by itself it is whole"
        assert problems(connection, heads)


def test_a_chain_that_went_on_after_its_head_was_noted_is_whole():
    entry = AuditEntry("staff:anna", "view", "queue", NOW, {})
    with trail([("main", entry)]) as (connection, heads):
        audit.append(connection, AUDIT, entry)
        assert audit.has_entry(connection, AUDIT, heads[0])
        assert not problems(connection, heads)


def test_a_chain_that_is_gone_whole_is_reported_by_its_name():
    entry = AuditEntry("staff:anna", "view", "queue", NOW, {})
    with trail([("main", entry)]) as (connection, heads):
        connection.execute(delete(AUDIT))
        assert not audit.has_entry(connection, AUDIT, heads[0])
        [report] = audit.verify(connection, AUDIT, heads)
    assert (report.chain, report.entries, report.head) == ("main", 0, GENESIS)
    assert report.problem == f"entry 1 is missing at the end; it was noted at {heads[0].noted_at}"

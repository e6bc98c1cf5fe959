"""Cards that the desk has to read for the bill: told with the check-in, ticked by staff, undone by staff."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from kioskd.core.events import BillingCardNoted
from kioskd.errors import RuleViolation
from kioskd.hub import tables
from kioskd.hub.view import CardRow
from tests.hub.conftest import HubUnderTest
from tests.people import NOW, request


async def check_in(hub: HubUnderTest, number: int = 1, is_card_wanted: bool = True) -> UUID:
    """The ticket's id."""
    made = await hub.site.check_in(replace(request(number), is_card_wanted=is_card_wanted))
    rows = (await hub.desk.view()).rows
    return next(row.ticket_id for row in rows if row.check_in_id == made.check_in_id)


async def card_of(hub: HubUnderTest, ticket: UUID) -> CardRow | None:
    return next(row.card for row in (await hub.desk.view()).rows if row.ticket_id == ticket)


async def actions(hub: HubUnderTest) -> list[tuple[str, str]]:
    found = await hub.store.read(lambda c: c.execute(select(tables.audit).order_by(tables.audit.c.sequence)).all())
    return [(row.actor, row.action) for row in found if row.action.startswith("card-")]


async def test_a_card_is_wanted_until_staff_read_it_and_again_when_they_take_that_back(hub: HubUnderTest) -> None:
    ticket = await check_in(hub)
    assert await card_of(hub, ticket) == CardRow()
    await hub.desk.card_read(ticket, "resi")
    assert await card_of(hub, ticket) == CardRow(NOW, "resi")
    await hub.desk.card_not_read(ticket, "toni")
    assert await card_of(hub, ticket) == CardRow()
    assert await actions(hub) == [("staff:resi", "card-read"), ("staff:toni", "card-not-read")]
    assert [e.is_read for e in await hub.heard() if isinstance(e, BillingCardNoted)] == [True, False]


async def test_where_the_kiosk_read_all_nothing_is_wanted_and_nothing_can_be_ticked(hub: HubUnderTest) -> None:
    ticket = await check_in(hub, is_card_wanted=False)
    assert await card_of(hub, ticket) is None
    for unknown in (ticket, uuid4()):
        with pytest.raises(RuleViolation) as refusal:
            await hub.desk.card_read(unknown, "resi")
        assert refusal.value.rule == "no-card-wanted"
    assert await actions(hub) == []


async def test_a_second_tick_changes_nothing(hub: HubUnderTest) -> None:
    ticket = await check_in(hub)
    await hub.desk.card_read(ticket, "resi")
    await hub.desk.card_read(ticket, "toni")
    assert await card_of(hub, ticket) == CardRow(NOW, "resi")
    assert await actions(hub) == [("staff:resi", "card-read")]


async def test_each_ticket_has_its_own_card_and_a_repeated_check_in_asks_once(hub: HubUnderTest) -> None:
    again = replace(request(1), is_card_wanted=True)
    for _ in range(2):
        await hub.site.check_in(again)
    other = await check_in(hub, 2, is_card_wanted=False)
    assert [row.card for row in (await hub.desk.view()).rows if row.ticket_id != other] == [CardRow()]
    assert await card_of(hub, other) is None

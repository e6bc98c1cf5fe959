"""What a patient is told, and what becomes of their sheets, while the station's own database takes nothing."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection

from kioskd.beside import beside
from kioskd.core.checkin import Step
from kioskd.core.printing import PrintState
from kioskd.hub.tables import check_in
from kioskd.station import jobs
from kioskd.store import StoreState
from tests.people import NOW, card, patient
from tests.station.conftest import Front

WITHIN_S = 20.0


def refuse(connection: Connection) -> None:
    """From now on SQLite says that the database is read-only, until the store opens it again."""
    connection.exec_driver_sql("PRAGMA query_only = ON")


async def until_well(front: Front) -> None:
    async with asyncio.timeout(WITHIN_S):
        while front.station.health.state is not StoreState.OK:  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.02)


async def test_the_page_sends_to_the_desk_and_does_not_say_that_an_arrival_was_noted(front: Front) -> None:
    await front.identified()
    await front.station.write(refuse)
    await front.kiosk.confirm(front.session_id)
    view = front.kiosk.view()
    assert (view.step, view.label, view.arrived_at) == (Step.HELP, "", None)
    assert await front.rows(check_in) == []
    await until_well(front)
    await front.kiosk.close(front.session_id)
    assert front.kiosk.view().arrived_at is not None


async def test_with_only_the_hub_refusing_the_arrival_is_noted(front: Front) -> None:
    await front.identified()
    await front.hub.write(refuse)
    await front.kiosk.confirm(front.session_id)
    view = front.kiosk.view()
    assert (view.step, view.label) == (Step.HELP, "")
    assert view.arrived_at is not None


async def test_sheets_of_who_has_left_expire_as_soon_as_that_can_be_stored(front: Front) -> None:
    front.tickets.is_gone = True
    await front.identified()
    await front.kiosk.confirm(front.session_id)
    async with beside(front.queue.expire_in_time()):
        await front.station.write(refuse)
        await front.kiosk.close(front.session_id)  # the patient's session ends all the same
        assert front.step is not Step.DONE
        async with asyncio.timeout(WITHIN_S):
            while await front.station.read(jobs.unfinished):  # noqa: ASYNC110 - of another task
                await asyncio.sleep(0.02)
    made = await front.station.read(lambda c: jobs.made_since(c, NOW))
    assert {job.state for job in made} == {PrintState.EXPIRED}


async def test_the_next_patient_is_served_after_the_database_takes_writes_again(front: Front) -> None:
    await front.identified()
    await front.station.write(refuse)
    await front.kiosk.confirm(front.session_id)
    await until_well(front)
    await front.kiosk.close(front.session_id)
    await front.kiosk.card_removed()
    await front.kiosk.card_seen()
    await front.kiosk.card_read(card(patient()))
    await front.kiosk.confirm(front.session_id)
    assert (front.step, front.kiosk.view().label) == (Step.DONE, "A1")

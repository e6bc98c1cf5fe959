"""A hub that is brought up to date keeps the wristbands of the visits that go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

from sqlalchemy import text

from kioskd.config import StoreConfig
from kioskd.hub import bands
from kioskd.hub.tables import SCHEMA, band, check_in, sheet
from kioskd.store import open_store
from tests.people import NOW

BEFORE = replace(SCHEMA, revision="0002")

_CHECK_IN = text(
    "INSERT INTO check_in (id, station, arrived_at, committed_at, language, card_kind, practitioner, patient_id,"
    " family, given, birth_date, band_number, record_state, record_error)"
    " VALUES (:id, 'entrance', :now, :now, 'de', 'egk', '', 'p1', 'Huber', 'Anna', :born, :number, 'stored', '')"
)
_TICKET = text(
    "INSERT INTO ticket (id, check_in_id, site, business_day, series, number, area, state, room, times_called)"
    " VALUES (:ticket, :id, 'markt', :day, 'A', 1, 'general', 'waiting', '', 0)"
)
_SHEET = text("INSERT INTO sheet (check_in_id, kind, copy, state, at) VALUES (:id, 'wristband', 1, 'unknown', :now)")


async def test_numbers_of_bands_and_their_sheets_survive(store_config: StoreConfig) -> None:
    is_postgres = store_config.url is not None
    with_band, without = UUID(int=1), UUID(int=2)
    async with open_store(BEFORE, store_config) as old:
        for check_in_id, number in ((with_band, 7), (without, None)):
            values = {
                "id": check_in_id if is_postgres else check_in_id.hex,
                "ticket": UUID(int=9),
                "now": NOW if is_postgres else NOW.isoformat(timespec="microseconds"),
                "born": date(1980, 2, 3) if is_postgres else "1980-02-03",
                "day": date(2026, 11, 23) if is_postgres else "2026-11-23",
                "number": number,
            }
            values["ticket"] = UUID(int=9) if is_postgres else UUID(int=9).hex
            await old.write(lambda c, v=values: c.execute(_CHECK_IN, v))
            if number:
                await old.write(lambda c, v=values: (c.execute(_TICKET, v), c.execute(_SHEET, v)))
    async with open_store(SCHEMA, store_config) as store:
        assert len(await store.read(lambda c: c.execute(check_in.select()).all())) == 2
        [row] = await store.read(lambda c: c.execute(band.select()).all())
        assert (row.check_in_id, row.copy, row.number, row.put_on_by, row.put_on_at) == (with_band, 1, 7, "", None)
        kept = (await store.read(lambda c: bands.says_of(c, bands.Band(with_band, 1, 7)))).patient
        assert kept is not None
        assert (kept.family, kept.birth_date) == ("Huber", date(1980, 2, 3))
        assert kept.record_number == "", "the hub never knew it"
        [printed] = await store.read(lambda c: c.execute(sheet.select()).all())
        assert (printed.state, printed.station, printed.device) == ("unknown", "", "")

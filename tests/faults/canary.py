"""A patient whose words occur nowhere else goes through the whole front desk; then everything is searched for them.

Real processes at log level DEBUG, a real broker heard by a client that may read all of it, a recording proxy before the
FHIR server, one Chromium with a profile on disk for kiosk, console, records desk and display. Searched: every file of
the run (logs, standard error, temporary files, the databases' raw bytes, the browser's profile while it runs and when
it has ended), everything published, every address asked for, what systemd is told. At the end each daemon is aborted as
a crash would: no core may be there. The simulators, which are the patient's hands and the paper, are not searched.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from playwright.async_api import Page, expect

from kioskd.demo.clinic import appointment_resource, patient_resource, practitioner_resource, seed
from kioskd.demo.simulators import TICKETS, WRISTBANDS
from tests.faults.canary_desk import KNOWN, UNKNOWN, WITHIN_S, CanaryDesk, canary_desk
from tests.faults.canary_words import Search, words
from tests.faults.outcome import Outcome

RECORD_NUMBER = "9370265184"
MADE = ("kioskd", "tmp", "etilqs_", "org.chromium", ".org.chromium", "playwright", "pcsc", "mosquitto", "core")
"""How temporary files of the programs that take part are called: other people work on this machine too."""
PASSWORD = "a quiet Monday morning"


def everything_secret() -> set[str]:
    return words(KNOWN, RECORD_NUMBER) | words(UNKNOWN)


async def canary(folder: Path, is_split: bool = False) -> Outcome:
    """One run of the front desk in ``folder``, which must be empty and have a short path, with everything searched."""
    outcome = Outcome("private: canary" + (", split" if is_split else ""), runs=1)
    search = Search(everything_secret())
    before = set(Path(tempfile.gettempdir()).iterdir())
    async with canary_desk(folder, is_split) as desk:
        await _day(desk)
        for path, found in search.in_folders(folder).items():
            outcome.problems.append(f"while it runs: {path.relative_to(folder)} holds {sorted(found)}")
        await desk.close_browser()
        outcome.problems += await desk.crash()
        new = [path for path in set(Path(tempfile.gettempdir()).iterdir()) - before if path.name.startswith(MADE)]
        for path, found in search.in_folders(folder, *new).items():
            outcome.problems.append(f"{path} holds {sorted(found)}")
        for place, data in desk.heard().items():
            if found := search.in_bytes(data):
                outcome.problems.append(f"{place} holds {sorted(found)}")
            if not data:
                outcome.problems.append(f"{place}: nothing was heard, so nothing was searched")
    return outcome


# --- a day at it ---------------------------------------------------------------------------------------------------


async def _day(desk: CanaryDesk) -> None:
    """Card, check-in, ticket, band, call, record, a refused attempt, bad requests, and staff who look at all of it."""
    await _seed(desk)
    console, records, display = await asyncio.gather(
        _signed_in(desk, "console", "rezeption", "receptionist", "hub"),
        _signed_in(desk, "records", "sekretariat", "secretary", "records"),
        _open(desk, "display", "/general"),
    )
    kiosk = await _open(desk, "kiosk", "/")
    await _check_in(desk, kiosk)
    await expect(console.get_by_text(KNOWN.family).first).to_be_visible()
    await console.locator('form[action="/call-next"] button', has_text="Zimmer 1").first.click()
    await expect(display.get_by_text("A1").first).to_be_visible()
    await _look_at_record(records)
    await _refused(desk, kiosk)
    await expect(console.get_by_text("D1").first).to_be_visible()
    await _bad_requests(desk)
    await desk.read_metrics()
    await desk.command("outbox", "list", role="hub")


async def _seed(desk: CanaryDesk) -> None:
    patient = patient_resource(KNOWN, int(RECORD_NUMBER) - 100000)
    starts_at = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=10)
    resources = [practitioner_resource(0), patient, appointment_resource(KNOWN, 0, starts_at)]
    await seed(f"{desk.processes.url('fhir')}/fhir", desk.rig.token, resources)


async def _open(desk: CanaryDesk, page: str, path: str) -> Page:
    tab = await desk.browser.new_page()
    await tab.goto(desk.processes.url(page) + path)
    return tab


async def _signed_in(desk: CanaryDesk, page: str, name: str, staff_role: str, role: str) -> Page:
    said = await desk.command("user", "add", name, "--role", staff_role, role=role)
    found = re.search(r"one-time password of \S+: (\S+)", said)
    assert found, said
    tab = await _open(desk, page, "/sign-in")
    await tab.fill("#name", name)
    await tab.fill("#password", found[1])
    await tab.press("#password", "Enter")
    await tab.fill("#old", found[1])
    await tab.fill("#new", PASSWORD)
    await tab.fill("#again", PASSWORD)
    await tab.press("#again", "Enter")
    await tab.wait_for_url(lambda url: not url.endswith(("/password", "/sign-in")))
    return tab


async def _check_in(desk: CanaryDesk, kiosk: Page) -> None:
    await desk.rig.hardware("insert", card=KNOWN.id)
    await expect(kiosk.get_by_text("Is this you?")).to_be_visible()
    # That she is on this page is what makes a search for her worth anything.
    await expect(kiosk.get_by_text(KNOWN.family).first).to_be_visible()
    await _press(kiosk, "Yes, that’s me")
    await expect(kiosk.get_by_text("A1").first).to_be_visible()
    for printer in (TICKETS, WRISTBANDS):
        assert await desk.rig.hardware("wait-for-sheets", printer=printer, count=1, seconds=WITHIN_S)
    await desk.rig.hardware("remove")
    await _press(kiosk, "I’m done")
    await expect(kiosk.get_by_text("A1")).to_have_count(0)


async def _press(kiosk: Page, name: str) -> None:
    """A finger on a button, once the page takes fingers again: it does not just after it has changed."""
    await expect(kiosk.locator("html:not([data-settling])")).to_have_count(1)
    await kiosk.get_by_role("button", name=name).click()


async def _look_at_record(records: Page) -> None:
    """The list, what a filter leaves of it, and everything that is stored of the visit."""
    await expect(records.get_by_text(KNOWN.family).first).to_be_visible(timeout=WITHIN_S * 1000)
    await records.fill("#words", KNOWN.family)
    await expect(records.get_by_text(KNOWN.kvnr).first).to_be_visible()
    await records.locator('a[href^="/check-in/"]').first.click()
    await expect(records.get_by_text(KNOWN.family).first).to_be_visible()
    await records.go_back()
    await expect(records.get_by_text(KNOWN.family).first).to_be_visible()


async def _refused(desk: CanaryDesk, kiosk: Page) -> None:
    await desk.rig.hardware("insert", card=UNKNOWN.id)
    await expect(kiosk.get_by_text("D1").first).to_be_visible()
    await desk.rig.hardware("remove")
    await _press(kiosk, "I’m done")
    await expect(kiosk.get_by_text("D1")).to_have_count(0)


async def _bad_requests(desk: CanaryDesk) -> None:
    """Who types a name where it does not belong, or sends what nobody can read, is refused and not quoted."""
    name, number = KNOWN.family, KNOWN.kvnr
    garbled = {"content-type": f'multipart/form-data; boundary="{number}"'}
    fhir = {"authorization": f"Bearer {desk.rig.token}", "content-type": "application/fhir+json"}
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        for page in ("kiosk", "console", "records", "display", "fhir"):
            url = desk.processes.url(page)
            ours = {"origin": url, "sec-fetch-site": "same-origin"}
            form, account = {"session": name, "language": name}, {"name": name, "password": number}
            await client.get(f"{url}/{name}", params={"ticket": name, "day": number, "identifier": number})
            await client.post(f"{url}/confirm", data=form, headers=ours)
            await client.post(f"{url}/sign-in", data=account, headers=ours)
            await client.post(f"{url}/sign-in", content=f"--{name}\r\n{number}", headers=ours | garbled)
            await client.request("BREW", f"{url}/{number}", headers={"x-name": number})
            await client.get(f"{url}/", headers={"host": f"{number}.example"})
            await client.post(f"{url}/fhir/Patient", content=f'{{"name": "{name}"', headers=fhir)
            answer = await client.get(f"{url}/fhir/Patient/{number}", headers={"authorization": f"Bearer {number}"})
            assert answer.status_code in {401, 404}, f"{page}: {answer.status_code}"

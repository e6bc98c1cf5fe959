"""The console's page of sheets: the pictures of what each printer would print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kioskd.config import Config, parse
from kioskd.errors import NotPrinted
from kioskd.ports import SheetSample
from kioskd.roles.preview import Preview, ticket_samples
from kioskd.staff import Role
from kioskd.station.templates import STANDARD
from kioskd.web.pages import Pages
from tests.web.browser import DESK
from tests.web.conftest import OpenPage
from tests.web.console_rig import console, enter

BROWSER = pytest.mark.asyncio(loop_scope="session")
SITE = """
[site]
id = "markt"
name = "Praxis am Markt"
timezone = "Europe/Berlin"
roles = ["hub"]

[store]
key_file = "/etc/kioskd/store.key"

[hub]
records_token_file = "/etc/kioskd/token"

[mqtt]
password_file = "/etc/kioskd/mqtt"
display_password_file = "/etc/kioskd/display"

[[area]]
id = "general"
name = "Wartezimmer"
series = "A"
rooms = ["Zimmer 1"]
"""
PRINTERS = """
[[device]]
name = "entrance"
driver = "escpos"
port = "tcp://10.0.0.30:9100"

[[device]]
name = "narrow"
driver = "escpos"
port = "tcp://10.0.0.31:9100"
paper_width_mm = 58

[[device]]
name = "wrong"
driver = "escpos"
port = "nowhere"

[[device]]
name = "off"
driver = "escpos"
port = "tcp://10.0.0.32:9100"
enabled = false
"""
PAGES = Pages(ZoneInfo("Europe/Berlin"))


def translate(language: str, text: str) -> str:
    return PAGES.language(language).texts.gettext(text)


def preview(text: str = SITE + PRINTERS) -> Preview:
    site: Config = parse(text, "site.toml")
    return Preview(site.site.name, ticket_samples(site, STANDARD, translate))


class BrokenPreview:
    """A site whose template needs letters that no installed font has."""

    site_name = "Praxis am Markt"

    def samples(self) -> Sequence[SheetSample]:
        return [SheetSample("ticket-entrance-de", "ticket", "entrance", 80, "de")]

    def png(self, key: str) -> bytes:
        raise NotPrinted("entrance", "content-refused", "no installed font draws CJK characters; install Debian's x")


def test_every_kind_of_ticket_is_there_for_every_printer_in_every_language() -> None:
    keys = [sample.key for sample in preview().samples()]
    assert keys == [
        f"{kind}-{printer}-{language}"
        for printer in ("entrance", "narrow")
        for language in ("de", "en")
        for kind in ("ticket", "copy", "help-ticket")
    ]


def test_a_hub_without_printers_shows_the_usual_one_and_says_so() -> None:
    samples = preview(SITE).samples()
    assert {(sample.printer, sample.paper_width_mm) for sample in samples} == {("", 80)}
    assert samples[0].key == "ticket-de"


def test_a_picture_is_of_the_bytes_for_that_printer_and_made_once() -> None:
    seen = preview()
    wide, narrow = (seen.png(f"ticket-{name}-de") for name in ("entrance", "narrow"))
    assert wide[:8] == narrow[:8] == b"\x89PNG\r\n\x1a\n"
    widths = [int.from_bytes(png[16:20], "big") for png in (wide, narrow)]
    assert widths[0] - widths[1] == 576 - 384
    assert seen.png("ticket-entrance-de") is wide
    assert len({seen.png(sample.key) for sample in seen.samples()}) == len(seen.samples())


def test_an_unknown_picture_is_not_there() -> None:
    with pytest.raises(LookupError):
        preview().png("ticket-entrance-fr")


async def test_the_page_and_its_pictures_are_for_receptionists_and_admins(tmp_path: Path) -> None:
    async with console(tmp_path, preview=preview()) as rig:
        async with rig.client() as client:
            assert (await client.get("/sheets")).status_code in (303, 401)
            assert (await client.get("/sheets/ticket-entrance-de.png")).status_code in (303, 401)
            await rig.sign_in(client)
            page = await client.get("/sheets")
            assert page.status_code == 200
            assert page.text.count('<img src="/sheets/') == 12
            assert 'alt="Ticket, Deutsch, 80 mm paper"' in page.text
            picture = await client.get("/sheets/copy-narrow-en.png")
            assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
            assert (await client.get("/sheets/copy-narrow-fr.png")).status_code == 404
        password = await rig.add("carl.clinic", Role.CLINICIAN)
        async with rig.client() as client:
            await rig.sign_in(client, "carl.clinic", password)
            assert (await client.get("/sheets")).status_code == 403
            assert (await client.get("/sheets/ticket-entrance-de.png")).status_code == 403


async def test_a_sheet_that_can_not_be_printed_says_why_instead_of_a_picture(tmp_path: Path) -> None:
    async with console(tmp_path, preview=BrokenPreview()) as rig, rig.client() as client:
        await rig.sign_in(client)
        page = (await client.get("/sheets")).text
        assert "<img" not in page
        assert "install Debian&#39;s x" in page
        assert (await client.get("/sheets/ticket-entrance-de.png")).status_code == 404


@BROWSER
@pytest.mark.parametrize(
    ("language", "heading"), [("en", "What the printers print"), ("de", "Was die Drucker drucken")]
)
async def test_the_pictures_are_on_the_page_and_axe_finds_nothing(
    tmp_path: Path, open_page: OpenPage, language: str, heading: str
) -> None:
    async with console(tmp_path, language, preview=preview()) as rig:
        visit = await open_page(rig.url, viewport=DESK)
        await enter(visit, rig)
        await visit.page.goto(f"{rig.url}/sheets")
        assert await visit.page.inner_text("h1") == heading
        await visit.page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 300)")
        await visit.assert_accessible()

"""Templates, languages, dates and static files."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import jinja2
import pytest
import pytest_asyncio
from babel.messages.pofile import PoFileError
from starlette.applications import Starlette

from kioskd.web.pages import Assets, Pages, read_languages

ZONE = ZoneInfo("Europe/Berlin")
PO_HEAD = 'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small ui of its own."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "icons.svg").write_text("<svg/>")
    (tmp_path / "static" / "page.css").write_text("p { margin: 0 }")
    (tmp_path / "locale").mkdir()
    (tmp_path / "locale" / "de.po").write_text(
        PO_HEAD
        + '\nmsgid "%(n)s chair"\nmsgid_plural "%(n)s chairs"\nmsgstr[0] "%(n)s Stuhl"\nmsgstr[1] "%(n)s Stühle"\n'
    )
    (tmp_path / "locale" / "de.desk.po").write_text(PO_HEAD + '\nmsgid "Hello %(who)s"\nmsgstr "Guten Tag %(who)s"\n')
    (tmp_path / "locale" / "ar.po").write_text('msgid "Hello %(who)s"\nmsgstr "مرحبا %(who)s"\n')
    return tmp_path


def _pages(folder: Path, text: str) -> Pages:
    (folder / "page.html").write_text(text)
    return Pages(ZONE, folder)


def test_english_needs_no_file_and_every_file_is_a_language(folder: Path):
    assert Pages(ZONE, folder).languages == ("en", "ar", "de")


def test_a_language_names_itself_and_its_direction(folder: Path):
    languages = read_languages(folder / "locale")
    assert [(la.code, la.name, la.dir) for la in languages.values()] == [
        ("en", "English", "ltr"),
        ("ar", "العربية", "rtl"),
        ("de", "Deutsch", "ltr"),
    ]


def test_a_page_speaks_its_language_from_all_its_files(folder: Path):
    pages = _pages(
        folder,
        "{{ lang }} {{ dir }} {{ _('Hello %(who)s', who='X') }}, {{ ngettext('%(n)s chair', '%(n)s chairs', 2, n=2) }}",
    )
    assert pages.render("page.html", "de") == "de ltr Guten Tag X, 2 Stühle"
    assert pages.render("page.html", "ar").startswith("ar rtl مرحبا X")
    assert pages.render("page.html", "en") == "en ltr Hello X, 2 chairs"


def test_an_unknown_language_gets_english(folder: Path):
    assert _pages(folder, "{{ lang }}").render("page.html", "xx") == "en"


def test_a_broken_file_of_texts_refuses_the_start(folder: Path):
    (folder / "locale" / "de.po").write_text('<<<<<<< HEAD\nmsgid "a"\nmsgstr "b"\n')
    with pytest.raises(PoFileError):
        Pages(ZONE, folder)


def test_values_are_escaped_also_inside_translated_texts(folder: Path):
    pages = _pages(folder, "{{ who }} {{ _('Hello %(who)s', who=who) }}")
    shown = pages.render("page.html", "de", who="<script>alert(1)</script>")
    assert "<script>" not in shown
    assert shown.count("&lt;script&gt;") == 2


def test_a_forgotten_value_is_an_error_and_not_an_empty_place(folder: Path):
    with pytest.raises(jinja2.UndefinedError, match="label"):
        _pages(folder, "{{ label }}").render("page.html", "en")


def test_times_are_local_and_in_the_pages_language(folder: Path):
    pages = _pages(folder, "{{ at|as_time }} | {{ at|as_day }} | {{ day|as_date }} | {{ clock|as_time }}")
    values = {"at": datetime(2026, 11, 24, 7, 12, tzinfo=UTC), "day": date(1958, 3, 14), "clock": time(9, 5)}
    assert pages.render("page.html", "de", **values) == "08:12 | Dienstag, 24. November | 14. März 1958 | 09:05"
    assert pages.render("page.html", "en", **values) == "08:12 | Tuesday 24 November | 14 March 1958 | 09:05"


def test_an_icon_is_decoration_from_the_sprite(folder: Path):
    shown = _pages(folder, "{{ icon('check') }}").render("page.html", "en")
    assert 'aria-hidden="true"' in shown
    assert 'href="/static/icons.svg?v=' in shown
    assert "#check" in shown


@pytest_asyncio.fixture
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[Pages(ZONE, folder).static()])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as made:
        yield made


async def test_a_static_file_is_kept_for_ever_under_its_own_address_only(client: httpx.AsyncClient, folder: Path):
    address = Assets(folder / "static").url("page.css")
    assert (await client.get(address)).headers["cache-control"] == "public, max-age=31536000, immutable"
    for other in ("/static/page.css", "/static/page.css?v=0", f"{address}&x=1"):
        assert (await client.get(other)).headers["cache-control"] == "no-cache"


async def test_nothing_outside_the_static_folder_is_served(client: httpx.AsyncClient):
    for path in ("/static/../page.html", "/static/%2e%2e/locale/de.po", "/static/", "/static/nothing.css"):
        assert (await client.get(path)).status_code == 404


def test_an_address_changes_with_the_file(folder: Path):
    before = Assets(folder / "static")
    old = (before.url("page.css"), before.build)
    (folder / "static" / "page.css").write_text("p { margin: 1px }")
    after = Assets(folder / "static")
    assert after.url("page.css") != old[0]
    assert after.build != old[1]

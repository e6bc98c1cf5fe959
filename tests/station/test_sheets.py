"""What tickets say, and what never stands on them."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from drivers.escpos import EscposConfig
from drivers.escpos.layout import ticket_bytes
from kioskd.ports import Align, CheckInReply, HelpReply, LineKind, TicketSheet
from kioskd.station.sheets import help_sheet, ticket_sheet
from kioskd.station.templates import STANDARD, TicketForm, parse_template
from kioskd.web.pages import read_languages
from ui import FOLDER

BERLIN = ZoneInfo("Europe/Berlin")
LATE = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
REPLY = CheckInReply(uuid4(), "A12", "general", "Wartezimmer {1}", LATE, False, 1, practitioner="Dr. Lena Hart")
HELP = HelpReply(uuid4(), "D7", LATE)
PRINTER = EscposConfig(port="tcp://127.0.0.1:9100")
WORDS = tomllib.loads((Path(__file__).parent / "ticket_words.toml").read_text("utf-8"))
"""The texts of tickets in languages that the pages do not have, by language."""
LANGUAGES = read_languages(FOLDER / "locale")


def english(_: str, text: str) -> str:
    return text


def german(language: str, text: str) -> str:
    return LANGUAGES["de"].texts.gettext(text)


def texts(sheet: TicketSheet) -> list[str]:
    return [line.text for line in sheet.lines if line.text]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", "[de] You came at 00:30 on 24.11.2026."),
        ("en", "[en] You came at 00:30 on 24\u00a0Nov\u00a02026."),
        ("xx", "[xx] You came at 00:30 on 24\u00a0Nov\u00a02026."),
    ],
)
def test_a_ticket_is_in_the_patients_language_and_the_sites_time(language: str, expected: str) -> None:
    sheet = ticket_sheet(REPLY, language, "Praxis", BERLIN, lambda chosen, text: f"[{chosen}] {text}")
    assert (sheet.label, sheet.is_copy, sheet.is_right_to_left) == ("A12", False, False)
    assert texts(sheet) == [
        f"[{language}] {{site}}".replace("{site}", "Praxis"),
        f"[{language}] Your number",
        "A12",
        f"[{language}] Please wait here:",
        f"[{language}] Wartezimmer {{1}}",
        expected,
        f"[{language}] Your number is shown on the screen when it is your turn.",
        f"[{language}] Waiting longer than 30 minutes? Please tell the desk.",
    ]


def test_a_help_ticket_says_that_nobody_is_checked_in_yet() -> None:
    sheet = help_sheet(HELP, "en", "Praxis", BERLIN, english)
    assert texts(sheet)[1:5] == [
        "Help ticket",
        "D7",
        "You are not checked in yet. Please go to the desk.",
        "We noted that you came at 00:30 on 24\u00a0Nov\u00a02026.",
    ]


def test_a_copy_is_marked_right_above_its_number_in_the_patients_language() -> None:
    for sheet in (
        ticket_sheet(REPLY, "de", "Praxis", BERLIN, german, is_copy=True),
        help_sheet(HELP, "de", "Praxis", BERLIN, german, is_copy=True),
    ):
        at = [line.kind for line in sheet.lines].index(LineKind.MARK)
        assert (sheet.lines[at].text, sheet.lines[at + 1].kind, sheet.is_copy) == ("KOPIE", LineKind.NUMBER, True)


def test_what_the_site_says_of_order_and_waiting_stands_on_the_ticket() -> None:
    form = replace(STANDARD, is_called_in_order=False, long_wait_minutes=45)
    said = texts(ticket_sheet(REPLY, "en", "Praxis", BERLIN, english, form))
    assert "Numbers are not called in order." in said
    assert "Waiting longer than 45 minutes? Please tell the desk." in said
    silent = texts(ticket_sheet(REPLY, "en", "Praxis", BERLIN, english, replace(STANDARD, long_wait_minutes=0)))
    assert not any("minutes" in text or "in order" in text for text in silent)


NAMING = '[[ticket]]\ntext = "{number}"\n\n[[ticket]]\ntext = "With {practitioner}"\nalign = "start"\nsize = 2\n'


def test_a_clinician_is_named_only_where_the_site_says_so_and_there_is_one() -> None:
    template = parse_template(NAMING, "ticket.toml", ("en",), shows_practitioner=True)
    form = TicketForm(template, shows_practitioner=True)
    line = ticket_sheet(REPLY, "en", "Praxis", BERLIN, english, form).lines[-1]
    assert (line.text, line.align, line.size) == ("With Dr. Lena Hart", Align.START, 2)
    silent = TicketForm(template, shows_practitioner=False)
    for reply, chosen in ((REPLY, silent), (replace(REPLY, practitioner=""), form)):
        assert texts(ticket_sheet(reply, "en", "Praxis", BERLIN, english, chosen)) == ["A12"]


def test_a_text_of_the_site_is_in_the_patients_language_or_else_in_the_first_one() -> None:
    text = '[[ticket]]\ntext = "{number}"\n\n[[ticket]]\ntext = { de = "Um {time}", en = "At {time}" }\n'
    form = TicketForm(parse_template(text, "ticket.toml", ("de", "en")))
    for language, said in (("de", "Um 00:30"), ("en", "At 00:30"), ("tr", "Um 00:30")):
        assert texts(ticket_sheet(REPLY, language, "Praxis", BERLIN, english, form)) == ["A12", said]


def test_a_logo_is_on_the_ticket_and_without_one_there_is_no_gap_for_it() -> None:
    kinds = [line.kind for line in ticket_sheet(REPLY, "en", "Praxis", BERLIN, english).lines]
    assert kinds[0] is LineKind.TEXT
    with_logo = ticket_sheet(REPLY, "en", "Praxis", BERLIN, english, replace(STANDARD, logo=b"png"))
    assert [line.kind for line in with_logo.lines[:3]] == [LineKind.PICTURE, LineKind.GAP, LineKind.TEXT]
    for sheet in (with_logo, help_sheet(HELP, "en", "Praxis", BERLIN, english, replace(STANDARD, long_wait_minutes=0))):
        gaps = [line.kind is LineKind.GAP for line in sheet.lines]
        assert not any(a and b for a, b in pairwise(gaps))
        assert not gaps[-1]


@pytest.mark.parametrize("hostile", ["\u202eA", "x\u2069y", "a\x1dV\x00b", "\u2068\u2068"])
def test_a_value_can_not_end_the_isolate_it_stands_in(hostile: str) -> None:
    sheet = ticket_sheet(replace(REPLY, area_name=f"1{hostile}"), "ar", "Praxis", BERLIN, english)
    assert sheet.is_right_to_left
    area = next(line.text for line in sheet.lines if line.size == 2)
    assert area.count("\u2068") == area.count("\u2069") == 1
    assert (area[0], area[-1]) == ("\u2068", "\u2069")


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_ticket_in_latin_letters_has_less_than_350_bytes_on_a_printer_of_which_nothing_is_known(
    language: str,
) -> None:
    reply = replace(REPLY, area_name="Wartezimmer 2")
    translate = german if language == "de" else english
    for form, most in ((STANDARD, 350), (replace(STANDARD, is_called_in_order=False), 380)):
        data = ticket_bytes(ticket_sheet(reply, language, "Praxis am Markt", BERLIN, translate, form), PRINTER)
        assert len(data) + 10 < most  # and the request for its proof
        assert b"\x1dv0" not in data


@pytest.mark.parametrize("language", sorted(WORDS))
@pytest.mark.parametrize("paper_width_mm", [58, 80])
def test_every_ticket_can_be_printed_in_any_script(language: str, paper_width_mm: int) -> None:
    printer = PRINTER.model_copy(update={"paper_width_mm": paper_width_mm})
    form = replace(STANDARD, is_called_in_order=False)
    reply = replace(REPLY, area_name=WORDS[language]["area"])
    words = (language, "Praxis am Markt", BERLIN, lambda code, text: WORDS[code].get(text, text), form)
    for is_copy in (False, True):
        sheets = [ticket_sheet(reply, *words, is_copy=is_copy), help_sheet(HELP, *words, is_copy=is_copy)]
        assert all(ticket_bytes(sheet, printer).count(b"\x1dv0") >= 4 for sheet in sheets)

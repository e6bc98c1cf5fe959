"""Profiles: what a site file need not say, and what it may say instead."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from drivers.escpos import EscposConfig
from drivers.escpos.layout import ticket_bytes
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.profiles import PROFILES, CodePage, ProfileName
from drivers.escpos.virtual import Quirks, VirtualTicketPrinter
from kioskd.core.printing import ProofKind
from tests.drivers.ticket_printer_contract import TICKET, WITHIN_S

PORT = "tcp://127.0.0.1:9100"
EXAMPLE = Path(__file__).parents[3] / "systemd" / "site.example.toml"


def test_every_name_has_a_profile_and_every_profile_a_name() -> None:
    assert set(PROFILES) == set(get_args(ProfileName))


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_alone_is_enough_to_print(name: ProfileName) -> None:
    config = EscposConfig(port=PORT, profile=name)
    known = config.known
    assert config.paper_width_mm == known.usual_width_mm
    assert config.width_dots == known.width_dots[known.usual_width_mm]
    assert ticket_bytes(TICKET, config)
    assert set(known.code_pages) <= set(get_args(CodePage))
    for paper_width_mm, dots in known.width_dots.items():
        assert dots <= paper_width_mm / 25.4 * known.dpi, "wider than its paper"
        assert known.columns(paper_width_mm, is_small=True) > known.columns(paper_width_mm) >= 30


@pytest.mark.parametrize(
    ("name", "paper_width_mm", "dots", "columns"),
    [
        ("epson-tm-t20iii", 80, 576, 48),
        ("epson-tm-t20iii", 58, 420, 35),
        ("epson-tm-t88vii", 80, 512, 42),
        ("xprinter-58", 58, 384, 32),
    ],
)
def test_lines_are_as_wide_as_the_makers_say(name: ProfileName, paper_width_mm: int, dots: int, columns: int) -> None:
    known = PROFILES[name]
    assert (known.width_dots[paper_width_mm], known.columns(paper_width_mm)) == (dots, columns)


def test_what_the_site_file_says_goes_before_the_profile() -> None:
    config = EscposConfig.model_validate(
        {"port": PORT, "profile": "epson-tm-t88vi", "paper_width_mm": 58, "code_page": "cp852", "cut": "full"}
    )
    assert (config.width_dots, config.code_page, config.cut) == (360, "cp852", "full")
    assert EscposConfig(port=PORT, profile="epson-tm-t88vi", print_width_dots=400).width_dots == 400


def test_a_site_file_without_a_profile_means_what_it_meant_before() -> None:
    config = EscposConfig(port=PORT)
    assert (config.paper_width_mm, config.width_dots, config.code_page, config.cut) == (80, 576, "ascii", "partial")
    assert EscposConfig(port=PORT, paper_width_mm=58).width_dots == 384


def test_paper_that_a_printer_is_not_made_for_is_printed_narrow() -> None:
    assert EscposConfig(port=PORT, profile="xprinter-80", paper_width_mm=58).width_dots == 360


def test_a_printer_without_a_blade_is_not_told_to_cut() -> None:
    config = EscposConfig(port=PORT, profile="xprinter-58")
    assert config.cut == "none"
    assert b"\x1dV" not in ticket_bytes(TICKET, config)


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="epson-tm-m30"):
        EscposConfig.model_validate({"port": PORT, "profile": "epson"})


def test_the_example_site_file_names_them_all() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert [name for name in PROFILES if name not in text] == []


@pytest.mark.parametrize(
    ("name", "paper_width_mm"), [(name, mm) for name in PROFILES for mm in PROFILES[name].width_dots]
)
def test_every_family_prints_a_whole_ticket_on_paper_of_its_own(name: ProfileName, paper_width_mm: int) -> None:
    known = PROFILES[name]
    with VirtualTicketPrinter(
        mechanical=False,
        width_dots=known.width_dots[paper_width_mm],
        dpi=known.dpi,
        buffer_bytes=known.buffer_bytes,
        quirks=Quirks(has_process_id=known.process_id != "absent", has_cutter=known.has_cutter),
    ) as virtual:
        port = f"tcp://127.0.0.1:{virtual.port}"
        driver = EscposPrinter(
            "ticket", EscposConfig.model_validate({"port": port, "profile": name, "paper_width_mm": paper_width_mm})
        )
        driver.open()
        driver.send(driver.render(TICKET), 1)
        proof = ProofKind.FENCE if known.process_id == "absent" else ProofKind.COMPLETION
        assert driver.prove(1, None, WITHIN_S) is proof
        driver.close()
        virtual.tear_off()
        [sheet] = virtual.sheets
        assert sheet.paper_width_mm == paper_width_mm
        assert sheet.is_cut == known.has_cutter
        words = [word for line in TICKET.lines for word in line.text.split()]
        assert sheet.text.split() == words

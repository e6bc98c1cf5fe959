"""Templates of tickets: plain files, checked when the daemon starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kioskd.commands.site import check
from kioskd.config import TicketConfig
from kioskd.errors import ConfigError
from kioskd.station.templates import STANDARD, load_form, parse_template

EXAMPLE = Path(__file__).parents[2] / "systemd" / "ticket.example.toml"
NUMBER = '[[ticket]]\ntext = "{number}"\n'


def test_the_example_is_the_template_that_the_daemon_has_in_itself() -> None:
    assert parse_template(EXAMPLE.read_text("utf-8"), EXAMPLE.name, ("de", "en")) == STANDARD.template


def test_a_template_of_one_kind_of_ticket_leaves_the_other_as_it_is() -> None:
    made = parse_template(NUMBER, "ticket.toml", ("de",))
    assert len(made.ticket) == 1
    assert made.help_ticket == STANDARD.template.help_ticket


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ticket = 1\n[", "t.toml: is not TOML"),
        ("[[tickets]]\n", "t.toml:1: tickets: unknown key; known: ticket, help_ticket"),
        (NUMBER + "\n[[ticket]]\ntxt = 'x'\n", "t.toml:5: ticket.1.txt: unknown key; did you mean 'text'?"),
        (NUMBER + "\n[[ticket]]\nlogo = true\nsize = 9\n", "t.toml:6: ticket.1.size: input should be less than"),
        (NUMBER + "\n[[ticket]]\nbold = true\n", "t.toml:4: ticket.1: expected one of text, logo = true and gap_mm"),
        (NUMBER + "\n[[ticket]]\ntext = 'x'\ngap_mm = 3\n", "t.toml:4: ticket.1: expected one of text"),
        (
            NUMBER + "\n[[ticket]]\ntext = 'Hi {name}'\n",
            "t.toml:5: ticket.1.text: expected values out of {area}, {date}",
        ),
        (NUMBER + "\n[[ticket]]\ntext = 'Hi {area'\n", "t.toml:5: ticket.1.text: expected every brace to be closed"),
        (
            NUMBER + "\n[[ticket]]\ntext = '{area!r}'\n",
            "t.toml:5: ticket.1.text: expected nothing but a name in braces",
        ),
        (NUMBER + "\n[[ticket]]\ntext = '{area.x}'\n", "t.toml:5: ticket.1.text: expected values out of"),
        (
            NUMBER + "\n[[ticket]]\ntext = 'a\\u001db'\n".replace("'", '"'),
            "t.toml:5: ticket.1.text: expected no character",
        ),
        (NUMBER + "\n[[ticket]]\ntext = { en = 'x' }\n", "t.toml:5: ticket.1.text: expected a text for de too"),
        (NUMBER + "\n[[ticket]]\ntext = ''\n", "t.toml:5: ticket.1.text: expected 1 to 300 characters"),
        (
            NUMBER + "\n[[ticket]]\ntext = 'With {practitioner}'\n",
            "t.toml:5: ticket.1.text: expected shows_practitioner = true",
        ),
        ("[[ticket]]\ntext = 'x'\n", 't.toml:1: ticket: expected one line with text = "{number}", not 0'),
        (NUMBER + NUMBER, 't.toml:1: ticket: expected one line with text = "{number}", not 2'),
        (
            "[[help_ticket]]\ntext = '{number}'\n\n[[help_ticket]]\ntext = '{area}'\n",
            "t.toml:5: help_ticket.1.text: expected no {area}",
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_said_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_template(text, "t.toml", ("de", "en"))
    assert str(refused.value).startswith(problem)


def test_every_problem_of_a_template_is_said_at_once() -> None:
    text = "[[ticket]]\ntext = { en = 'x' }\n\n[[ticket]]\ntext = '{practitioner}'\n"
    with pytest.raises(ConfigError) as refused:
        parse_template(text, "t.toml", ("de",))
    assert [line.split(": ")[0] for line in str(refused.value).splitlines()] == ["t.toml:2", "t.toml:5", "t.toml:1"]


@given(st.text(max_size=80))
def test_a_file_of_any_text_is_a_template_or_says_what_is_wrong(text: str) -> None:
    for whole in (text, f"[[ticket]]\ntext = '{text}'\n"):
        try:
            parse_template(whole, "t.toml", ("de",))
        except ConfigError as error:
            assert str(error).startswith("t.toml")  # noqa: PT017 - either outcome is right


# --- what the site file names --------------------------------------------------------------------------------------


def test_a_site_that_says_nothing_has_the_standard_form() -> None:
    assert load_form(TicketConfig(), ("de", "en")) == STANDARD


def test_the_files_of_a_site_are_read(tmp_path: Path) -> None:
    template, logo = tmp_path / "ticket.toml", tmp_path / "logo.png"
    template.write_text(NUMBER)
    Image.new("1", (40, 20)).save(logo)
    form = load_form(TicketConfig(template_file=template, logo_file=logo, long_wait_minutes=0), ("de",))
    assert (len(form.template.ticket), form.logo, form.long_wait_minutes) == (1, logo.read_bytes(), 0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "can't be read for ticket.logo_file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "expected a PNG picture; save an SVG drawing as PNG"),
        (b"\x89PNG\r\n\x1a\n", "expected a PNG picture"),
        (bytes(513 * 1024), "expected at most 512 kB"),
    ],
)
def test_a_logo_that_can_not_be_drawn_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    logo = tmp_path / "logo.png"
    if content is not None:
        logo.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as refused:
        load_form(TicketConfig(logo_file=logo), ("de",))
    assert str(refused.value).startswith(str(logo))


def test_checking_a_site_file_checks_its_template(tmp_path: Path) -> None:
    (tmp_path / "ticket.toml").write_text('[[ticket]]\ntext = "{numbr}"\n')
    example = (EXAMPLE.parent / "site.example.toml").read_text("utf-8")
    (tmp_path / "site.toml").write_text(
        re.sub("^# template_file = .*$", f'template_file = "{tmp_path}/ticket.toml"', example, flags=re.M)
    )
    with pytest.raises(ConfigError, match=r"ticket\.toml:2: ticket\.0\.text: expected values out of"):
        check(tmp_path / "site.toml")


def test_a_template_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't be read for ticket\.template_file"):
        load_form(TicketConfig(template_file=tmp_path / "none.toml"), ("de",))
    (tmp_path / "latin.toml").write_bytes(b"[[ticket]]\ntext = 'Gr\xfc\xdfe'\n")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_form(TicketConfig(template_file=tmp_path / "latin.toml"), ("de",))

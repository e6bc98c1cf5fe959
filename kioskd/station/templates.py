"""How a site's tickets look: a template of lines for the ticket and one for the help ticket, each in a plain TOML file.

A template is a list of ``[[ticket]]`` and ``[[help_ticket]]`` blocks, one for each line from top to bottom. A line has
``text``, ``logo = true`` or ``gap_mm``. A text is one string, translated where the daemon knows it, or a table with one
for each language; a value stands in braces, and a line whose value is empty on this ticket is left out. The line
``text = "{number}"`` is the number, and a copy is marked above it whatever the template says.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from kioskd.config import Block, TicketConfig, explain, line_of
from kioskd.errors import ConfigError

__all__ = ["STANDARD", "Template", "TemplateLine", "TicketForm", "load_form", "parse_template"]

FIELDS = {
    "ticket": frozenset({"site", "number", "date", "time", "area", "minutes", "practitioner"}),
    "help_ticket": frozenset({"site", "number", "date", "time", "minutes"}),
}
NUMBER = "{number}"
ANY_LANGUAGE = ""
_SET_WITH = "\u00a0\u200c\u200d\u2060"
"""No-break space, joiners: they can't be seen, and belong to some spellings."""
_LONGEST_TEXT = 300
_LARGEST_LOGO_BYTES = 512 * 1024
_LARGEST_LOGO_PX = 4000


def _by_language(value: object) -> object:
    return {ANY_LANGUAGE: value} if isinstance(value, str) else value


def _only_known_fields(texts: dict[str, str]) -> dict[str, str]:
    for text in texts.values():
        if not text.strip() or len(text) > _LONGEST_TEXT:
            raise ValueError(f"expected 1 to {_LONGEST_TEXT} characters")
        if any(not character.isprintable() and character not in _SET_WITH for character in text):
            raise ValueError("expected no character that can't be seen; an end of line is a line of its own")
        unknown = _fields(text) - FIELDS["ticket"]
        if unknown:
            raise ValueError(
                f"expected values out of {{{'}, {'.join(sorted(FIELDS['ticket']))}}}, not {{{min(unknown)}}}"
            )
    return texts


def _fields(text: str) -> set[str]:
    """The names in braces. Raises ValueError for a brace that is not closed, or one with more than a name in it."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise ValueError("expected every brace to be closed; a brace of the text itself is doubled: {{ }}") from None
    if any(form or conversion for _, name, form, conversion in parts if name is not None):
        raise ValueError("expected nothing but a name in braces")
    return {name for _, name, _, _ in parts if name is not None}


class TemplateLine(Block):
    """One line of a template. ``text`` by language; under ``""`` the one for every language."""

    text: Annotated[dict[str, str], BeforeValidator(_by_language), AfterValidator(_only_known_fields)] = Field({})
    logo: bool = False
    gap_mm: int = Field(0, ge=0, le=30)
    size: int = Field(1, ge=1, le=4)
    bold: bool = False
    align: Literal["start", "center", "end"] = "center"
    when: Literal["always", "not-in-order"] = "always"

    @model_validator(mode="after")
    def _is_one_thing(self) -> TemplateLine:
        if bool(self.text) + self.logo + bool(self.gap_mm) != 1:
            raise ValueError("expected one of text, logo = true and gap_mm")
        return self

    def text_in(self, language: str, translate: Callable[[str, str], str]) -> str:
        """Its text in a language; in one that the site does not have, the first that there is."""
        if language in self.text:
            return self.text[language]
        everywhere = self.text.get(ANY_LANGUAGE)
        return next(iter(self.text.values())) if everywhere is None else translate(language, everywhere)

    @property
    def is_number(self) -> bool:
        """Whether this is the line that is the ticket's number."""
        return self.text == {ANY_LANGUAGE: NUMBER}

    @property
    def fields(self) -> set[str]:
        """The values that it needs."""
        return {name for text in self.text.values() for name in _fields(text)}


class Template(Block):
    """The lines of both kinds of tickets."""

    ticket: tuple[TemplateLine, ...]
    help_ticket: tuple[TemplateLine, ...]


def _(text: str) -> str:
    """Marks a text that the catalogues hold in other languages."""
    return text


def _line(text: str, **style: Any) -> TemplateLine:
    return TemplateLine(text=text, **style)


_TOP = (TemplateLine(logo=True), TemplateLine(gap_mm=2), _line("{site}", bold=True), TemplateLine(gap_mm=4))

_STANDARD_TEMPLATE = Template(
    ticket=(
        *_TOP,
        _line(_("Your number")),
        _line(NUMBER),
        _line(_("Please wait here:")),
        _line("{area}", size=2, bold=True),
        TemplateLine(gap_mm=4),
        _line(_("You came at {time} on {date}.")),
        TemplateLine(gap_mm=2),
        _line(_("Your number is shown on the screen when it is your turn.")),
        _line(_("Numbers are not called in order."), when="not-in-order"),
        TemplateLine(gap_mm=2),
        _line(_("Waiting longer than {minutes} minutes? Please tell the desk.")),
    ),
    help_ticket=(
        *_TOP,
        _line(_("Help ticket")),
        _line(NUMBER),
        _line(_("You are not checked in yet. Please go to the desk."), bold=True),
        TemplateLine(gap_mm=4),
        _line(_("We noted that you came at {time} on {date}.")),
        TemplateLine(gap_mm=2),
        _line(_("The desk calls this number. You keep your place.")),
    ),
)


@dataclass(frozen=True, slots=True)
class TicketForm:
    """What decides how the tickets of a site look."""

    template: Template = _STANDARD_TEMPLATE
    logo: bytes = b""
    """A PNG file, or nothing."""
    long_wait_minutes: int = 30
    """0: the line that needs it is left out."""
    is_called_in_order: bool = True
    shows_practitioner: bool = False


STANDARD = TicketForm()
"""The form of a site that says nothing about tickets."""


def load_form(config: TicketConfig, languages: tuple[str, ...]) -> TicketForm:
    """Read and check what the site file names. Raises ConfigError with file and line."""
    template = _STANDARD_TEMPLATE
    if config.template_file is not None:
        try:
            text = _read(config.template_file, "ticket.template_file").decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{config.template_file}: is not UTF-8 text at byte {error.start}") from None
        template = parse_template(text, str(config.template_file), languages, config.shows_practitioner)
    return TicketForm(
        template,
        b"" if config.logo_file is None else _logo(config.logo_file),
        config.long_wait_minutes,
        config.is_called_in_order,
        config.shows_practitioner,
    )


def parse_template(text: str, name: str, languages: tuple[str, ...], shows_practitioner: bool = False) -> Template:
    """Check the text of a template; ``name`` is for messages. Raises ConfigError, a line for each problem."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not TOML: {error}") from error
    for block in data:
        if block not in FIELDS:
            at = line_of(text, (block,))
            raise ConfigError(f"{name}:{at}: {block}: unknown key; known: {', '.join(FIELDS)}")
    standard = {kind: getattr(_STANDARD_TEMPLATE, kind) for kind in FIELDS}
    try:
        template = Template.model_validate(standard | data)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, text, name, (), tuple(TemplateLine.model_fields)))) from None
    problems = [
        problem
        for kind in data
        for problem in _problems(kind, getattr(template, kind), text, name, languages, shows_practitioner)
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    return template


def _problems(
    kind: str, lines: tuple[TemplateLine, ...], text: str, name: str, languages: tuple[str, ...], practitioner: bool
) -> list[str]:
    """What is wrong with the lines of one kind of ticket at this site."""

    def at(index: int, what: str) -> str:
        return f"{name}:{line_of(text, (kind, index, 'text'))}: {kind}.{index}.text: {what}"

    found = []
    for index, line in enumerate(lines):
        lacking = [] if ANY_LANGUAGE in line.text else [code for code in languages if code not in line.text]
        if line.text and lacking:
            found.append(at(index, f"expected a text for {', '.join(lacking)} too, a language of the site"))
        if foreign := line.fields - FIELDS[kind]:
            found.append(at(index, f"expected no {{{min(foreign)}}} on a {kind.replace('_', ' ')}"))
        if "practitioner" in line.fields and not practitioner:
            found.append(at(index, "expected shows_practitioner = true in [ticket] of the site file, to name anybody"))
    numbers = sum(line.is_number for line in lines)
    if numbers != 1:
        where = line_of(text, (kind,))
        found.append(f'{name}:{where}: {kind}: expected one line with text = "{NUMBER}", not {numbers}')
    return found


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read for {key}: {error.strerror}") from error


def _logo(path: Path) -> bytes:
    """A PNG file that can be drawn. Raises ConfigError."""
    from PIL import Image  # here: only a site that has a logo needs it

    data = _read(path, "ticket.logo_file")
    if len(data) > _LARGEST_LOGO_BYTES:
        raise ConfigError(f"{path}: ticket.logo_file: expected at most {_LARGEST_LOGO_BYTES // 1024} kB")
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as picture:
            if max(picture.size) > _LARGEST_LOGO_PX:
                raise ConfigError(f"{path}: ticket.logo_file: expected at most {_LARGEST_LOGO_PX} dots a side")
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ConfigError(f"{path}: ticket.logo_file: expected a PNG picture; save an SVG drawing as PNG") from None
    return data

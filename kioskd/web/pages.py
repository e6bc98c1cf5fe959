"""Templates, translations, dates, icons and static files: what every audience's pages are made with.

Source texts are English; ``ui/locale/<language>.po`` (and ``<language>.<audience>.po`` beside it) hold the others and
are read when the daemon starts, so a translation is changed with an editor and nothing is compiled.
"""

from __future__ import annotations

import gettext
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import ui

SOURCE_LANGUAGE = "en"
_REGIONS = {"en": "en_GB"}
"""The region whose dates and times a bare language gets, where Babel's own choice does not fit."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the pages: ``code`` and ``dir`` go to the HTML, ``name`` is the language's own word for itself."""

    code: str
    locale: Locale
    texts: gettext.NullTranslations

    @property
    def dir(self) -> str:
        return str(self.locale.text_direction)

    @property
    def name(self) -> str:
        own = self.locale.languages.get(self.locale.language, self.code)
        return str(own[:1].upper() + own[1:])


class Pages:
    """Renders the templates of ``folder`` in any of ``languages``, with local times in ``zone``.

    In every template: ``_()`` and ``ngettext()``, ``lang``, ``dir``, ``asset(path)``, ``icon(name)``,
    ``language_name(code)``, and the filters ``as_time``, ``as_date``, ``as_day`` and ``as_moment``.
    """

    def __init__(self, zone: ZoneInfo, folder: Path = ui.FOLDER) -> None:
        self._zone = zone
        self._assets = Assets(folder / "static")
        self._languages = read_languages(folder / "locale")
        loader = FileSystemLoader(folder)
        self._environments = {code: self._environment(lang, loader) for code, lang in self._languages.items()}

    @property
    def languages(self) -> tuple[str, ...]:
        """Every language there is a translation for, English first."""
        return tuple(self._languages)

    def language(self, code: str) -> Language:
        """The language ``code``, else English: a page is shown in any case."""
        return self._languages.get(code, self._languages[SOURCE_LANGUAGE])

    def render(self, template: str, language: str, **context: Any) -> str:
        """A template as text. An unknown name in it is an error (jinja2.UndefinedError), never an empty place."""
        return self._environments[self.language(language).code].get_template(template).render(**context)

    def response(self, template: str, language: str, status: int = 200, **context: Any) -> HTMLResponse:
        """A template as an answer."""
        return HTMLResponse(
            self.render(template, language, **context),
            status,
            {"content-language": self.language(language).code},
        )

    def static(self) -> Mount:
        """The route of the static files; every audience's app has it."""
        return Mount("/static", self._assets.app, name="static")

    def _environment(self, language: Language, loader: FileSystemLoader) -> Environment:
        environment = Environment(
            loader=loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_translations(language.texts, newstyle=True)  # type: ignore[attr-defined]
        environment.globals.update(
            lang=language.code,
            dir=language.dir,
            asset=self._assets.url,
            icon=self._assets.icon,
            build=self._assets.build,
            language_name=lambda code: self.language(code).name,
        )
        environment.filters.update(_date_filters(language.locale, self._zone))
        return environment


def _date_filters(locale: Locale, zone: ZoneInfo) -> dict[str, Callable[..., str]]:
    """How a page says a moment: aware datetimes are shown in the site's zone."""

    def local(moment: datetime) -> datetime:
        return moment.astimezone(zone)

    def as_day(moment: date) -> str:
        day = local(moment).date() if isinstance(moment, datetime) else moment
        return format_date(day, "EEEE d MMMM" if locale.language == "en" else "EEEE, d. MMMM", locale=locale)

    return {
        "as_time": lambda moment: format_time(
            local(moment).time() if isinstance(moment, datetime) else moment, "short", locale=locale
        ),
        "as_date": lambda day: format_date(day, "long", locale=locale),
        "as_day": as_day,
        "as_moment": lambda moment: format_datetime(local(moment), "short", locale=locale),
    }


class Assets:
    """The static files, with an address that changes when the file does, so that they may be kept for ever."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digest = cache(self._digest_of)
        self.app = _StaticFiles(folder, self._digest)

    @property
    def build(self) -> str:
        """A short name of all styles and scripts together: a page that was made by another build loads itself again."""
        files = sorted(p for p in self._folder.rglob("*") if p.suffix in {".css", ".js", ".svg"})
        return _short(b"".join(p.read_bytes() for p in files))

    def url(self, path: str) -> str:
        """The address of ``path`` below ``ui/static``. Raises FileNotFoundError."""
        return f"/static/{path}?v={self._digest(path)}"

    def icon(self, name: str) -> Markup:
        """An icon of the sprite; it has no name for screen readers, since it never stands without a word."""
        use = Markup('<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>')
        return use.format(self.url("icons.svg"), name)

    def _digest_of(self, path: str) -> str:
        return _short((self._folder / path).read_bytes())


class _StaticFiles(StaticFiles):
    """Static files: kept for ever under the address that ``Assets.url`` gives, asked for again under any other."""

    def __init__(self, folder: Path, digest: Callable[[str], str]) -> None:
        super().__init__(directory=folder)
        self._digest_by_path = digest

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code in {200, 304}:
            asked_for = scope.get("query_string", b"").decode("ascii", "replace")
            is_current = asked_for == f"v={self._digest_by_path(path)}"
            response.headers["cache-control"] = "public, max-age=31536000, immutable" if is_current else "no-cache"
        return response


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def read_languages(folder: Path) -> dict[str, Language]:
    """English and every language that ``folder`` has ``.po`` files for, by code."""
    found = {SOURCE_LANGUAGE: _language(SOURCE_LANGUAGE, [])}
    for code in sorted({p.name.partition(".")[0] for p in folder.glob("*.po")}):
        found[code] = _language(code, sorted(folder.glob(f"{code}.*po")))
    return found


def _language(code: str, files: list[Path]) -> Language:
    locale = Locale.parse(_REGIONS.get(code, code))
    texts: gettext.NullTranslations = gettext.NullTranslations()
    for path in files:
        compiled = BytesIO()
        write_mo(compiled, read_catalog(path))
        compiled.seek(0)
        more = gettext.GNUTranslations(compiled)
        more.add_fallback(texts)
        texts = more
    return Language(code, locale, texts)


def read_catalog(path: Path) -> Catalog:
    """A ``.po`` file. Raises babel.messages.pofile.PoFileError with the line when it can't be read."""
    with path.open("rb") as file:
        return read_po(file, locale=path.name.partition(".")[0], abort_invalid=True)

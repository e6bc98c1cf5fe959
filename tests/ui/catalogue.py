"""Every text of pages and Python that is to be translated, and what a language still lacks.

``python -m tests.ui.catalogue de`` prints the missing entries, ready to be put into ``ui/locale/de.po``.
"""

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import write_po

from kioskd import station, web
from kioskd.web.pages import read_catalog
from ui import FOLDER

_JINJA = {"trimmed": "true", "silent": "false", "trim_blocks": "true", "lstrip_blocks": "true"}


def extracted() -> Catalog:
    """The texts as they stand in templates, in ``kioskd/web`` and, of the printed sheets, in ``kioskd/station``."""
    found = Catalog()
    templates = extract_from_dir(FOLDER, [("**.html", "jinja2")], {"**.html": _JINJA}, DEFAULT_KEYWORDS)
    pages = extract_from_dir(Path(web.__file__).parent, [("**.py", "python")], {}, DEFAULT_KEYWORDS)
    sheets = extract_from_dir(Path(station.__file__).parent, [("**.py", "python")], {}, DEFAULT_KEYWORDS)
    for base, messages in (("ui", templates), ("kioskd/web", pages), ("kioskd/station", sheets)):
        for path, line, text, _, context in messages:
            found.add(text, locations=[(f"{base}/{path}", line)], context=context)
    return found


def translated(language: str) -> list[tuple[Path, Catalog]]:
    """The language's files and what is in each."""
    return [(path, read_catalog(path)) for path in sorted((FOLDER / "locale").glob(f"{language}.*po"))]


def missing(language: str) -> Catalog:
    """What has no translation, or a fuzzy or incomplete one."""
    lacking = Catalog(locale=language)
    files = translated(language)
    for message in extracted():
        if message.id and not any(_is_complete(catalog, message.id) for _, catalog in files):
            lacking.add(message.id, locations=message.locations)
    return lacking


def obsolete(language: str) -> list[str]:
    """What is translated and used nowhere, or is translated in two files."""
    used = extracted()
    ids = [m.id for _, catalog in translated(language) for m in catalog if m.id]
    unused = {str(i) for i in ids if used.get(i if isinstance(i, str) else i[0]) is None}
    left_over = {str(i) for _, catalog in translated(language) for i in catalog.obsolete}
    return sorted(unused | left_over | {str(i) for i in ids if ids.count(i) > 1})


def _is_complete(catalog: Catalog, text: str | tuple[str, ...]) -> bool:
    message = catalog.get(text if isinstance(text, str) else text[0])
    if message is None or message.fuzzy:
        return False
    forms = [message.string] if isinstance(message.string, str) else message.string
    return all(forms) and isinstance(message.id, str) == isinstance(text, str)


if __name__ == "__main__":
    write_po(sys.stdout.buffer, missing(sys.argv[1]), omit_header=True, width=100)

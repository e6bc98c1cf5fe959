"""The canary's words in every form in which they could lie about, and the search for them.

A word is looked for as it is and in its longest runs of plain letters and digits, which are the same bytes in every
encoding that contains ASCII, so a half of a name or a mangled umlaut is found too. Everything is compared in lower
case. Not found: what is compressed or encrypted.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import subprocess
import unicodedata
import urllib.parse
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from babel.dates import format_date

from drivers.cards.synthetic import SamplePerson

_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "latin-1", "cp858", "cp1252")
_SHORTEST_RUN = 6
_SHORTEST_CODED = 8
"""Characters of base64 or hex below which chance could make the same."""


def words(person: SamplePerson, record_number: str = "") -> set[str]:
    """Everything that says who somebody is, each field by itself."""
    fields = (person.family, person.given, person.kvnr, person.insurer_name, person.insurer_id, person.iccsn)
    names = {part for field in (person.family, person.given) for part in re.split(r"[ -]", field)}
    return {*fields, *names, *birth_dates(person.birth_date), *([record_number] if record_number else [])}


def birth_dates(born: date) -> set[str]:
    """A birth date as cards, records, printers, pages and people write it."""
    spelt = {format_date(born, how, locale) for how in ("medium", "long") for locale in ("de", "en", "en_GB")}
    digits = ("%Y-%m-%d", "%Y%m%d", "%d%m%Y", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d")
    return spelt | {born.strftime(how) for how in digits}


def forms(word: str) -> set[bytes]:
    """A word's bytes in every form, in lower case."""
    runs = [run for run in re.findall(r"[A-Za-z0-9]+", word) if len(run) >= _SHORTEST_RUN and run.lower() not in _PLAIN]
    found: set[bytes] = set()
    for text in (word, *runs):
        for encoded in _encoded(text):
            found |= {encoded, encoded.hex().encode(), *_base64(encoded)}
    for text in (word, word.upper(), word.lower(), unicodedata.normalize("NFD", word)):
        found |= {*_encoded(text), *_spelt(text)}
    return {form.lower() for form in found}


_PLAIN = {"september", "oktober", "october"}
"""Parts of a spelt date that anybody's date has."""


def _encoded(text: str) -> Iterator[bytes]:
    for encoding in _ENCODINGS:
        try:
            yield text.encode(encoding)
        except UnicodeEncodeError:
            continue


def _spelt(text: str) -> Iterator[bytes]:
    """As JSON, URLs, forms and HTML write what is not ASCII."""
    yield json.dumps(text)[1:-1].encode()
    yield html.escape(text).encode("ascii", "xmlcharrefreplace")
    for encoded in _encoded(text):
        yield urllib.parse.quote(encoded, safe="").encode()
        yield urllib.parse.quote_plus(encoded).encode()


def _base64(data: bytes) -> Iterator[bytes]:
    """The part of the base64 text that does not depend on what stands around ``data``, for each place it can begin."""
    for before in range(3):
        begin, end = (before * 8 + 5) // 6, (before + len(data)) * 8 // 6
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            if end - begin >= _SHORTEST_CODED:
                yield encode(bytes(before) + data)[begin:end]


class Search:
    """Looks for some people's words."""

    def __init__(self, wanted: Iterable[str]) -> None:
        every = {form: word for word in sorted(wanted) for form in forms(word)}
        # A form with a shorter one inside says nothing that the shorter one does not.
        short_first = sorted(every, key=len)
        kept = [f for i, f in enumerate(short_first) if not any(other in f for other in short_first[:i])]
        self._forms = {form: every[form] for form in kept if not (form.isdigit() and len(form) <= 8)}
        # So few digits occur by chance inside longer numbers.
        self._digits = {f: re.compile(rb"(?<!\d)" + f + rb"(?!\d)") for f in kept if f not in self._forms}
        self._words = every

    def in_bytes(self, data: bytes) -> set[str]:
        """The words that are in ``data``, in whatever form."""
        folded = data.lower()
        found = {word for form, word in self._forms.items() if form in folded}
        return found | {self._words[form] for form, number in self._digits.items() if number.search(folded)}

    def in_text(self, text: str) -> set[str]:
        return self.in_bytes(text.encode("utf-8", "surrogatepass"))

    def in_file(self, path: Path) -> set[str]:
        """The words in a file, and in its name; none when it is gone meanwhile."""
        try:
            return self.in_bytes(path.read_bytes()) | self.in_text(path.name)
        except OSError:
            return self.in_text(path.name)

    def in_folders(self, *folders: Path) -> dict[Path, set[str]]:
        """Every regular file below ``folders`` that holds a word, or is called by one."""
        entries = [
            Path(at, name) for folder in folders for at, inner, files in os.walk(folder) for name in inner + files
        ]
        named = [path for path in entries if self.in_text(path.name)]
        # grep reads a hundred megabytes while Python would look through five.
        command = [
            "grep",
            "--recursive",
            "--text",
            "--ignore-case",
            "--fixed-strings",
            "--devices=skip",
            "--no-messages",
        ]
        command += ["--files-with-matches", "--null", "--file=-", *map(str, folders)]
        every = b"\n".join([*self._forms, *self._digits]) + b"\n"
        done = subprocess.run(
            command, input=every, capture_output=True, timeout=120, check=False, env={**os.environ, "LC_ALL": "C"}
        )
        held = [Path(os.fsdecode(name)) for name in done.stdout.split(b"\0") if name]
        return {path: found for path in sorted({*named, *held}) if (found := self.in_file(path))}

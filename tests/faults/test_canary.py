"""Nothing of a patient is left anywhere; and the search that says so finds what is."""

from __future__ import annotations

import base64
import json
import sqlite3
import tempfile
import unicodedata
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.cards.synthetic import SAMPLE_PEOPLE
from tests.faults.canary import RECORD_NUMBER, canary, everything_secret
from tests.faults.canary_desk import KNOWN
from tests.faults.canary_words import Search, words
from tests.web.browser import CHROMIUM


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "is_split", [pytest.param(False, marks=pytest.mark.long, id="one"), pytest.param(True, id="split")]
)
async def test_nothing_of_a_patient_is_left_anywhere(is_split: bool) -> None:
    # Not tmp_path, which is too long for the sockets of a browser.
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        outcome = await canary(Path(folder), is_split)
    assert outcome.is_clean, "\n".join(outcome.problems)


@pytest.fixture(scope="module")
def search() -> Search:
    return Search(everything_secret())


WAYS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": lambda word: word.encode(),
    "UTF-16 little endian": lambda word: word.encode("utf-16-le"),
    "UTF-16 big endian": lambda word: word.encode("utf-16-be"),
    "Latin-1": lambda word: word.encode("latin-1"),
    "a receipt printer's page": lambda word: word.encode("cp858"),
    "upper case": lambda word: word.upper().encode(),
    "lower case": lambda word: word.lower().encode(),
    "letters and accents apart": lambda word: unicodedata.normalize("NFD", word).encode(),
    "JSON": lambda word: json.dumps({"name": word}).encode(),
    "an address": lambda word: urllib.parse.urlencode({"words": word}).encode(),
    "an address of Latin-1": lambda word: urllib.parse.quote(word, encoding="latin-1").encode(),
    "HTML": lambda word: word.encode("ascii", "xmlcharrefreplace"),
    "hex": lambda word: word.encode().hex().encode(),
    "upper case hex": lambda word: word.encode().hex().upper().encode(),
    "base64": lambda word: base64.b64encode(word.encode()),
    "base64 inside": lambda word: base64.b64encode(b"to: " + word.encode() + b"."),
    "base64 further inside": lambda word: base64.urlsafe_b64encode(b"from " + word.encode() + b"!?"),
    "base64 of UTF-16": lambda word: base64.b64encode(word.encode("utf-16-le")),
    "a Python text": lambda word: ascii(ValueError(word)).encode(),
    "half of it": lambda word: word.encode()[: len(word) // 2 + 3],
}
"""How a word could lie about."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "word", [KNOWN.family, KNOWN.given, KNOWN.kvnr, RECORD_NUMBER, KNOWN.insurer_name, KNOWN.iccsn]
)
def test_a_word_is_found_however_it_is_written(search: Search, word: str, way: str) -> None:
    if way == "half of it" and not word.isalpha():
        pytest.skip("half a number says nothing")
    assert search.in_bytes(b"\x00\xffbefore " + WAYS[way](word) + b" after\xfe\x00")


@pytest.mark.parametrize(
    "born", ["1907-09-23", "19070923", "23.09.1907", "23/09/1907", "23. September 1907", "Sep 23, 1907"]
)
def test_a_birth_date_is_found_in_its_spellings(search: Search, born: str) -> None:
    assert search.in_text(f'"born": "{born}"')


@pytest.mark.parametrize("text", ["1190709231", "09/23/2007", "September 2026", "Kasse", "", "\u0000\u00ff"])
def test_what_only_looks_like_it_is_not_found(search: Search, text: str) -> None:
    assert search.in_text(text) == set()


def test_other_patients_are_not_the_canary(search: Search) -> None:
    for person in SAMPLE_PEOPLE:
        assert not search.in_text(" ".join(words(person)))


PLACES: dict[str, Callable[[Path], object]] = {
    "a log": lambda at: at.joinpath("all.log").write_text(f'{{"message": "checked in {KNOWN.family}"}}\n'),
    "a name of a file": lambda at: at.joinpath(f"{KNOWN.kvnr}.tmp").touch(),
    "a core": lambda at: at.joinpath("core").write_bytes(bytes(3_000_000) + KNOWN.given.encode("utf-16-le")),
    "a hidden folder": lambda at: hidden(at / ".cache", KNOWN.iccsn),
    "a plain database": lambda at: plain_database(at / "hub.db"),
    "its journal": lambda at: plain_database(at / "hub.db", keeps_journal=True),
    "a print of a band": lambda at: at.joinpath("lp0").write_bytes(KNOWN.family.encode("cp858")),
}
"""Where it could lie."""


def hidden(folder: Path, text: str) -> None:
    folder.mkdir()
    folder.joinpath("x").write_text(text)


def plain_database(path: Path, keeps_journal: bool = False) -> None:
    """A database that somebody forgot to encrypt; with ``keeps_journal`` the row is in the -wal file only."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE patient (name TEXT)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("INSERT INTO patient VALUES (?)", (KNOWN.family,))
    if keeps_journal:
        journal = path.with_name(path.name + "-wal").read_bytes()
        connection.close()
        path.unlink()
        path.with_name(path.name + "-wal").write_bytes(journal)
    else:
        connection.close()


@pytest.mark.parametrize("place", PLACES)
def test_a_word_is_found_wherever_it_lies(search: Search, tmp_path: Path, place: str) -> None:
    (tmp_path / "innocent").write_text("nothing of anybody")
    PLACES[place](tmp_path)
    found = search.in_folders(tmp_path)
    assert len(found) == 1, found
    assert tmp_path / "innocent" not in found

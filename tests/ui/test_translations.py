"""Every text is translated into every language, and nothing more."""

import re

import pytest

from tests.ui.catalogue import extracted, missing, obsolete, translated
from ui import FOLDER

LANGUAGES = sorted({p.name.partition(".")[0] for p in (FOLDER / "locale").glob("*.po")})
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")


def test_texts_are_found_at_all():
    assert "Is this you?" in {m.id for m in extracted()}
    assert "de" in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_lacks_a_translation(language: str):
    lacking = [f"{m.id!r} at {m.locations[0][0]}:{m.locations[0][1]}" for m in missing(language) if m.id]
    assert not lacking, f"`python -m tests.ui.catalogue {language}` prints what ui/locale lacks"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_translated_that_no_page_says(language: str):
    assert obsolete(language) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_places_for_values(language: str):
    for path, catalogue in translated(language):
        for message in catalogue:
            if not message.id:
                continue
            source = message.id if isinstance(message.id, str) else message.id[-1]
            forms = [message.string] if isinstance(message.string, str) else message.string
            for form in forms:
                places, given = (set(_PLACEHOLDER.findall(str(text))) for text in (form, source))
                # "one ticket" may do without its number, nothing else without its values.
                assert places == given or (len(forms) > 1 and places < given), f"{path.name}: {source}"

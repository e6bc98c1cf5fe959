"""The code of an appointment letter: small, sealed, and nothing to read in it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.core import letter
from kioskd.core.letter import Letter, NotOurLetter

KEY = bytes(range(32))
REFERENCE = bytes(range(16))
WHEN = datetime(2026, 11, 23, 8, 12, tzinfo=UTC)

keys = st.binary(min_size=32, max_size=32)
references = st.binary(min_size=16, max_size=16)
times = st.datetimes(datetime(1970, 1, 1), datetime(3800, 1, 1), timezones=st.just(UTC))


def test_the_code_on_paper_is_what_it_was():
    text = letter.write(REFERENCE, WHEN, KEY)
    assert text == "KL1:AAAQEAYEAUDAOCAJBIFQYDIOB4DZYKKZ6LC7NW2MSTP62FFC46KZ6AK3"
    assert letter.read(text, KEY) == Letter(REFERENCE, datetime(2026, 11, 23, 9, tzinfo=UTC))


@given(references, times, keys)
def test_what_was_written_is_read_and_expires_on_the_whole_hour(reference: bytes, at: datetime, key: bytes):
    text = letter.write(reference, at, key)
    read = letter.read(text, key)
    assert letter.is_letter(text)
    assert len(text) == 60
    assert read.reference == reference
    assert timedelta(0) <= read.expires_at - at < timedelta(hours=1)


@given(references, times, keys, keys, st.integers(0, 55), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_changed_letter_and_one_of_another_clinic_are_not_ours(
    reference: bytes, at: datetime, key: bytes, other: bytes, place: int, character: str
):
    text = letter.write(reference, at, key)
    changed = text[: 4 + place] + character + text[5 + place :]
    if changed != text:
        with pytest.raises(NotOurLetter, match="not sealed"):
            letter.read(changed, key)
    if other != key:
        with pytest.raises(NotOurLetter, match="not sealed"):
            letter.read(text, other)


@given(st.text(max_size=80) | st.text("KL1:ABC234=", min_size=56, max_size=62))
def test_anything_else_is_no_letter(text: str):
    with pytest.raises(NotOurLetter) as refusal:
        letter.read(text, KEY)
    assert text == "" or text not in str(refusal.value) or len(text) < 4


@pytest.mark.parametrize("year", [1960, 3999])
def test_an_expiry_that_does_not_fit_is_refused(year: int):
    with pytest.raises(ValueError, match="early or late"):
        letter.write(REFERENCE, datetime(year, 1, 1, tzinfo=UTC), KEY)


def test_a_letter_tells_nothing_in_a_log():
    assert REFERENCE.hex() not in repr(letter.read(letter.write(REFERENCE, WHEN, KEY), KEY))
    assert "reference" not in repr(Letter(REFERENCE, WHEN))

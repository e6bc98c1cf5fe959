"""The pure reader of fields: recorded lines of drawn cards, single rules, and anything that a stranger prints."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.ocr import TextLine, read_fields
from drivers.ocr.formats import Form, is_ik, kvnr, read_date, value_of
from kioskd.core.printed_card import CONFIDENT, MOST_CHARACTERS, Design, FieldName, PrintedCard, ReadField, Side
from tests.drivers.ocr.recorded import recorded

CARDS = recorded()


def line(text: str, x: int, y: int, confidence: float = 0.99, second: str | None = None, height: int = 30) -> TextLine:
    """A line of print with letters 16 pixels wide, seen twice alike."""
    right, bottom = x + 16 * len(text), y + height
    box = ((x, y), (right, y), (right, bottom), (x, bottom))
    return TextLine(text, box, confidence, text if second is None else second, confidence)


def field(card: PrintedCard, name: FieldName) -> ReadField:
    (found,) = [one for one in card.fields if one.name is name]
    return found


@pytest.mark.parametrize("name", CARDS)
def test_every_field_of_a_recorded_card_is_read(name: str) -> None:
    front, back, truth = CARDS[name]
    card = read_fields(front, back)
    assert {one.name: one.value for one in card.fields if one.name in truth} == truth


@pytest.mark.parametrize("name", CARDS)
def test_what_a_recorded_card_does_not_say_is_not_made_up(name: str) -> None:
    front, back, truth = CARDS[name]
    assert {one.name for one in read_fields(front, back).fields} <= set(truth)


def test_recorded_cards_are_told_apart_by_design() -> None:
    designs = [read_fields(front, back).design for front, back, _ in CARDS.values()]
    assert designs == [Design.US_INSURANCE] * 3 + [Design.GERMAN_EGK] + [Design.EUROPEAN] * 2


# --- confidence ----------------------------------------------------------------------------------------------------


def test_two_looks_that_differ_are_no_confident_reading_whatever_their_scores() -> None:
    card = read_fields([line("Member ID: W123456789", 20, 20, 0.999, second="Member ID: W123456788")])
    assert field(card, FieldName.MEMBER_ID).confidence < 0.6


def test_a_right_check_digit_makes_a_reading_surer_and_a_wrong_one_doubtful() -> None:
    title = line("Gesundheitskarte", 400, 20)
    right = read_fields([title, line("A123456780", 20, 300, 0.93)])
    assert field(right, FieldName.MEMBER_ID).confidence > 0.93
    wrong = read_fields([title, line("A123456781", 20, 300, 0.93)])
    assert wrong.value(FieldName.MEMBER_ID) == ""


def test_a_letter_among_the_digits_of_a_kvnr_is_mended_and_stays_doubtful() -> None:
    assert kvnr("A12345678O") == ("A123456780", Form.DOUBTFUL)
    assert kvnr("A12345678I") == ("A12345678I", Form.ODD)


@pytest.mark.parametrize("text", ["Member ID: 76O411023", "Member ID: XQO12345678", "Member ID: W0123456789"])
def test_where_only_the_font_tells_o_from_zero_the_reading_is_not_confident(text: str) -> None:
    assert not field(read_fields([line(text, 20, 20)]), FieldName.MEMBER_ID).is_confident


def test_a_number_of_the_wrong_length_is_doubtful() -> None:
    card = read_fields([line("RxBIN: 00433", 20, 20)])
    assert field(card, FieldName.RX_BIN).confidence < CONFIDENT


def test_the_same_number_on_both_sides_is_surer_and_two_numbers_are_a_doubt() -> None:
    front = [line("Member ID: W223456789", 20, 20, 0.92)]
    once = field(read_fields(front), FieldName.MEMBER_ID).confidence
    twice = field(read_fields(front, [line("ID: W223456789", 20, 20, 0.92)]), FieldName.MEMBER_ID)
    assert twice.confidence > once
    other = field(read_fields(front, [line("ID: W223456780", 20, 20, 0.92)]), FieldName.MEMBER_ID)
    assert other.confidence <= 0.6


# --- US labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("Subscriber ID# W223456789", FieldName.MEMBER_ID, "W223456789"),
        ("Identification Number: 223 456 789", FieldName.MEMBER_ID, "223456789"),
        ("GRP: 76-4110", FieldName.GROUP, "76-4110"),
        ("Group No. 764110", FieldName.GROUP, "764110"),
        ("BIN 610014", FieldName.RX_BIN, "610014"),
        ("RxPCN ADV", FieldName.RX_PCN, "ADV"),
        ("RX GRP: RX4477", FieldName.RX_GROUP, "RX4477"),
        ("Date of Birth 02/03/1961", FieldName.BIRTH_DATE, "1961-02-03"),
        ("Effective: 1/15/2026", FieldName.VALID_FROM, "2026-01-15"),
        ("Payer ID 87726", FieldName.PAYER_ID, "87726"),
        ("Member Name: JANE Q SAMPLE", FieldName.NAME, "JANE Q SAMPLE"),
    ],
)
def test_a_value_behind_its_label_is_read(text: str, name: FieldName, value: str) -> None:
    assert read_fields([line(text, 20, 20)]).value(name) == value


def test_several_labels_on_one_line_share_it_even_without_a_space_between_them() -> None:
    card = read_fields([line("RxBIN:004336RxPCN:A4 RxGrp: RX7", 20, 20)])
    assert [card.value(n) for n in (FieldName.RX_BIN, FieldName.RX_PCN, FieldName.RX_GROUP)] == ["004336", "A4", "RX7"]


def test_a_value_under_its_label_is_read_though_another_label_stands_to_the_right() -> None:
    lines = [line("Member ID", 20, 20), line("Group", 500, 20), line("W223456789", 20, 60), line("764110", 500, 60)]
    card = read_fields(lines)
    assert (card.value(FieldName.MEMBER_ID), card.value(FieldName.GROUP)) == ("W223456789", "764110")


def test_words_of_a_sentence_are_no_labels() -> None:
    lines = [line("Member Services: 1-800-555-0117", 20, 300), line("Group health plans since 1961", 20, 350)]
    lines += [line("Name your doctor when you call", 20, 400)]
    card = read_fields(lines)
    assert not {FieldName.MEMBER_ID, FieldName.GROUP, FieldName.NAME} & {one.name for one in card.fields}


# --- European cards ------------------------------------------------------------------------------------------------


def european(*more: TextLine) -> list[TextLine]:
    lines = [line("CARTE EUROPÉENNE D'ASSURANCE MALADIE", 20, 10), line("3. Nom", 20, 60), line("Sample", 20, 95)]
    lines += [line("5. Date de naissance", 20, 160), line("02/03/1961", 20, 195)]
    return [*lines, *more]


def test_european_dates_are_day_month_year() -> None:
    assert read_fields(european()).value(FieldName.BIRTH_DATE) == "1961-03-02"


def test_institution_and_acronym_are_two_fields() -> None:
    card = read_fields(european(line("7. N° d'identification", 500, 160), line("93044 - CPAM75", 500, 195)))
    assert (card.value(FieldName.PAYER_ID), card.value(FieldName.PAYER)) == ("93044", "CPAM75")


def test_the_certificate_has_form_and_state_by_number_too() -> None:
    lines = european(line("1.", 500, 20), line("E111", 560, 20), line("2.", 700, 20), line("FR", 760, 20))
    card = read_fields(lines)
    assert (card.value(FieldName.FORM), card.value(FieldName.COUNTRY)) == ("E111", "FR")


def test_a_card_number_of_no_european_state_is_doubtful() -> None:
    number = line("80999123456789012345", 20, 295)
    card = read_fields(european(line("8. N° de la carte", 20, 260), number))
    assert field(card, FieldName.CARD_NUMBER).confidence < 0.6


def test_a_german_front_and_its_european_back_are_one_card() -> None:
    front = [line("Gesundheitskarte", 400, 20), line("Erika Muster", 20, 300, height=40), line("A123456780", 400, 380)]
    back = european(line("6. Numéro", 500, 260), line("A123456780", 500, 295))
    card = read_fields(front, back)
    assert card.design is Design.GERMAN_EGK
    assert field(card, FieldName.MEMBER_ID).confidence > 0.99
    assert (card.value(FieldName.NAME), field(card, FieldName.FAMILY).side) == ("Erika Muster", Side.BACK)


# --- forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "is_right"), [("108018007", True), ("108018008", False), ("10801800", False)])
def test_the_check_digit_of_an_institution_number(number: str, is_right: bool) -> None:
    assert is_ik(number) is is_right


@pytest.mark.parametrize(
    ("text", "design", "found"),
    [
        ("02/03/1961", Design.US_INSURANCE, date(1961, 2, 3)),
        ("02.03.1961", Design.EUROPEAN, date(1961, 3, 2)),
        ("1961-03-02", Design.US_INSURANCE, date(1961, 3, 2)),
        ("31/02/1961", Design.EUROPEAN, None),
        ("02/03/61", Design.US_INSURANCE, None),
        ("1-800-555-0117", Design.US_INSURANCE, None),
    ],
)
def test_dates(text: str, design: Design, found: date | None) -> None:
    assert read_date(text, design) == found


@given(st.sampled_from(FieldName), st.text(max_size=60), st.sampled_from(Design))
def test_every_text_has_a_form_for_every_field(name: FieldName, text: str, design: Design) -> None:
    value, form = value_of(name, text, design)
    assert isinstance(value, str)
    assert form in Form


# --- anything ------------------------------------------------------------------------------------------------------

_WORDS = [
    "Member ID",
    "RxBIN:",
    "3.",
    "8. Karte",
    "A123456780",
    "108018007",
    "Gesundheitskarte",
    "80276123456789012345",
]
_WORDS += ["02/03/1961", "Group", "Name", "7.", "93044 - X", "DE", "TESSERA EUROPEA", "9", ":", "#"]
_TEXTS = st.one_of(st.sampled_from(_WORDS), st.text(max_size=40), st.lists(st.sampled_from(_WORDS)).map("".join))
_PLACES = st.tuples(st.integers(-5000, 5000), st.integers(-5000, 5000))
_LINES = st.builds(
    TextLine,
    text=_TEXTS,
    box=st.tuples(_PLACES, _PLACES, _PLACES, _PLACES),
    confidence=st.floats(0, 1),
    second_text=_TEXTS,
    second_confidence=st.floats(0, 1),
)


def check_anything(front: list[TextLine], back: list[TextLine]) -> None:
    card = read_fields(front, back)
    assert len({one.name for one in card.fields}) == len(card.fields)
    assert all(0 <= one.confidence <= 1 and 0 < len(one.value) <= MOST_CHARACTERS for one in card.fields)


@settings(deadline=None, max_examples=200)
@given(st.lists(_LINES, max_size=12), st.lists(_LINES, max_size=6))
def test_whatever_lines_there_are_the_reader_answers(front: list[TextLine], back: list[TextLine]) -> None:
    check_anything(front, back)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(deadline=None, max_examples=20_000)
@given(st.lists(_LINES, max_size=12), st.lists(_LINES, max_size=6))
def test_whatever_lines_there_are_the_reader_answers_in_large_numbers(
    front: list[TextLine], back: list[TextLine]
) -> None:
    check_anything(front, back)


def test_a_line_of_a_megabyte_takes_no_longer_than_a_page() -> None:
    text = "Member ID: 1 Group " * 50_000
    card = read_fields([line(text, 0, 0)])
    assert all(len(one.value) <= MOST_CHARACTERS for one in card.fields)

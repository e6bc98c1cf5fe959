"""Who a card stands for: it agrees with exactly one patient, or there is a reason."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kioskd.core.identity import (
    Card,
    Identified,
    Reason,
    Refused,
    agreement,
    comparable,
    find_patient,
    identify,
    is_expired,
)
from kioskd.core.patient import KVID_SYSTEM, Identifier, PartialDate, Patient
from tests.people import appointment, card, patient

NAMES = st.text(st.characters(categories=["L", "M", "Pd", "Zs"], include_characters="'. "), max_size=20)
BIRTH_DATES = st.dates(date(1900, 1, 1), date(2030, 12, 31))


def named(family: str, given_names: str) -> Patient:
    return patient(family=family, given=given_names)


@pytest.mark.parametrize(
    ("on_card", "in_record"),
    [
        ("Müller", "Mueller"),
        ("MÜLLER", "müller"),
        ("Mu\u0308ller", "Müller"),
        ("Groß", "Gross"),
        ("Großmann", "GROSSMANN"),
        ("Möller-Großmann", "Moeller Grossmann"),
        ("Müller-Lüdenscheidt", "Müller Lüdenscheidt"),
        ("René", "Rene"),
        ("O'Connor", "OConnor"),
        ("O’Connor", "O'Connor"),
        ("Søren", "Soeren"),
        ("Øster", "Oester"),
        ("Wałęsa", "Walesa"),
        ("Łukaszewicz", "LUKASZEWICZ"),
        ("Yılmaz", "Yilmaz"),
        ("İpek", "Ipek"),
        ("Đorđević", "Dordevic"),
        ("von der  Heide", "von der Heide"),
    ],
)
def test_a_family_name_agrees_however_it_was_typed(on_card: str, in_record: str) -> None:
    assert agreement(card(named(on_card, "Anna")), named(in_record, "Anna")) is None
    assert agreement(card(named(in_record, "Anna")), named(on_card, "Anna")) is None


@pytest.mark.parametrize(
    ("on_card", "in_record"),
    [
        ("Huber", "Hubert"),
        ("Müller", "Muller"),
        ("Meier", "Meyer"),
        ("Huber", ""),
        ("", "Huber"),
        ("", ""),
        ("-", "."),
        ("1", "2"),
        ("Müller-Schmidt", "Müller"),
    ],
)
def test_a_family_name_that_differs_is_refused(on_card: str, in_record: str) -> None:
    assert agreement(card(named(on_card, "Anna")), named(in_record, "Anna")) is Reason.NAME_DIFFERS


@pytest.mark.parametrize(
    ("on_card", "in_record", "agrees"),
    [
        ("Anna", "Anna Maria", True),
        ("Anna Maria", "Anna", True),
        ("Anna-Maria", "Anna Maria", True),
        ("Annamaria", "Anna-Maria", True),
        ("Jörg", "Joerg Peter", True),
        ("Maria", "Anna Maria", False),
        ("Anna Lena", "Anna Maria", False),
        ("Ann", "Anna", False),
        ("", "Anna", False),
        ("", "", False),
        ("-", "-", False),
        (".", ".", False),
        (". Anna", ". Berta", False),
    ],
)
def test_given_names_agree_when_one_side_holds_more_of_them(on_card: str, in_record: str, agrees: bool) -> None:
    found = agreement(card(named("Huber", on_card)), named("Huber", in_record))
    assert found == (None if agrees else Reason.NAME_DIFFERS)


@pytest.mark.parametrize("on_card", [None, date(1980, 3, 2), date(1981, 2, 3)])
def test_a_birth_date_that_differs_or_is_not_whole_is_refused(on_card: date | None) -> None:
    assert agreement(replace(card(), birth_date=on_card), patient()) is Reason.BIRTH_DATE_DIFFERS


def test_a_record_without_a_birth_date_is_refused() -> None:
    assert agreement(card(), replace(patient(), birth_date=None)) is Reason.BIRTH_DATE_DIFFERS
    neither = replace(card(), birth_date=None)
    assert agreement(neither, replace(patient(), birth_date=None)) is Reason.BIRTH_DATE_DIFFERS


def test_nobody_with_this_number_is_no_patient() -> None:
    assert find_patient(card(), []) is Reason.NO_PATIENT
    assert find_patient(card(patient(1)), [patient(2)]) is Reason.NO_PATIENT


def test_the_same_number_of_another_system_is_another_number() -> None:
    other = replace(patient(), identifiers=(Identifier("urn:other", card().identifier.value),))
    assert find_patient(card(), [other]) is Reason.NO_PATIENT


def test_two_records_with_one_number_are_never_chosen_between() -> None:
    twin = replace(patient(2, family="Somebody"), identifiers=patient(1).identifiers)
    assert find_patient(card(patient(1)), [patient(1), twin]) is Reason.SEVERAL_PATIENTS
    assert find_patient(card(patient(1)), [twin, patient(1)]) is Reason.SEVERAL_PATIENTS


def test_one_record_that_is_found_twice_is_one_patient() -> None:
    assert find_patient(card(), [patient(), patient()]) == patient()


def test_a_second_number_of_a_patient_does_not_matter() -> None:
    with_more = replace(patient(), identifiers=(Identifier("urn:mrn", "7"), *patient().identifiers))
    assert find_patient(card(), [with_more]) == with_more


def test_found_without_an_appointment_says_who_it_is() -> None:
    others = [appointment(1, of=patient(2))]
    assert identify(card(), [patient()], others) == Refused(Reason.NO_APPOINTMENT, patient())


def test_not_found_says_nobody() -> None:
    assert identify(card(), [named("Other", "Anna")], [appointment()]) == Refused(Reason.NAME_DIFFERS)


def test_found_with_an_appointment_is_identified() -> None:
    assert identify(card(), [patient()], [appointment()]) == Identified(patient(), appointment())


@given(NAMES, NAMES, BIRTH_DATES, NAMES, NAMES, st.none() | BIRTH_DATES)
def test_nobody_is_ever_identified_with_another_birth_date(
    family: str, given_name: str, born: date, card_family: str, card_given: str, on_card: date | None
) -> None:
    assume(on_card != born)
    record = replace(patient(family=family, given=given_name), birth_date=born)
    shown = Card("egk", Identifier(KVID_SYSTEM, record.identifiers[0].value), card_family, card_given, on_card)
    found = identify(shown, [record], [appointment(of=record)])
    assert found == Refused(Reason.BIRTH_DATE_DIFFERS)


@given(NAMES, NAMES, NAMES, NAMES)
def test_whoever_is_identified_has_the_same_family_name_in_letters(
    family: str, given_name: str, card_family: str, card_given: str
) -> None:
    record = patient(family=family, given=given_name)
    shown = replace(card(record), family=card_family, given=card_given)
    if isinstance(identify(shown, [record], [appointment(of=record)]), Identified):
        assert comparable(family) == comparable(card_family) != ""
        assert comparable(given_name)
        assert comparable(card_given)


@given(NAMES)
def test_how_a_name_is_composed_in_unicode_does_not_matter(name: str) -> None:
    forms = {comparable(unicodedata.normalize(form, name)) for form in ("NFC", "NFD")}
    assert forms == {comparable(name)}


# --- spellings, undivided names, partial dates, and numbers that a family shares


@pytest.mark.parametrize(
    ("on_card", "in_record"),
    [
        ("Ђорђевић", "Đorđević"),
        ("Đorđević", "Djordjević"),
        ("Љубица", "LJUBICA"),
        ("Œuvré", "Oeuvre"),
        ("PÕLDMAA", "Põldmaa"),
    ],
)
def test_a_name_agrees_in_another_script_or_form(on_card: str, in_record: str) -> None:
    assert agreement(card(named(on_card, "Ana")), named(in_record, "Ana")) is None
    assert agreement(card(named(in_record, "Ana")), named(on_card, "Ana")) is None


@pytest.mark.parametrize(("on_card", "in_record"), [("กัน", "กิน"), ("राम", "रमा"), ("かき", "かぎ")])
def test_a_vowel_sign_makes_another_name(on_card: str, in_record: str) -> None:
    assert agreement(card(named(on_card, "Ana")), named(in_record, "Ana")) is Reason.NAME_DIFFERS


def test_any_spelling_of_the_card_may_be_the_records() -> None:
    shown = replace(card(named("ตัวอย่าง", "สมชาย")), other_spellings=(("Tuayang", "Somchai"),))
    assert agreement(shown, named("ตัวอย่าง", "สมชาย")) is None
    assert agreement(shown, named("Tuayang", "Somchai")) is None
    assert agreement(shown, named("ตัวอย่าง", "Somchai")) is Reason.NAME_DIFFERS, "half of one and half of the other"


@pytest.mark.parametrize(
    ("whole", "family", "given_name", "agrees"),
    [
        ("王小美", "王", "小美", True),
        ("王小美", "王", "小華", False),
        ("SITI BINTI CONTOH", "", "Siti binti Contoh", True),
        ("SITI BINTI CONTOH", "binti Contoh", "Siti", True),
        ("SITI BINTI CONTOH", "Contoh", "Siti", False),
        ("-", "", "", False),
    ],
)
def test_an_undivided_name_agrees_as_a_whole_only(whole: str, family: str, given_name: str, agrees: bool) -> None:
    shown = replace(card(named("", "")), undivided_name=whole)
    assert agreement(shown, named(family, given_name)) == (None if agrees else Reason.NAME_DIFFERS)


@pytest.mark.parametrize(
    ("on_card", "in_record", "agrees"),
    [
        (PartialDate(1980), PartialDate(1980), True),
        (PartialDate(1980, 2), PartialDate(1980, 2), True),
        (PartialDate(1980), PartialDate(1980, 2), False),
        (PartialDate(1980), PartialDate(1981), False),
        (PartialDate(1980), None, False),
        (None, None, False),
    ],
)
def test_a_part_of_a_birth_date_agrees_where_neither_side_knows_more(
    on_card: PartialDate | None, in_record: PartialDate | None, agrees: bool
) -> None:
    shown = replace(card(), birth_date=None, partial_birth_date=on_card)
    record = replace(patient(), birth_date=None, partial_birth_date=in_record)
    assert agreement(shown, record) == (None if agrees else Reason.BIRTH_DATE_DIFFERS)


def test_a_part_never_agrees_with_a_whole_date() -> None:
    shown = replace(card(), birth_date=None, partial_birth_date=PartialDate(1980, 2))
    assert agreement(shown, patient()) is Reason.BIRTH_DATE_DIFFERS
    record = replace(patient(), birth_date=None, partial_birth_date=PartialDate(1980, 2))
    assert agreement(card(), record) is Reason.BIRTH_DATE_DIFFERS


MOTHER = patient(1, given="Anna")
CHILD = replace(patient(2, given="Ben"), identifiers=MOTHER.identifiers, birth_date=date(2015, 6, 1))
TWIN = replace(CHILD, id="p3", given="Cem")


def of_family(who: Patient) -> Card:
    return replace(card(who), is_shared_by_family=True)


@pytest.mark.parametrize("who", [MOTHER, CHILD, TWIN])
def test_a_number_of_a_family_leads_to_the_one_whose_name_and_birth_date_agree(who: Patient) -> None:
    assert find_patient(of_family(who), [MOTHER, CHILD, TWIN]) == who


def test_a_number_of_a_family_never_stands_for_somebody_else_in_it() -> None:
    assert find_patient(of_family(CHILD), [MOTHER]) is Reason.BIRTH_DATE_DIFFERS
    assert find_patient(of_family(CHILD), [MOTHER, TWIN]) is Reason.NO_PATIENT
    again = replace(CHILD, id="p4")
    assert find_patient(of_family(CHILD), [MOTHER, CHILD, again]) is Reason.SEVERAL_PATIENTS


FAMILIES = st.lists(
    st.tuples(st.sampled_from(["Anna", "Ben", "Änne"]), st.sampled_from([date(1980, 2, 3), date(2015, 6, 1), None])),
    max_size=5,
)


@given(FAMILIES, st.sampled_from(["Anna", "Ben", "Änne"]), st.sampled_from([date(1980, 2, 3), None]), st.booleans())
def test_whoever_a_card_stands_for_agrees_in_number_name_and_birth_date(
    family: list[tuple[str, date | None]], given_name: str, born: date | None, is_shared: bool
) -> None:
    people = [
        replace(patient(n, given=name), identifiers=MOTHER.identifiers, birth_date=day)
        for n, (name, day) in enumerate(family)
    ]
    shown = replace(card(MOTHER), given=given_name, birth_date=born, is_shared_by_family=is_shared)
    found = find_patient(shown, people)
    agreeing = [p for p in people if (comparable(p.given), p.birth_date) == (comparable(given_name), born) and born]
    if isinstance(found, Patient):
        assert [found] == agreeing
        assert is_shared or len(people) == 1
    else:
        assert len(agreeing) != 1 or (len(people) > 1 and not is_shared)


@pytest.mark.parametrize(
    ("last_day", "on", "expired"),
    [
        (None, date(2026, 11, 24), False),
        (date(2026, 11, 24), date(2026, 11, 24), False),
        (date(2026, 11, 23), date(2026, 11, 24), True),
    ],
)
def test_a_card_is_good_on_its_last_day(last_day: date | None, on: date, expired: bool) -> None:
    assert is_expired(replace(card(), valid_until=last_day), on) is expired

"""Who a card stands for: it agrees with exactly one patient, or there is a reason."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kioskd.core.identity import Card, Identified, Reason, Refused, agreement, comparable, find_patient, identify
from kioskd.core.patient import KVID_SYSTEM, Identifier, Patient
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

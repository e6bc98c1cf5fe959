"""The German health card: what is read, every known difference between cards, and everything that is refused."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from drivers.cards.egk import LARGEST_XML, Egk, birth_date, gunzip, is_kvnr, kvnr_check_digit, parse_xml
from drivers.cards.image import Application, CardImage, ImageSession
from drivers.cards.iso7816 import handle_status
from drivers.cards.synthetic import (
    SAMPLE_CARDS,
    SAMPLE_PEOPLE,
    SOUND,
    EgkVariant,
    SamplePerson,
    egk_image,
    egk_image_of,
    pd_xml,
    sample_image,
    vd_xml,
)
from kioskd.core.identity import Card, Reason
from kioskd.core.patient import KVID_SYSTEM, Identifier, Sex
from kioskd.errors import CardUnreadable
from kioskd.ports import CardKind, Transmit

ANNA = SAMPLE_PEOPLE[0]
JOERG = next(person for person in SAMPLE_PEOPLE if person.id == "joerg-moeller")
HEIDE = next(person for person in SAMPLE_PEOPLE if person.id == "charlotte-von-der-heide")


def transmit_to(image: CardImage) -> Transmit:
    return handle_status(ImageSession(image).respond)


def read(image: CardImage) -> Card:
    kind: CardKind = Egk()
    transmit = transmit_to(image)
    assert kind.is_present(transmit)
    kind.read_id(transmit)
    return kind.read(transmit)


def read_documents(pd: bytes | None = None, vd: bytes | None = None) -> Card:
    return read(egk_image_of(pd or pd_xml(ANNA), vd or vd_xml(ANNA), ANNA.iccsn))


def expected(person: SamplePerson) -> Card:
    return Card(
        kind="egk",
        identifier=Identifier(KVID_SYSTEM, person.kvnr),
        family=person.family,
        given=person.given,
        birth_date=person.birth_date,
        sex=person.sex,
        insurer_name=person.insurer_name,
        insurer_id=person.insurer_id,
    )


@pytest.mark.parametrize("person", SAMPLE_PEOPLE, ids=lambda person: person.id)
def test_every_sample_person_is_read_as_they_are(person: SamplePerson) -> None:
    assert read(egk_image(person)) == expected(person)


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(EgkVariant(pd_length_counts_itself=True), id="the length of PD counts its own two bytes"),
        pytest.param(EgkVariant(vd_end_is_inclusive=False), id="the end of VD points behind its last byte"),
        pytest.param(EgkVariant(prefix=""), id="default namespace"),
        pytest.param(EgkVariant(prefix="n7:"), id="another prefix"),
        pytest.param(EgkVariant(schema_version="5.1.0"), id="schema 5.1.0"),
        pytest.param(EgkVariant(is_t0=True), id="T=0"),
    ],
)
def test_cards_that_differ_in_form_are_read_the_same(variant: EgkVariant) -> None:
    assert read(egk_image(JOERG, variant)) == expected(JOERG)


def test_umlauts_and_the_euro_sign_are_iso_8859_15() -> None:
    person = replace(ANNA, family="Žižková-Œuvré", insurer_name="Kasse zu 1 €")
    assert read(egk_image(person)) == expected(person)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "UTF-8"])
def test_the_encoding_that_the_document_names_is_used(encoding: str) -> None:
    document = pd_xml(JOERG).decode("iso-8859-15").replace("ISO-8859-15", encoding).encode(encoding)
    assert read_documents(pd=document).family == "Möller-Großmann"


def test_without_a_named_encoding_it_is_iso_8859_15() -> None:
    document = re.sub(rb"^<\?xml.*?\?>", b"", pd_xml(JOERG))
    assert read_documents(pd=document).family == "Möller-Großmann"


def test_a_prefix_of_the_family_name_is_part_of_it() -> None:
    assert b"<vsd:Nachname>Heide</vsd:Nachname>" in pd_xml(HEIDE)
    assert read(egk_image(HEIDE)).family == "von der Heide"


def test_a_name_addition_stands_before_the_prefix_and_a_title_is_left_out() -> None:
    extra = b"<vsd:Namenszusatz>Gr\xe4fin</vsd:Namenszusatz><vsd:Titel>Dr.</vsd:Titel><vsd:Vorsatzwort>"
    document = pd_xml(HEIDE).replace(b"<vsd:Vorsatzwort>", extra)
    assert read_documents(pd=document).family == "Gräfin von der Heide"


def test_the_insurer_is_the_one_of_the_patient_not_the_one_that_is_billed() -> None:
    assert b"100000000" in vd_xml(ANNA)
    assert read(egk_image(ANNA)).insurer_id == ANNA.insurer_id


@pytest.mark.parametrize("text", ["19840000", "19840300", "00000000"])
def test_a_partial_birth_date_is_no_birth_date(text: str) -> None:
    assert read(egk_image(ANNA, EgkVariant(geburtsdatum=text))).birth_date is None


@pytest.mark.parametrize("text", ["", "1984", "19841301", "20230229", "1984-3-1", "1984031²", "+1984031"])
def test_what_is_no_birth_date_makes_the_card_unreadable(text: str) -> None:
    with pytest.raises(CardUnreadable):
        birth_date(text)


def test_a_leap_day_is_a_birth_date() -> None:
    assert birth_date("20240229") == date(2024, 2, 29)


@pytest.mark.parametrize(
    ("letter", "sex"), [("M", Sex.MALE), ("W", Sex.FEMALE), ("D", Sex.OTHER), ("X", Sex.OTHER), ("?", Sex.UNKNOWN)]
)
def test_the_sex_letter_becomes_an_administrative_gender(letter: str, sex: Sex) -> None:
    assert read(egk_image(ANNA, EgkVariant(geschlecht=letter))).sex is sex


def test_the_check_digit_of_the_published_example_is_right() -> None:
    assert is_kvnr("X110411675")


@pytest.mark.parametrize(
    "number", ["X110411676", "x110411675", "X11041167", "X1104116755", "1110411675", "", "X11041167٥"]
)
def test_a_wrong_insurance_number_is_not_accepted(number: str) -> None:
    assert not is_kvnr(number)


@given(digits=st.text("0123456789", min_size=8, max_size=8), place=st.integers(0, 7), shift=st.integers(1, 9))
def test_any_single_wrong_digit_is_noticed(digits: str, place: int, shift: int) -> None:
    number = f"X{digits}{kvnr_check_digit('X' + digits)}"
    wrong = str((int(digits[place]) + shift) % 10)
    assert is_kvnr(number)
    assert not is_kvnr(f"X{digits[:place]}{wrong}{digits[place + 1 :]}{number[-1]}")


@pytest.mark.parametrize("status", ["1", "2", " "])
def test_an_unfinished_update_makes_the_card_unreadable(status: str) -> None:
    with pytest.raises(CardUnreadable) as refusal:
        read(egk_image(ANNA, EgkVariant(status=status)))
    assert refusal.value.reason == Reason.CARD_UNREADABLE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(ANNA.kvnr.encode(), b"X110123450", id="check digit"),
        pytest.param(b">Huber<", b"> <", id="empty family name"),
        pytest.param(b">Anna<", b"><", id="empty given name"),
        pytest.param(b">Huber<", b">Hu\x9bber<", id="control character"),
        pytest.param(b"vsd:Person>", b"vsd:Persona>", id="no person"),
        pytest.param(b"Geburtsdatum>", b"Geboren>", id="no birth date"),
        pytest.param(b"ISO-8859-15", b"UTF-7", id="encoding of no schema"),
        pytest.param(b"</vsd:Person>", b"", id="not well-formed"),
        pytest.param(b">Huber<", b">&who;<", id="an entity"),
        pytest.param(b"?><", b"?><!DOCTYPE x []><", id="a document type"),
        pytest.param(b"?><", b'?><!DOCTYPE x [<!ENTITY a "b">]><', id="entity declarations"),
    ],
)
def test_a_document_that_is_not_as_the_schema_says_is_unreadable(old: bytes, new: bytes) -> None:
    sound = pd_xml(ANNA)
    assert old in sound
    with pytest.raises(CardUnreadable) as refusal:
        read_documents(pd=sound.replace(old, new))
    assert "Huber" not in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(ANNA.insurer_id.encode(), b"12345678", id="eight digits"),
        pytest.param(b"Kostentraeger>", b"Zahler>", id="no insurer"),
    ],
)
def test_an_insurance_document_without_an_insurer_is_unreadable(old: bytes, new: bytes) -> None:
    assert old in vd_xml(ANNA)
    with pytest.raises(CardUnreadable):
        read_documents(vd=vd_xml(ANNA).replace(old, new))


def test_a_document_type_can_not_hide_behind_the_encoding() -> None:
    document = pd_xml(ANNA).decode("iso-8859-15").replace("ISO-8859-15", "UTF-16")
    with pytest.raises(CardUnreadable):
        read_documents(pd=document.replace("?><", "?><!DOCTYPE x []><").encode("utf-16"))


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(CardUnreadable, match="more than 65536 bytes"):
        gunzip(gzip.compress(b"<a/>" + bytes(50 * LARGEST_XML)), "EF.PD")


def test_a_document_that_is_cut_off_is_refused() -> None:
    with pytest.raises(CardUnreadable, match="cut off"):
        gunzip(gzip.compress(b"<a/>")[:-3], "EF.PD")


def test_a_damaged_document_is_refused() -> None:
    packed = bytearray(gzip.compress(b"<a/>" * 9))
    packed[-6] ^= 1
    with pytest.raises(CardUnreadable, match="not valid gzip"):
        gunzip(bytes(packed), "EF.PD")


def test_bytes_behind_the_gzip_trailer_are_ignored() -> None:
    assert gunzip(gzip.compress(b"<a/>") + b"\xff\x00", "EF.PD") == b"<a/>"


def test_the_card_number_is_its_own_for_every_sample() -> None:
    numbers = [Egk().read_id(transmit_to(egk_image(person))).hex() for person in SAMPLE_PEOPLE]
    assert numbers == [person.iccsn for person in SAMPLE_PEOPLE]
    assert len(set(numbers)) == len(numbers)
    assert all(number.startswith("80276") for number in numbers)


def test_another_card_is_not_taken_for_a_health_card() -> None:
    assert not Egk().is_present(transmit_to(sample_image("no-health-card")))


def test_a_card_with_the_root_and_nothing_else_is_unreadable() -> None:
    empty = CardImage(b"\x3b\x00", (Application(bytes.fromhex("D2760001448000")),))
    assert Egk().is_present(transmit_to(empty))
    for ask in (Egk().read, Egk().read_id):
        with pytest.raises(CardUnreadable):
            ask(transmit_to(empty))


def replaced(aid: bytes, sfi: int, content: bytes) -> CardImage:
    """Anna's card with other contents in one file."""
    image = egk_image(ANNA)
    applications = (
        replace(a, files=tuple(replace(f, content=content) if a.aid == aid and f.sfi == sfi else f for f in a.files))
        for a in image.applications
    )
    return replace(image, applications=tuple(applications))


HCA = bytes.fromhex("D27600000102")


@pytest.mark.parametrize(
    ("sfi", "content"),
    [
        pytest.param(0x01, "", id="PD is empty"),
        pytest.param(0x01, "00", id="PD has half a length"),
        pytest.param(0x01, "0000", id="PD has length 0"),
        pytest.param(0x01, "FFFF", id="PD is longer than any file"),
        pytest.param(0x01, "0100", id="PD ends at once"),
        pytest.param(0x02, "", id="VD is empty"),
        pytest.param(0x02, "0008", id="VD has half a header"),
        pytest.param(0x02, "FFFFFFFFFFFFFFFF", id="VD is absent"),
        pytest.param(0x02, "00000100FFFFFFFF", id="VD begins inside its header"),
        pytest.param(0x02, "00080008FFFFFFFF", id="VD has no bytes"),
        pytest.param(0x02, "010000FFFFFFFFFF", id="VD ends before it begins"),
        pytest.param(0x0C, "", id="StatusVD is empty"),
    ],
)
def test_a_file_with_an_impossible_length_is_unreadable(sfi: int, content: str) -> None:
    with pytest.raises(CardUnreadable):
        read(replaced(HCA, sfi, bytes.fromhex(content)))


def test_insurance_data_that_begin_late_in_their_file_are_found() -> None:
    packed = gzip.compress(vd_xml(ANNA))
    start = 300
    header = start.to_bytes(2, "big") + (start + len(packed) - 1).to_bytes(2, "big") + b"\xff" * 4
    assert read(replaced(HCA, 0x02, header.ljust(start, b"\0") + packed)) == expected(ANNA)


def outcome_of(ask: Callable[..., Any], *arguments: Any) -> Any:
    """What a call returns, or the CardUnreadable that it raises."""
    try:
        return ask(*arguments)
    except CardUnreadable as refusal:
        return refusal


def answers_or_unreadable(transmit: Transmit) -> None:
    kind = Egk()
    for ask in (kind.is_present, kind.read_id, kind.read):
        outcome = outcome_of(ask, transmit)
        assert isinstance(outcome, bool | bytes | Card | CardUnreadable)
        if isinstance(outcome, CardUnreadable):
            assert outcome.reason in {Reason.CARD_UNREADABLE, Reason.CARD_DAMAGED, Reason.CARD_LOCKED}


@given(st.lists(st.one_of(st.binary(max_size=300), st.binary(max_size=12).map(lambda d: d + b"\x90\x00")), min_size=1))
@example([b"\x61\x00"])
@example([b"\x6c\x00"])
def test_a_card_that_answers_anything_at_all_is_read_or_unreadable(answers: list[bytes]) -> None:
    count = 0

    def transmit_raw(apdu: bytes) -> bytes:
        nonlocal count
        count += 1
        assert count < 50_000, "the read does not end"
        return answers[count % len(answers)]

    answers_or_unreadable(handle_status(transmit_raw))


@given(sfi=st.sampled_from([0x01, 0x02, 0x0C]), content=st.binary(max_size=1300))
def test_a_file_that_holds_anything_at_all_is_read_or_unreadable(sfi: int, content: bytes) -> None:
    answers_or_unreadable(transmit_to(replaced(HCA, sfi, content)))


@given(place=st.integers(0, 2000), new=st.binary(max_size=8), cut=st.integers(0, 20))
@settings(max_examples=300)
def test_a_document_that_was_damaged_anywhere_is_read_or_unreadable(place: int, new: bytes, cut: int) -> None:
    sound = pd_xml(JOERG)
    place %= len(sound)
    damaged = sound[:place] + new + sound[place + cut :]
    answers_or_unreadable(transmit_to(egk_image_of(damaged, vd_xml(JOERG), JOERG.iccsn)))


@given(st.one_of(st.binary(max_size=2000), st.text(max_size=500).map(lambda text: f"<a>{text}</a>".encode())))
@example(b"<a>" * 5000)
@example(b"<?xml version='1.0' encoding='utf-16'?>\xff\xfe<\x00a\x00/\x00>\x00")
@example(b"<a/>\x00")
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_document_is_parsed_or_unreadable(document: bytes) -> None:
    outcome = outcome_of(parse_xml, document, "EF.PD")
    assert isinstance(outcome, Element | CardUnreadable)


def test_every_sample_card_has_an_image_and_an_id_of_its_own() -> None:
    ids = [card.id for card in SAMPLE_CARDS]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(sample_image(card_id), CardImage) for card_id in ids)
    with pytest.raises(KeyError, match="no sample card is called 'nobody'"):
        sample_image("nobody")


def test_sample_people_differ_in_everything_that_identifies_them() -> None:
    for key in ("id", "kvnr", "iccsn", "title"):
        assert len({getattr(person, key) for person in SAMPLE_PEOPLE}) == len(SAMPLE_PEOPLE)
    assert all(is_kvnr(person.kvnr) and person.kvnr.startswith("X11") for person in SAMPLE_PEOPLE)
    assert all(person.note for person in SAMPLE_PEOPLE)


def test_a_sound_card_has_its_protected_data_closed() -> None:
    session = ImageSession(egk_image(ANNA, SOUND))
    session.respond(bytes.fromhex("00A4040C06D27600000102"))
    assert session.respond(bytes.fromhex("00B0830002")) == b"\x69\x82"

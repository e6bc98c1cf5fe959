"""Every kind of card on its samples: what is read, that no other kind takes it, and that damage never does harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from itertools import chain, cycle, repeat
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.cards.image import CardImage
from drivers.cards.iso7816 import handle_status
from drivers.cards.samples import Sample, all_samples, one_of_each_kind
from drivers.cards.synthetic import SAMPLE_PEOPLE, egk_image, sample_image
from kioskd.core.identity import Card, Reason
from kioskd.errors import CardUnreadable
from kioskd.ports import CardKind, Transmit
from tests.drivers.cards.cards import (
    KINDS,
    OWN_REASONS,
    claiming,
    kind_named,
    outcome,
    read_between_two_numbers,
    transmit_to,
)

SAMPLES = all_samples()
GERMAN = egk_image(SAMPLE_PEOPLE[0])
IMAGES = [sample.image for sample in SAMPLES] + [GERMAN]
READABLE = [sample for sample in SAMPLES if isinstance(sample.shows, Card)]
FIRST_OF_KIND = one_of_each_kind()


def named(sample: Sample) -> str:
    return sample.id


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_a_sample_is_read_as_what_it_shows(sample: Sample) -> None:
    assert outcome(sample.image) == sample.shows


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_a_card_is_claimed_by_one_kind_and_no_other(sample: Sample) -> None:
    expected = sample.shows.kind if isinstance(sample.shows, Card) else sample.id.partition("-")[0]
    assert claiming(sample.image) == [expected]


def test_a_german_card_is_claimed_by_its_kind_and_no_other() -> None:
    assert claiming(GERMAN) == ["egk"]


def test_a_card_of_no_kind_is_claimed_by_none() -> None:
    assert outcome(sample_image("no-health-card")) is Reason.CARD_NOT_SUPPORTED


def test_every_kind_is_an_entry_point_of_its_name_and_has_a_sample() -> None:
    names = [entry.name for entry in entry_points(group="kioskd.cards")]
    assert [kind.name for kind in KINDS] == sorted(names)
    assert {sample.shows.kind for sample in READABLE if isinstance(sample.shows, Card)} | {"egk"} == set(names)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_says_whether_its_read_suffices_for_billing(kind: CardKind) -> None:
    cards = [outcome(image) for image in IMAGES if claiming(image) == [kind.name]]
    said = {card.suffices_for_billing for card in cards if isinstance(card, Card)}
    assert said == {kind.suffices_for_billing}


def test_samples_differ_in_id_title_and_card_number() -> None:
    numbers = [kind_named(s.shows.kind).read_id(transmit_to(s.image)) for s in READABLE if isinstance(s.shows, Card)]
    assert len(set(numbers)) == len(numbers)
    assert len({sample.id for sample in SAMPLES}) == len({sample.title for sample in SAMPLES}) == len(SAMPLES)
    assert all(sample_image(sample.id) is sample.image for sample in SAMPLES)


@pytest.mark.parametrize("sample", READABLE, ids=named)
def test_what_is_read_twice_is_the_same_and_reading_leaves_no_other_file_selected(sample: Sample) -> None:
    assert isinstance(sample.shows, Card)
    kind, transmit = kind_named(sample.shows.kind), transmit_to(sample.image)
    assert kind.is_present(transmit)
    for _ in range(2):
        assert (kind.read_id(transmit), kind.read(transmit)) == (kind.read_id(transmit), sample.shows)


@pytest.mark.parametrize("first", READABLE, ids=named)
def test_a_swap_at_any_command_that_nobody_notices_never_mixes_two_cards(first: Sample) -> None:
    assert isinstance(first.shows, Card)
    others = [sample for sample in READABLE if sample is not first]
    second = next((s for s in others if s.id.partition("-")[0] == first.id.partition("-")[0]), others[0])
    for before in range(60):
        found = swapped_after(before, first.image, second.image)
        assert isinstance(found, Reason) or found in (first.shows, second.shows)


def swapped_after(before: int, first: CardImage, second: CardImage) -> Card | Reason:
    """What a read gives when after so many commands another card, reset, is in the place of the first."""
    sessions = chain(repeat(first.power_on(), before), repeat(second.power_on()))
    try:
        return read_between_two_numbers(handle_status(lambda apdu: next(sessions).respond(apdu)))
    except CardUnreadable as refusal:
        return Reason(refusal.reason)


@pytest.mark.parametrize("sample", READABLE, ids=named)
@pytest.mark.parametrize("longest", [0xFF, 0x60, 0x20])
def test_a_reader_that_takes_only_short_answers_reads_the_same(sample: Sample, longest: int) -> None:
    assert isinstance(sample.shows, Card)
    session = sample.image.power_on()

    def transmit_raw(apdu: bytes) -> bytes:
        is_too_long = apdu[1] == 0xB0 and len(apdu) == 5 and (apdu[4] or 0x100) > longest
        return b"\x67\x00" if is_too_long else session.respond(apdu)

    assert kind_named(sample.shows.kind).read(handle_status(transmit_raw)) == sample.shows


TOLD_BY_CONTENT = {"estonian-id", "veka"}
"""Kinds that are told by what stands in a file of no particular application: locked, it says nothing."""


@pytest.mark.parametrize("sample", READABLE, ids=named)
def test_a_locked_card_is_told_apart_from_an_unknown_one(sample: Sample) -> None:
    assert isinstance(sample.shows, Card)
    applications = tuple(replace(a, is_locked=bool(a.files or a.data_objects)) for a in sample.image.applications)
    expected = Reason.CARD_NOT_SUPPORTED if sample.shows.kind in TOLD_BY_CONTENT else Reason.CARD_LOCKED
    assert outcome(replace(sample.image, applications=applications)) is expected


# --- damage


def ask_everything(kind: CardKind, transmit: Transmit) -> None:
    """Nothing but CardUnreadable comes out, with a reason that a kind of card may give."""
    for ask in (kind.is_present, kind.read_id, kind.read):
        found: Any
        try:
            found = ask(transmit)
        except CardUnreadable as refusal:
            found = refusal.reason
        assert found in OWN_REASONS if isinstance(found, str) else isinstance(found, bool | bytes | Card)


def bounded(transmit_raw: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The same, for at most so many commands: a read that goes on is a read that never ends."""
    count = 0

    def counted(apdu: bytes) -> bytes:
        nonlocal count
        count += 1
        assert count < 5_000, "the read does not end"
        return transmit_raw(apdu)

    return counted


CASES = [100, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
answers = st.one_of(
    st.binary(max_size=258),
    st.binary(max_size=24).map(lambda data: data + b"\x90\x00"),
    st.sampled_from([b"\x90\x00", b"\x61\x00", b"\x6c\x00", b"\x6b\x00", b"\x67\x00", b"\x62\x82", b"\x62\x83", b""]),
)


@pytest.mark.parametrize("cases", CASES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_card_that_answers_anything_at_all_does_no_harm(kind: CardKind, cases: int) -> None:
    @settings(max_examples=cases, deadline=None)
    @given(st.lists(answers, min_size=1, max_size=8))
    def check(script: list[bytes]) -> None:
        turns = cycle(script)
        ask_everything(kind, handle_status(bounded(lambda apdu: next(turns))))

    check()


@pytest.mark.parametrize("cases", CASES)
@pytest.mark.parametrize("sample", FIRST_OF_KIND, ids=named)
def test_a_card_with_damage_anywhere_does_no_harm(sample: Sample, cases: int) -> None:
    assert isinstance(sample.shows, Card)
    kind = kind_named(sample.shows.kind)

    @settings(max_examples=cases, deadline=None)
    @given(place=st.integers(0, 5_000), new=st.binary(max_size=6), cut=st.integers(0, 12))
    def check(place: int, new: bytes, cut: int) -> None:
        image = with_damage(sample.image, place, new, cut)
        ask_everything(kind, handle_status(bounded(image.power_on().respond)))

    check()


@pytest.mark.parametrize("sample", FIRST_OF_KIND, ids=named)
@given(apdus=st.integers(0, 40), length=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_a_card_whose_answer_is_torn_off_does_no_harm(sample: Sample, apdus: int, length: int) -> None:
    assert isinstance(sample.shows, Card)
    session, commands = sample.image.power_on(), iter(range(5_000))

    def transmit_raw(apdu: bytes) -> bytes:
        answer = session.respond(apdu)
        return answer if next(commands) < apdus else answer[:length]

    ask_everything(kind_named(sample.shows.kind), handle_status(transmit_raw))


def with_damage(image: CardImage, place: int, new: bytes, cut: int) -> CardImage:
    """The image with bytes replaced somewhere in one of its files or data objects."""
    holders = [number for number, a in enumerate(image.applications) for _ in (*a.files, *a.data_objects)]
    chosen = holders[place % len(holders)]
    application = image.applications[chosen]
    within = place // len(holders)
    damaged = replace(
        application,
        files=tuple(replace(file, content=_damaged(file.content, within, new, cut)) for file in application.files),
        data_objects=tuple((tag, _damaged(value, within, new, cut)) for tag, value in application.data_objects),
    )
    return replace(image, applications=(*image.applications[:chosen], damaged, *image.applications[chosen + 1 :]))


def _damaged(content: bytes, place: int, new: bytes, cut: int) -> bytes:
    place %= max(1, min(len(content), 640))
    return content[:place] + new + content[place + cut :]

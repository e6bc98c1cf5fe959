"""A printed card on its way through a person's hands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kioskd.core.printed_card import (
    MOST_CHARACTERS,
    CheckedCard,
    Checker,
    Design,
    FieldName,
    PrintedCard,
    ReadField,
    Standing,
)

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
BOX = ((0, 0), (10, 0), (10, 5), (0, 5))
CARD = PrintedCard(
    Design.US_INSURANCE,
    (ReadField(FieldName.MEMBER_ID, "W123456789", 0.98, BOX), ReadField(FieldName.GROUP, "76-4110", 0.7, BOX)),
)


def test_nothing_that_was_only_read_is_usable() -> None:
    checked = CheckedCard.of(CARD)
    assert checked.usable() == {}
    assert {one.standing for one in checked.fields} == {Standing.READ}


def test_what_the_patient_confirms_is_usable_and_the_rest_is_not() -> None:
    checked = CheckedCard.of(CARD).confirm([FieldName.MEMBER_ID], Checker.PATIENT, NOW)
    assert checked.usable() == {FieldName.MEMBER_ID: "W123456789"}
    assert (checked.fields[0].by, checked.fields[0].at) == (Checker.PATIENT, NOW)


def test_a_correction_keeps_what_was_read() -> None:
    checked = CheckedCard.of(CARD).correct(FieldName.GROUP, " 76-4111 ", Checker.DESK, NOW)
    group = checked.fields[1]
    assert (group.read_value, group.value, group.standing) == ("76-4110", "76-4111", Standing.CORRECTED)


def test_confirming_a_corrected_field_leaves_it_marked_as_corrected() -> None:
    corrected = CheckedCard.of(CARD).correct(FieldName.GROUP, "76-4111", Checker.PATIENT, NOW)
    assert corrected.confirm([FieldName.GROUP], Checker.DESK, NOW).fields[1].standing is Standing.CORRECTED


def test_typing_in_what_was_read_confirms_it() -> None:
    checked = CheckedCard.of(CARD).correct(FieldName.GROUP, "76-4110", Checker.PATIENT, NOW)
    assert checked.fields[1].standing is Standing.CONFIRMED


def test_a_field_that_was_not_read_can_be_added_and_one_that_is_not_on_the_card_emptied() -> None:
    checked = CheckedCard.of(CARD).correct(FieldName.RX_BIN, "004336", Checker.PATIENT, NOW)
    assert checked.fields[-1].read_value == ""
    checked = checked.correct(FieldName.GROUP, "", Checker.PATIENT, NOW)
    assert checked.usable() == {FieldName.RX_BIN: "004336"}


def test_confirming_what_was_never_read_is_refused() -> None:
    with pytest.raises(ValueError, match="no field rx-bin was read"):
        CheckedCard.of(CARD).confirm([FieldName.RX_BIN], Checker.DESK, NOW)


@pytest.mark.parametrize("value", ["W1234\x0056789", "9" * (MOST_CHARACTERS + 1)])
def test_a_correction_that_no_card_can_carry_is_refused_without_quoting_it(value: str) -> None:
    with pytest.raises(ValueError, match="member-id") as caught:
        CheckedCard.of(CARD).correct(FieldName.MEMBER_ID, value, Checker.PATIENT, NOW)
    assert value not in str(caught.value)


def test_values_are_in_no_repr() -> None:
    checked = CheckedCard.of(CARD).correct(FieldName.GROUP, "76-4111", Checker.DESK, NOW)
    assert not any(value in f"{CARD!r}{checked!r}" for value in ("W123456789", "76-4110", "76-4111"))

"""Commands, status words and chunked reading, against scripted and simulated cards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cards.image import Application, CardFile, CardImage, ImageSession
from drivers.cards.iso7816 import (
    CHUNK,
    Status,
    demand,
    handle_status,
    is_selected,
    read_binary,
    read_binary_sfi,
    read_file,
    read_record,
    read_selected,
    select,
    select_file,
    status_text,
)
from kioskd.core.identity import Reason
from kioskd.errors import CardUnreadable

AID = bytes.fromhex("A0000000010203")


class ScriptedCard:
    """Answers in a fixed order and keeps what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = [bytes.fromhex(answer) for answer in answers]
        self.commands: list[str] = []

    def __call__(self, apdu: bytes) -> bytes:
        self.commands.append(apdu.hex().upper())
        return self.answers.pop(0)


def card_with(content: bytes, is_t0: bool = False) -> ImageSession:
    root = Application(AID, (CardFile(0x0001, 1, content), CardFile(0x0002, 2, is_closed=True, content=b"x")))
    return ImageSession(CardImage(b"\x3b\x00", (root,), is_t0))


def test_commands_have_the_bytes_of_the_standard() -> None:
    assert select(bytes.fromhex("D27600000102")).hex().upper() == "00A4040C06D27600000102"
    assert read_binary(0x0123, 0xF0).hex().upper() == "00B00123F0"
    assert read_binary_sfi(0x0C, 0, 0x19).hex().upper() == "00B08C0019"
    assert read_binary_sfi(2, 0, 256).hex().upper() == "00B0820000"
    assert read_record(1, 0x10).hex().upper() == "00B2018400"


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0x8000, 1), (0, 0), (0, 257)])
def test_an_address_that_the_command_can_not_carry_is_refused(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="can't address"):
        read_binary(offset, length)


def test_a_short_file_identifier_leaves_eight_bits_for_the_offset() -> None:
    with pytest.raises(ValueError, match="can't address"):
        read_binary_sfi(1, 256, 1)


def test_61xx_is_followed_by_get_response_until_nothing_is_left() -> None:
    card = ScriptedCard("AABB6102", "CCDD6101", "EE9000")
    assert handle_status(card)(bytes.fromhex("00A4040001AA")) == (bytes.fromhex("AABBCCDDEE"), 0x9000)
    assert card.commands == ["00A4040001AA", "00C0000002", "00C0000001"]


def test_6cxx_repeats_the_command_with_the_length_of_the_card() -> None:
    card = ScriptedCard("6C03", "0102039000")
    assert handle_status(card)(bytes.fromhex("00B0000010")) == (b"\x01\x02\x03", 0x9000)
    assert card.commands == ["00B0000010", "00B0000003"]


def test_6cxx_replaces_the_le_behind_the_data_of_a_command() -> None:
    card = ScriptedCard("6C05", "01020304059000")
    handle_status(card)(bytes.fromhex("00A4040002AABB00"))
    assert card.commands[1] == "00A4040002AABB05"


def test_6cxx_on_get_response_is_followed_too() -> None:
    card = ScriptedCard("6100", "6C02", "01029000")
    assert handle_status(card)(bytes.fromhex("00A4040001AA")) == (b"\x01\x02", 0x9000)


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(["6C03", "6C03"], id="corrects its own correction"),
        pytest.param(["6102", "6102"], id="announces data and gives none"),
        pytest.param([""], id="no answer at all"),
        pytest.param(["90"], id="half a status word"),
    ],
)
def test_a_card_that_breaks_the_rules_is_unreadable(answers: list[str]) -> None:
    with pytest.raises(CardUnreadable):
        handle_status(ScriptedCard(*answers))(bytes.fromhex("00B0000010"))


def test_a_correction_of_a_command_without_le_is_unreadable() -> None:
    with pytest.raises(CardUnreadable):
        handle_status(ScriptedCard("6C03"))(bytes.fromhex("00A4040C01AA"))


def test_a_card_that_never_stops_sending_is_unreadable() -> None:
    with pytest.raises(CardUnreadable):
        handle_status(lambda apdu: bytes(200) + b"\x61\xff")(bytes.fromhex("00B0000000"))


def test_61xx_and_6cxx_of_a_t0_card_give_the_same_file_as_a_t1_card() -> None:
    content = bytes(range(256)) * 3
    slow, fast = handle_status(card_with(content, is_t0=True).respond), handle_status(card_with(content).respond)
    assert read_file(slow, 1, 1000) == read_file(fast, 1, 1000) == content


@given(size=st.integers(0, 3 * CHUNK), wanted=st.integers(0, 4 * CHUNK), offset=st.integers(0, 600))
def test_reading_in_chunks_gives_exactly_the_bytes_that_are_there(size: int, wanted: int, offset: int) -> None:
    content = bytes(place % 251 for place in range(size))
    transmit = handle_status(card_with(content).respond)
    read_file(transmit, 1, 1)
    assert read_file(transmit, 1, wanted, offset) == content[offset : offset + wanted]


def test_no_chunk_is_longer_than_a_small_reader_takes() -> None:
    session = card_with(bytes(1000))
    lengths: list[int] = []

    def transmit_raw(apdu: bytes) -> bytes:
        lengths.append(apdu[4])
        return session.respond(apdu)

    read_file(handle_status(transmit_raw), 1, 1000)
    assert lengths == [0xF0, 0xF0, 0xF0, 0xF0, 40]


def test_6b00_past_the_end_is_the_end() -> None:
    content = bytes(CHUNK)
    assert read_file(handle_status(card_with(content).respond), 1, CHUNK + 10) == content


def test_a_closed_file_is_unreadable_and_the_text_says_why() -> None:
    with pytest.raises(CardUnreadable, match="6982 security status not satisfied"):
        read_file(handle_status(card_with(b"").respond), 2, 10)


def test_more_data_than_asked_for_is_unreadable() -> None:
    with pytest.raises(CardUnreadable, match="gave 3 bytes, asked for 2"):
        read_file(handle_status(ScriptedCard("0102039000")), 1, 2)


def test_a_status_word_that_the_standard_does_not_name_is_shown_as_a_number() -> None:
    assert status_text(0x6F42) == "6F42"
    assert status_text(Status.FILE_OR_APPLICATION_NOT_FOUND) == "6A82 file or application not found"


@pytest.mark.parametrize(
    ("sw", "reason"),
    [
        (Status.SELECTED_FILE_DEACTIVATED, Reason.CARD_LOCKED),
        (Status.SELECTED_FILE_IN_TERMINATION_STATE, Reason.CARD_LOCKED),
        (Status.AUTHENTICATION_METHOD_BLOCKED, Reason.CARD_LOCKED),
        (Status.MEMORY_FAILURE, Reason.CARD_DAMAGED),
        (Status.PART_OF_RETURNED_DATA_MAY_BE_CORRUPTED, Reason.CARD_DAMAGED),
        (Status.FILE_OR_APPLICATION_NOT_FOUND, Reason.CARD_UNREADABLE),
        (0x6F42, Reason.CARD_UNREADABLE),
    ],
)
def test_a_status_word_is_a_reason_for_staff(sw: int, reason: Reason) -> None:
    with pytest.raises(CardUnreadable) as refusal:
        demand(lambda apdu: (b"", sw), select(AID), "SELECT")
    assert refusal.value.reason == reason
    assert is_selected(lambda apdu: (b"", sw), select(AID)) is (reason is Reason.CARD_LOCKED)


@pytest.mark.parametrize("refused", ["6A86", "6B00"])
def test_a_card_that_wants_to_give_a_template_or_none_is_asked_otherwise(refused: str) -> None:
    card = ScriptedCard(refused, "6F009000", refused, "9000")
    assert demand(handle_status(card), select(AID), "SELECT") == b"\x6f\x00"
    assert is_selected(handle_status(card), select(AID, 0x00))
    assert [command[4:8] for command in card.commands] == ["040C", "0400", "0400", "040C"]


def test_a_card_that_wants_to_be_told_the_length_of_its_template_is_told() -> None:
    card = ScriptedCard("6700", "6F009000")
    assert is_selected(handle_status(card), select(AID, 0x00))
    assert card.commands[1] == card.commands[0] + "00"


def test_no_other_command_is_asked_otherwise() -> None:
    card = ScriptedCard("6700")
    with pytest.raises(CardUnreadable, match="6700 wrong length"):
        demand(handle_status(card), bytes.fromhex("00CA1100020000"), "GET DATA")


def test_a_file_by_its_identifier_is_one_command() -> None:
    assert select_file(bytes.fromhex("EF01"), 0x02, 0x04).hex().upper() == "00A4020402EF01"


def test_get_response_of_the_first_thai_cards_is_asked_with_p2_01() -> None:
    card = ScriptedCard("6102", "6A86", "AABB9000")
    assert handle_status(card)(bytes.fromhex("80B0000402000D")) == (b"\xaa\xbb", 0x9000)
    assert card.commands[1:] == ["00C0000002", "00C0000102"]


@pytest.mark.parametrize("most", [0xFF, 0x80, 0x10])
def test_a_reader_that_refuses_long_answers_is_asked_for_shorter_ones(most: int) -> None:
    content = bytes(place % 251 for place in range(700))
    session = card_with(content)

    def transmit_raw(apdu: bytes) -> bytes:
        return b"\x67\x00" if apdu[1] == 0xB0 and apdu[4] > most else session.respond(apdu)

    assert read_file(handle_status(transmit_raw), 1, 1000) == content


def test_a_card_that_refuses_every_length_is_unreadable() -> None:
    with pytest.raises(CardUnreadable, match="6700 wrong length"):
        read_selected(handle_status(lambda apdu: b"\x67\x00"), "a file", 100)


@pytest.mark.parametrize(("at_once", "is_read"), [(0xF0, True), (0x20, True), (0x10, True), (0x0F, False), (1, False)])
def test_a_card_that_hands_its_file_out_in_crumbs_is_not_waited_for(at_once: int, is_read: bool) -> None:
    content, commands = bytes(range(256)) * 8, 0

    def transmit(apdu: bytes) -> tuple[bytes, int]:
        nonlocal commands
        commands += 1
        offset = apdu[2] << 8 | apdu[3]
        return content[offset : offset + min(at_once, apdu[4])], Status.NO_FURTHER_QUALIFICATION

    if is_read:
        assert read_selected(transmit, "a file", len(content)) == content
        return
    with pytest.raises(CardUnreadable, match="next to nothing"):
        read_selected(transmit, "a file", len(content))
    assert commands < 10

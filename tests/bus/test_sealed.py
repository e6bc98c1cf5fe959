"""What the broker carries between station and hub: nothing of it can be read, changed, moved or turned round."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.bus.sealed import Direction, NotSealed, Sealer

KEY = bytes(range(32))
SEALER = Sealer(KEY, "praxis")
TOPIC, TOKEN, EXPIRES_AT_MS = "kioskd/praxis/request/check-in", b"0123456789abcdef", 1_795_852_800_000
PLAIN = '{"family": "Weißmüller"}'.encode()


def sealed(plain: bytes = PLAIN) -> bytes:
    return SEALER.seal(Direction.REQUEST, TOPIC, TOKEN, EXPIRES_AT_MS, plain)


@given(plain=st.binary(max_size=500), topic=st.text(max_size=50), token=st.binary(max_size=32))
def test_what_was_sealed_is_opened_with_its_expiry(plain: bytes, topic: str, token: bytes):
    message = SEALER.seal(Direction.REPLY, topic, token, EXPIRES_AT_MS, plain)
    opened = SEALER.open(Direction.REPLY, topic, token, message)
    assert (opened.plain, opened.expires_at_ms) == (plain, EXPIRES_AT_MS)
    assert len(message) == 1 + 8 + 12 + len(plain) + 16


def test_a_message_that_was_sealed_by_an_earlier_build_is_still_opened():
    """Sealed once with this code; another station of the site may still speak so."""
    message = bytes.fromhex(
        "01000001a2212b1000"
        "94826a1fcee8116b3d59f1ea"
        "25296194325ec98f7d55e2f92a67ca247e3ab7ede038106ad70a532f72e915a230c2bbc26d22dde31e3b"
    )
    assert SEALER.open(Direction.REQUEST, TOPIC, TOKEN, message).plain == PLAIN


def test_a_change_of_any_bit_is_noticed():
    message = sealed()
    for bit in range(8 * len(message)):
        changed = bytearray(message)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotSealed):
            SEALER.open(Direction.REQUEST, TOPIC, TOKEN, bytes(changed))


@pytest.mark.parametrize("length", range(len(sealed())))
def test_a_message_that_was_cut_is_noticed(length: int):
    with pytest.raises(NotSealed):
        SEALER.open(Direction.REQUEST, TOPIC, TOKEN, sealed()[:length])


@pytest.mark.parametrize(
    ("sealer", "direction", "topic", "token"),
    [
        (SEALER, Direction.REPLY, TOPIC, TOKEN),
        (SEALER, Direction.REQUEST, "kioskd/praxis/request/ask-for-help", TOKEN),
        (SEALER, Direction.REQUEST, TOPIC, b"0123456789abcdeF"),
        # The same bytes with the border between topic and token elsewhere.
        (SEALER, Direction.REQUEST, TOPIC + "0", TOKEN[1:]),
        (Sealer(KEY, "another-site"), Direction.REQUEST, TOPIC, TOKEN),
        (Sealer(os.urandom(32), "praxis"), Direction.REQUEST, TOPIC, TOKEN),
    ],
    ids=["as a reply", "another topic", "another request", "border moved", "another site", "another key"],
)
def test_a_message_in_another_place_is_no_message(sealer: Sealer, direction: Direction, topic: str, token: bytes):
    with pytest.raises(NotSealed, match="sealed with another site key, for another request, or changed") as refusal:
        sealer.open(direction, topic, token, sealed())
    assert refusal.value.reason == "changed"


def test_another_version_of_the_seal_is_said_with_both_versions():
    with pytest.raises(NotSealed, match="a seal of version 2; this side knows version 1") as refusal:
        SEALER.open(Direction.REQUEST, TOPIC, TOKEN, b"\x02" + sealed()[1:])
    assert refusal.value.reason == "version"


def test_the_same_content_never_looks_the_same_twice():
    assert len({sealed() for _ in range(1000)}) == 1000


def test_neither_key_nor_content_is_in_a_representation():
    opened = SEALER.open(Direction.REQUEST, TOPIC, TOKEN, sealed())
    assert "Wei" not in repr(opened)
    assert KEY.hex() not in repr(vars(SEALER))


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="31 bytes, not 32"):
        Sealer(KEY[:31], "praxis")

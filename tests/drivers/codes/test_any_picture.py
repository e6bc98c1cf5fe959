"""Whatever a picture holds: readings or our own error, in bounded time and memory."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from drivers.codes import PictureUnreadable, Symbology, read_image
from drivers.codes.ladder import Decoder
from drivers.codes.picture import MOST_PIXELS, Grey
from drivers.codes.reading import DecoderOptions
from drivers.codes.steady import FrameHistory
from drivers.codes.synthetic import code_picture

DECODER_OPTIONS = DecoderOptions(frozenset(Symbology))
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LONG = settings(max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def frames(draw: st.DrawFn) -> Grey:
    """Noise, flat areas, stripes and torn codes, of any size from one pixel up."""
    height, width, seed = draw(st.integers(1, 260)), draw(st.integers(1, 400)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    kind = draw(st.sampled_from(["noise", "flat", "stripes", "blocks", "torn code"]))
    if kind == "noise":
        return random.integers(0, 256, (height, width), dtype=np.uint8)
    if kind == "flat":
        return np.full((height, width), draw(st.integers(0, 255)), np.uint8)
    if kind == "stripes":
        return np.tile(random.choice(np.array([0, 255], np.uint8), width), (height, 1))
    if kind == "blocks":
        cells = random.choice(np.array([0, 255], np.uint8), (height // 4 + 1, width // 4 + 1))
        return np.kron(cells, np.ones((4, 4), np.uint8))
    code = np.pad(code_picture(draw(st.sampled_from(Symbology)), b"123456789012"), 6, constant_values=255)
    code = np.kron(code, np.ones((draw(st.integers(1, 30)), draw(st.integers(1, 5))), np.uint8))
    return np.ascontiguousarray(code[draw(st.integers(0, 5)) :, draw(st.integers(0, 5)) :][:600, :1200])


def is_harmless(frame: Grey) -> bool:
    readings = Decoder(DECODER_OPTIONS).read(frame, within_s=0.05)
    return all(reading.data and len(reading.quad) == 4 for reading in readings)


@QUICK
@given(frames())
def test_any_frame_is_read_or_not_and_nothing_else(frame: Grey) -> None:
    assert is_harmless(frame)


@pytest.mark.long
@pytest.mark.timeout(7200)
@LONG
@given(frames())
def test_any_of_many_frames_is_read_or_not_and_nothing_else(frame: Grey) -> None:
    assert is_harmless(frame)


@QUICK
@given(st.lists(frames(), min_size=1, max_size=4))
def test_any_frames_in_any_order_can_be_combined(shots: list[Grey]) -> None:
    history = FrameHistory(3)
    for shot in shots:
        history.add(shot)
        combined = history.combined()
        assert combined is None or combined.shape == shot.shape
        assert 1 <= len(history) <= 3


def packed(mode: str, size: tuple[int, int], kind: str) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind)
    return out.getvalue()


PICTURES = [packed("L", (40, 40), "PNG"), packed("RGBA", (30, 50), "PNG"), packed("RGB", (50, 30), "JPEG")]
PICTURES += [packed("P", (9, 9), "PNG"), packed("RGB", (16, 16), "WEBP"), packed("1", (1, 1), "PNG")]


@QUICK
@given(st.sampled_from(PICTURES), st.integers(0, 400), st.binary(max_size=8), st.integers(0, 400))
def test_a_damaged_file_is_read_or_refused(picture: bytes, at: int, change: bytes, cut: int) -> None:
    damaged = picture[:at] + change + picture[at + len(change) : len(picture) - cut]
    with contextlib.suppress(PictureUnreadable):
        assert read_image(damaged) == []


def test_a_small_file_that_unpacks_to_a_huge_picture_is_refused() -> None:
    bomb = packed("1", (MOST_PIXELS // 5000, 5001), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(PictureUnreadable, match="megapixels"):
        read_image(bomb)


def test_a_telephone_photograph_is_read() -> None:
    code = np.kron(code_picture(Symbology.QR, b"M7HIM4KLV"), np.ones((20, 20), np.uint8))
    photograph = np.full((3000, 4000), 230, np.uint8)
    photograph[1000 : 1000 + code.shape[0], 2000 : 2000 + code.shape[1]] = code
    out = io.BytesIO()
    Image.fromarray(photograph).save(out, "JPEG")
    (reading,) = read_image(out.getvalue(), within_s=60)
    assert reading.data == b"M7HIM4KLV"
    assert 1990 < reading.quad[0][0] < 2010

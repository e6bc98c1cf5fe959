from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from drivers.codes import DecoderOptions, Reading, Symbology
from drivers.codes.ladder import Decoder
from drivers.codes.picture import Grey
from drivers.codes.synthetic import code_picture, sample
from drivers.codes.views import View

LONG_ENOUGH_S = 60.0
HARD = {
    Symbology.CODE_128: "low light",
    Symbology.CODE_39: "noise",
    Symbology.QR: "perspective",
    Symbology.DATA_MATRIX: "motion blur",
    Symbology.AZTEC: "focus blur",
    Symbology.PDF417: "any rotation",
    Symbology.EAN: "any rotation",
    Symbology.INTERLEAVED_2_OF_5: "any rotation",
}
EVERYTHING = DecoderOptions(frozenset(Symbology))


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def bars(data: bytes, kind: Symbology = Symbology.CODE_128, *, noise_seed: int = 0) -> Grey:
    """A one-dimensional code, three pixels a module, on white, with a little noise."""
    code = np.pad(np.kron(code_picture(kind, data), np.ones((60, 3), np.uint8)), 40, constant_values=255)
    noise = np.random.default_rng(noise_seed).normal(0, 2, code.shape)
    return (code + noise).clip(0, 255).astype(np.uint8)


def look(picture: Grey, other: Grey | None = None) -> View:
    return View("test", picture, np.eye(3), is_turned=True, other=other)


def zxing_alone(frame: Grey) -> Iterator[View]:
    """A look at which the second decoder sees nothing."""
    yield look(frame, np.full_like(frame, 255))


@pytest.mark.parametrize("symbology", HARD)
@pytest.mark.parametrize("is_hard", [False, True], ids=["clean", "hard"])
def test_each_kind_of_code_is_read(symbology: Symbology, is_hard: bool) -> None:
    seen = sample(symbology, HARD[symbology] if is_hard else "clean", 1)
    readings = Decoder(EVERYTHING).read(seen.frame, within_s=LONG_ENOUGH_S)
    assert [(reading.kind, reading.data) for reading in readings] == [(symbology, seen.data)]


@pytest.mark.parametrize("symbology", [Symbology.QR, Symbology.PDF417, Symbology.CODE_128])
def test_the_place_of_a_code_is_that_in_the_frame(symbology: Symbology) -> None:
    seen = sample(symbology, "any rotation", 1)
    (reading,) = Decoder().read(seen.frame, within_s=LONG_ENOUGH_S)
    middle = np.mean(reading.quad, axis=0).round().astype(int)
    around = seen.frame[middle[1] - 40 : middle[1] + 40, middle[0] - 40 : middle[0] + 40]
    # Only a code has as much black as white over 80 x 80 pixels.
    assert 0.2 < (around < 128).mean() < 0.8


def test_what_is_not_asked_for_is_not_read() -> None:
    seen = sample(Symbology.EAN, "clean", 1)
    assert Decoder().read(seen.frame, within_s=LONG_ENOUGH_S) == []
    assert Decoder(EVERYTHING).read(seen.frame, within_s=LONG_ENOUGH_S)[0].data == seen.data


def test_bars_that_one_decoder_reads_in_one_frame_are_not_believed() -> None:
    assert Decoder(looks=zxing_alone).read(bars(b"M7HIM4KLV")) == []


def test_bars_that_two_decoders_read_alike_are_believed() -> None:
    (reading,) = Decoder(looks=lambda frame: [look(frame)]).read(bars(b"M7HIM4KLV"))
    assert (reading.symbology, reading.data) == ("]C0", b"M7HIM4KLV")


def test_bars_that_two_decoders_read_differently_are_not_believed() -> None:
    looks = [look(bars(b"M7HIM4KLV"), bars(b"M7HIM4KLX"))]
    assert Decoder(looks=lambda _: looks).read(bars(b"M7HIM4KLV")) == []


def test_bars_that_two_frames_show_are_believed() -> None:
    decoder = Decoder(looks=zxing_alone)
    assert decoder.read(bars(b"M7HIM4KLV", noise_seed=1)) == []
    (reading,) = decoder.read(bars(b"M7HIM4KLV", noise_seed=2))
    assert reading.data == b"M7HIM4KLV"


def test_a_camera_that_repeats_its_last_frame_is_no_second_opinion() -> None:
    decoder = Decoder(looks=zxing_alone)
    frame = bars(b"M7HIM4KLV")
    assert [decoder.read(frame), decoder.read(frame.copy())] == [[], []]


def test_a_picture_made_of_earlier_frames_is_no_second_opinion() -> None:
    decoder = Decoder(looks=zxing_alone)
    assert decoder.read(bars(b"M7HIM4KLV", noise_seed=1)) == []
    assert decoder.read(bars(b"M7HIM4KLV", noise_seed=2), is_combined=True) == []


def test_two_frames_far_apart_in_time_are_no_second_opinion() -> None:
    clock = Clock()
    decoder = Decoder(looks=zxing_alone, now=clock)
    assert decoder.read(bars(b"M7HIM4KLV", noise_seed=1)) == []
    clock.s = 5
    assert decoder.read(bars(b"M7HIM4KLV", noise_seed=2)) == []


def test_bars_that_were_read_in_two_ways_are_not_believed() -> None:
    looks = [look(bars(b"M7HIM4KLV"), bars(b"12345678")), look(bars(b"M7HIM4KLX"))]
    assert Decoder(looks=lambda _: looks).read(bars(b"M7HIM4KLV")) == []


def test_bars_that_fail_the_format_check_of_the_site_are_not_believed() -> None:
    def has_nine_digits(reading: Reading) -> bool:
        return len(reading.data) == 9 and reading.data.isdigit()

    decoder = Decoder(DecoderOptions(is_well_formed=has_nine_digits))
    assert decoder.read(sample(Symbology.CODE_128, "clean", 1).frame, within_s=LONG_ENOUGH_S) == []
    assert decoder.read(bars(b"123456789"), within_s=LONG_ENOUGH_S)[0].data == b"123456789"


@pytest.mark.parametrize(("within_s", "looks"), [(0.0, 1), (0.05, 5), (0.25, 25)])
def test_no_look_is_begun_after_the_deadline(within_s: float, looks: int) -> None:
    clock, begun = Clock(), 0

    def slow_looks(frame: Grey) -> Iterator[View]:
        nonlocal begun
        while True:
            begun += 1
            clock.s = begun * 0.01
            yield look(frame)

    assert Decoder(now=clock, looks=slow_looks).read(np.full((60, 60), 255, np.uint8), within_s=within_s) == []
    assert begun == looks


def test_a_frame_without_a_code_says_nothing() -> None:
    dots = np.random.default_rng(1).integers(0, 256, (720, 1280), dtype=np.uint8)
    assert Decoder(EVERYTHING).read(dots, within_s=LONG_ENOUGH_S) == []


def test_data_stay_out_of_what_is_logged() -> None:
    (reading,) = Decoder().read(sample(Symbology.QR, "clean", 1).frame, within_s=LONG_ENOUGH_S)
    assert reading.data
    assert str(reading.data)[2:-1] not in repr(reading)

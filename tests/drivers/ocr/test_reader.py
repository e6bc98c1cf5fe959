"""The reading process: that it reads, and what becomes of it when it hangs, dies, answers nonsense or is not needed.

What goes wrong is played by small programs that speak the same frames; what reads is the real one, started once.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from drivers.codes import PictureUnreadable
from drivers.ocr import PrintedCardReader
from drivers.ocr.photographed import photo
from drivers.ocr.process import MOST_BYTES
from drivers.ocr.synthetic import PaperCard, paper_card
from kioskd.core.printed_card import FieldName, PhotoRefused, PhotoTrouble, PrintedCard, ReadField, Side
from kioskd.errors import DeviceUnavailable

pytestmark = pytest.mark.xdist_group("card-text")
"""One test process, so that the module's reading process (450 MiB) is started once."""

PATIENT_S = 60.0
"""For a loaded machine; on a quiet one a card takes 1 s."""

_FRAMES = """
import json, os, struct, sys, time
def photo():
    head = sys.stdin.buffer.read(4)
    return sys.stdin.buffer.read(struct.unpack(">I", head)[0]) if head else sys.exit()
def answer(body):
    sys.stdout.buffer.write(struct.pack(">I", len(body)) + body)
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def playing() -> Iterator[object]:
    """A reader whose process is the given program."""
    readers: list[PrintedCardReader] = []

    def start(program: str) -> PrintedCardReader:
        readers.append(PrintedCardReader("card photo", command=[sys.executable, "-S", "-c", _FRAMES + program]))
        return readers[-1]

    yield start
    for reader in readers:
        reader.close()


@pytest.fixture(scope="module")
def reader() -> Iterator[PrintedCardReader]:
    """The real one; its process starts with the first photo."""
    reader = PrintedCardReader("card photo", idle_s=300)
    yield reader
    reader.close()


def wait_until_gone(pid: int, within_s: float = 20) -> None:
    """Until a process has ended and was collected."""
    deadline = time.monotonic() + within_s
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "it still runs"
        threading.Event().wait(0.02)


def jpeg(image: Image.Image) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=90)
    return packed.getvalue()


def centre(box: tuple[tuple[int, int], ...]) -> tuple[float, float]:
    return sum(x for x, _ in box) / 4, sum(y for _, y in box) / 4


# --- the real one --------------------------------------------------------------------------------------------------


def read(reader: PrintedCardReader, card: PaperCard, condition: str) -> PrintedCard:
    back = photo(card.back, condition, 2) if card.back else None
    result = reader.read_card(photo(card.front, condition, 1), back, PATIENT_S)
    assert isinstance(result, PrintedCard)
    return result


def test_both_sides_of_a_card_are_read_from_photos(reader: PrintedCardReader) -> None:
    card = paper_card("us-medicaid", 7)
    found = read(reader, card, "tilt")
    assert {one.name: one.value for one in found.fields} == card.truth
    sides = {one.name: one.side for one in found.fields}
    assert (sides[FieldName.NAME], sides[FieldName.RX_BIN]) == (Side.FRONT, Side.BACK)


def test_a_photo_on_its_head_is_read_and_the_boxes_are_those_of_the_photo(reader: PrintedCardReader) -> None:
    card = paper_card("us-stacked", 3)
    flat = card.front.resize((1168, 736)).rotate(180)
    found = reader.read_card(jpeg(flat), None, PATIENT_S)
    assert isinstance(found, PrintedCard)
    assert found.value(FieldName.MEMBER_ID) == card.truth[FieldName.MEMBER_ID]
    x, y = centre(next(one.box for one in found.fields if one.name is FieldName.PAYER))
    assert x > 500, "the payer is at the top left of the card, so at the bottom right of a photo on its head"
    assert y > 600


@pytest.mark.parametrize(
    ("trouble", "image"),
    [
        (PhotoTrouble.TOO_DARK, Image.new("RGB", (1280, 720), (12, 12, 14))),
        (PhotoTrouble.TOO_SMALL, paper_card("us-inline", 1).front.resize((320, 202))),
    ],
)
def test_a_photo_that_cannot_be_read_is_refused_with_its_trouble(
    reader: PrintedCardReader, trouble: PhotoTrouble, image: Image.Image
) -> None:
    assert reader.read_card(jpeg(image), None, PATIENT_S) == PhotoRefused(Side.FRONT, trouble)


@pytest.mark.parametrize("picture", [b"", b"GIF89a" + bytes(40), bytes(MOST_BYTES + 1)])
def test_bytes_that_are_no_picture_are_refused(reader: PrintedCardReader, picture: bytes) -> None:
    with pytest.raises(PictureUnreadable):
        reader.read_card(picture, None, PATIENT_S)


def test_a_process_that_was_killed_is_replaced_for_the_next_photo(reader: PrintedCardReader) -> None:
    picture = jpeg(Image.new("RGB", (640, 400), (10, 10, 10)))
    reader.read_card(picture, None, PATIENT_S)
    first = reader.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until_gone(first)
    assert reader.read_card(picture, None, PATIENT_S) == PhotoRefused(Side.FRONT, PhotoTrouble.TOO_DARK)
    assert reader.pid not in {None, first}


def test_the_process_ends_when_nobody_needs_it() -> None:
    reader = PrintedCardReader("card photo", idle_s=0.1)
    picture = jpeg(Image.new("RGB", (640, 400), (10, 10, 10)))
    assert reader.pid is None, "nothing runs before the first photo"
    # Between the photos it may have ended already: the reader starts another one and nobody notices.
    for _ in range(2):
        assert isinstance(reader.read_card(picture, None, PATIENT_S), PhotoRefused)
    if (pid := reader.pid) is not None:
        wait_until_gone(pid)
    assert reader.pid is None
    reader.close()


# --- programs that misbehave ---------------------------------------------------------------------------------------


def test_a_process_that_hangs_is_ended_at_the_deadline(playing) -> None:
    reader = playing("photo(); time.sleep(600)")
    caught: list[DeviceUnavailable] = []

    def ask() -> None:
        try:
            reader.read_card(b"photo", None, 2.0)
        except DeviceUnavailable as error:
            caught.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + 5
    while reader.pid is None and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    pid = reader.pid
    asking.join(30)
    assert "no answer within 2 s" in str(caught[0])
    assert reader.pid is None
    if pid is not None:
        wait_until_gone(pid)


def test_a_process_that_does_not_take_the_photo_is_ended_at_the_deadline(playing) -> None:
    with pytest.raises(DeviceUnavailable, match=r"no answer within 0\.5 s"):
        playing("time.sleep(600)").read_card(bytes(5_000_000), None, 0.5)


def test_a_process_that_dies_over_a_photo_is_reported_and_the_next_photo_is_read(playing) -> None:
    reader = playing("photo() == b'deadly' and os._exit(9); answer(b'{\"trouble\": \"blurred\"}'); photo()")
    with pytest.raises(DeviceUnavailable, match="ended with exit code 9"):
        reader.read_card(b"deadly", None, 20)
    assert reader.read_card(b"harmless", None, 20) == PhotoRefused(Side.FRONT, PhotoTrouble.BLURRED)


@pytest.mark.parametrize(
    "body",
    ["not JSON", "[]", '{"lines": [{"text": "A123456780"}]}', '{"lines": [], "to_photo": [1]}', '{"trouble": "odd"}'],
)
def test_nonsense_for_an_answer_is_told_without_quoting_it(playing, body: str) -> None:
    with pytest.raises(DeviceUnavailable) as caught:
        playing(f"photo(); answer({body.encode()!r}); photo()").read_card(b"photo", None, 20)
    assert "A123456780" not in str(caught.value)


def test_where_the_text_reader_is_not_installed_the_extra_is_named(playing) -> None:
    body = json.dumps({"missing": "No module named 'rapidocr'"}).encode()
    with pytest.raises(DeviceUnavailable, match=r"kioskd\[ocr\]"):
        playing(f"photo(); answer({body!r}); photo()").read_card(b"photo", None, 20)


def test_a_back_with_nothing_on_it_is_no_trouble(playing) -> None:
    box = [[0, 0], [200, 0], [200, 30], [0, 30]]
    one = {"text": "RxBIN: 004336", "second": "RxBIN: 004336", "score": 0.99, "second_score": 0.99, "box": box}
    # The flat card is half as large as it was in the photo and lies 10 pixels from its left edge.
    front = json.dumps({"lines": [one], "to_photo": [2, 0, 10, 0, 2, 0, 0, 0, 1]}).encode()
    bare = json.dumps({"trouble": "nothing-printed"}).encode()
    reader = playing(f"answer({front!r} if photo() == b'front' else {bare!r}); answer({bare!r} if photo() else b'')")
    card = reader.read_card(b"front", b"back", 20)
    confidence = card.fields[0].confidence
    assert card.fields == (
        ReadField(FieldName.RX_BIN, "004336", confidence, ((10, 0), (410, 0), (410, 60), (10, 60)), Side.FRONT),
    )


def test_closing_twice_is_harmless(playing) -> None:
    reader = playing("photo()")
    reader.close()
    reader.close()
    assert reader.pid is None

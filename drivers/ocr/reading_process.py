"""The process in which text is read: a photo in, its lines out.

``python -m drivers.ocr.reading_process IDLE_S WITHIN_S``

Frames on standard input and output are four bytes of length (big-endian) and so many bytes: photos in, JSON out. It
ends by itself when its input ends, after ``IDLE_S`` seconds without a photo (which gives its half gigabyte back), and,
by the kernel's alarm, when one photo takes more than ``WITHIN_S`` seconds, wherever it hangs.

rapidocr's wheel holds the three models used here; its paths are given, so that nothing is ever fetched from a network.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import select
import signal
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

from drivers.ocr.photo import Flat, NoPhoto, Pixels, evened, laid_flat, opened, trouble
from drivers.ocr.process import MOST_BYTES
from drivers.ocr.spaces import with_spaces
from kioskd.core.printed_card import PhotoTrouble

_MODELS = {
    "Det.model_path": "PP-OCRv6_det_small.onnx",
    "Cls.model_path": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec.model_path": "PP-OCRv6_rec_small.onnx",
}
_MOST_LINES = 80
_THREADS = 2


class TextReader:
    """rapidocr, loaded. Raises ImportError or FileNotFoundError when it, or a model of it, is not installed."""

    def __init__(self) -> None:
        import rapidocr

        folder = Path(rapidocr.__file__).parent / "models"
        paths = {key: folder / name for key, name in _MODELS.items()}
        if missing := [path.name for path in paths.values() if not path.is_file()]:
            raise FileNotFoundError(f"rapidocr is installed without its models {', '.join(missing)}")
        settings: dict[str, Any] = {key: str(path) for key, path in paths.items()}
        settings["Global.log_level"] = "critical"
        settings["EngineConfig.onnxruntime.intra_op_num_threads"] = min(_THREADS, os.cpu_count() or 1)
        # Which of its four answers a call gives depends on its arguments, which no type checker follows.
        self._engine: Any = rapidocr.RapidOCR(params=settings)
        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)

    def read(self, picture: bytes) -> dict[str, Any]:
        """The answer for one photo, ready for JSON. Raises NoPhoto."""
        photo = opened(picture)
        flat = laid_flat(photo)
        if found := trouble(photo, flat):
            return {"trouble": found}
        flat = Flat(evened(flat.pixels), flat.to_photo, flat.is_found)
        flat, found_lines = self._upright(flat)
        if not found_lines:
            return {"trouble": PhotoTrouble.NOTHING_PRINTED}
        lines = [self._line(photo, flat, *line) for line in found_lines[:_MOST_LINES]]
        return {"lines": lines, "to_photo": [float(part) for part in flat.to_photo.ravel()]}

    def _lines(self, pixels: Pixels) -> list[tuple[Pixels, str, float]]:
        found = self._engine(pixels, use_det=True, use_cls=True, use_rec=True, return_word_box=False)
        if getattr(found, "boxes", None) is None or not found.txts:  # nothing found: another class, without boxes
            return []
        return [
            (box, text, float(score)) for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        ]

    def _upright(self, flat: Flat) -> tuple[Flat, list[tuple[Pixels, str, float]]]:
        """The card turned so that its print stands upright, and what is read on it."""
        lines = self._lines(flat.pixels)
        if lines and sum(_is_tall(box) for box, _, _ in lines) > len(lines) / 2:
            flat = _quarter_turned(flat)
            lines = self._lines(flat.pixels)
        if lines and self._is_upside_down(flat.pixels, [box for box, _, _ in lines]):
            flat = _quarter_turned(_quarter_turned(flat))
            lines = self._lines(flat.pixels)
        return flat, lines

    def _is_upside_down(self, pixels: Pixels, boxes: list[Pixels]) -> bool:
        """Whether most of the longest lines stand on their heads."""
        longest = sorted(boxes, key=lambda box: -float(abs(box[1] - box[0]).max()))[:5]
        votes = 0
        for box in longest:
            seen = self._engine(_cut(pixels, box), use_det=False, use_cls=True, use_rec=False)
            votes += sum(str(turn) == "180" and score > 0.9 for turn, score in seen.cls_res or ())
        return votes > len(longest) / 2

    def _line(self, photo: Pixels, flat: Flat, box: Pixels, text: str, score: float) -> dict[str, Any]:
        """One line, with what a second look says: at the photo itself, cut out larger and with full contrast."""
        import cv2

        there = cv2.perspectiveTransform(box[None].astype("float32"), flat.to_photo)[0]
        second = self._second_look(evened(_cut(photo, there, 64)))
        corners = [[float(x), float(y)] for x, y in box]
        return {"text": text, "score": score, "second": second[0], "second_score": second[1], "box": corners}

    def _second_look(self, line: Pixels) -> tuple[str, float]:
        """The text of one line with the spaces it should have, and the confidence of its least sure character."""
        seen = self._engine(line, use_det=False, use_cls=False, use_rec=True, return_word_box=True)
        if not seen.txts or not seen.txts[0].strip():
            return "", 0.0
        text, words = seen.txts[0], seen.word_results[0]
        sure = [one for character, one in zip(text, words.confs, strict=True) if not character.isspace()]
        scale = line.shape[1] / words.line_txt_len
        places = [(column + 0.5) * scale for word in words.word_cols for column in word]
        spaced = with_spaces(text, places, line)
        # Spaces that only the paper shows are a reason to look twice.
        return spaced, float(min(sure)) * (1.0 if spaced == text else 0.75)


def _is_tall(box: Pixels) -> bool:
    wide, tall = box.max(axis=0) - box.min(axis=0)
    return bool(tall > 1.5 * wide)


def _quarter_turned(flat: Flat) -> Flat:
    import cv2
    import numpy as np

    tall = flat.pixels.shape[0]
    # Turned clockwise, the pixel (x, y) was at (y, tall - x) before.
    back = np.array([[0, 1, 0], [-1, 0, tall], [0, 0, 1]], np.float64)
    return Flat(cv2.rotate(flat.pixels, cv2.ROTATE_90_CLOCKWISE), flat.to_photo @ back, flat.is_found)


def _cut(pixels: Pixels, box: Pixels, height_px: int = 48) -> Pixels:
    """A line cut out and laid level, with a little of what is around it."""
    import cv2
    import numpy as np

    top_left, top_right, bottom_right, bottom_left = (np.asarray(corner, np.float64) for corner in box)
    along = (top_right - top_left + bottom_right - bottom_left) / 2
    down = (bottom_left - top_left + bottom_right - top_right) / 2
    tall, wide = max(float(np.linalg.norm(down)), 1.0), max(float(np.linalg.norm(along)), 1.0)
    more_along, more_down = along / wide * tall * 0.15, down * 0.06
    source = [top_left - more_along - more_down, top_right + more_along - more_down]
    source += [bottom_right + more_along + more_down, bottom_left - more_along + more_down]
    width_px = int(min(max(height_px * (wide + 0.3 * tall) / (tall * 1.12), height_px), 40 * height_px))
    target = np.array([[0, 0], [width_px, 0], [width_px, height_px], [0, height_px]], np.float32)
    warp = cv2.getPerspectiveTransform(np.array(source, np.float32), target)
    return cv2.warpPerspective(
        pixels, warp, (width_px, height_px), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def _frame(source: BinaryIO) -> bytes | None:
    """The next frame, or None at the end of the input, also in the middle of one."""
    head = source.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack(">I", head)
    if length > MOST_BYTES:
        return None
    body = source.read(length)
    return body if len(body) == length else None


def main() -> None:
    idle_s, within_s = float(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the photo
    os.nice(5)  # the page and the printers come first
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between the frames
    signal.setitimer(signal.ITIMER_REAL, within_s)
    reader: TextReader | None = None
    while select.select([0], [], [], idle_s)[0]:
        signal.setitimer(signal.ITIMER_REAL, within_s)
        picture = _frame(sys.stdin.buffer)
        if picture is None:
            return
        answer: dict[str, Any]
        try:
            reader = reader or TextReader()
            answer = reader.read(picture)
        except NoPhoto as error:
            answer = {"no_photo": str(error)}
        except (ImportError, FileNotFoundError) as error:
            answer = {"missing": str(error)}
        body = json.dumps(answer).encode()
        replies.write(struct.pack(">I", len(body)) + body)
        replies.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()

"""Barcodes in pictures: hits, wrong reads and time of the decode ladder, beside what it is made of, in one run.

Made frames of 1280 x 720: a card with a code in each condition of ``drivers.codes.synthetic``, from fixed seeds that
nothing was tuned on. Each decoder is asked for the codes that it knows; ``zxing-cpp`` has the ladder's six kinds,
``pyzbar`` the three of them that zbar can decode. Times are those of one core's own work, so that another program
beside this one does not count. With ``../shared/corpora/barcodes``: zxing-cpp's own test pictures too, as they come.

    scripts/bench decode [frames in each cell, default 25]
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from pyzbar import pyzbar

from drivers.codes import DEFAULT_SYMBOLOGIES, PictureUnreadable, Symbology
from drivers.codes.engines import zxing_sightings
from drivers.codes.ladder import Decoder
from drivers.codes.picture import Grey, grey_of
from drivers.codes.steady import FrameHistory
from drivers.codes.synthetic import CONDITIONS, Sample, sample, still_samples

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpora" / "barcodes"
CODES = (
    Symbology.CODE_128, Symbology.CODE_39, Symbology.QR, Symbology.DATA_MATRIX, Symbology.AZTEC, Symbology.PDF417
)  # fmt: skip
LADDER = "kioskd"
BLUR = ("motion blur", "focus blur")
HARD = ("motion blur", "focus blur", "low light", "noise")
STILL_FRAMES = 5
CHARSETS = ("utf-8", "latin-1", "cp1252", "shift_jis", "gb18030", "cp437", "utf-16-be", "big5", "euc-kr")
Engine = Callable[[Grey], list[bytes]]


def ladder(frame: Grey) -> list[bytes]:
    return [reading.data for reading in Decoder(now=time.thread_time).read(frame)]


def patient_ladder(frame: Grey) -> list[bytes]:
    return [reading.data for reading in Decoder(now=time.thread_time).read(frame, within_s=2.0)]


def zxing(frame: Grey) -> list[bytes]:
    return [sighting.data for sighting in zxing_sightings(frame, DEFAULT_SYMBOLOGIES)]


def zbar(frame: Grey) -> list[bytes]:
    symbols = [pyzbar.ZBarSymbol.CODE128, pyzbar.ZBarSymbol.CODE39, pyzbar.ZBarSymbol.QRCODE]
    return [bytes(code.data) for code in pyzbar.decode(frame, symbols=symbols)]


def opencv_qr(detector: cv2.QRCodeDetector | cv2.QRCodeDetectorAruco) -> Engine:
    def read(frame: Grey) -> list[bytes]:
        text, *_ = detector.detectAndDecode(frame)
        return [text.encode()] if text else []

    return read


def opencv_bars(frame: Grey) -> list[bytes]:
    text, *_ = cv2.barcode.BarcodeDetector().detectAndDecode(frame)
    return [text.encode()] if text else []


ENGINES: dict[str, tuple[Engine, tuple[Symbology, ...]]] = {
    LADDER: (ladder, CODES),
    "zxing-cpp": (zxing, CODES),
    "pyzbar": (zbar, CODES),
    "OpenCV QR": (opencv_qr(cv2.QRCodeDetector()), (Symbology.QR,)),
    "OpenCV QR Aruco": (opencv_qr(cv2.QRCodeDetectorAruco()), (Symbology.QR,)),
    "OpenCV barcode": (opencv_bars, (Symbology.CODE_128,)),
}


class Tally:
    """Hits, wrong reads and milliseconds of one decoder."""

    def __init__(self) -> None:
        self.hits: dict[tuple[Symbology, str], list[bool]] = defaultdict(list)
        self.ms: dict[tuple[Symbology, str], list[float]] = defaultdict(list)
        self.wrong: list[tuple[Symbology, str]] = []

    def add(self, engine: Engine, seen: Sample, condition: str) -> None:
        cell = seen.symbology, condition
        begin = time.thread_time()
        read = engine(seen.frame)
        self.ms[cell].append((time.thread_time() - begin) * 1000)
        self.hits[cell].append(seen.data in read)
        self.wrong += [cell for data in read if data != seen.data]

    def hit_pct(self, cell: tuple[Symbology, str]) -> float:
        return 100.0 * float(np.mean(self.hits[cell]))

    def quantile_ms(self, share: float, symbologies: tuple[Symbology, ...] = CODES) -> float:
        return float(
            np.quantile([ms for cell, all_ms in self.ms.items() if cell[0] in symbologies for ms in all_ms], share)
        )


def made(job: tuple[Symbology, str, int]) -> Sample:
    cv2.setNumThreads(1)
    return sample(*job)


def made_still(job: tuple[Symbology, str, int]) -> list[Sample]:
    cv2.setNumThreads(1)
    return still_samples(*job, count=STILL_FRAMES)


def measure(count: int, workers: ProcessPoolExecutor) -> dict[str, Tally]:
    """Every engine on every frame, one after another."""
    tallies = {name: Tally() for name in ENGINES}
    for symbology in CODES:
        for condition in CONDITIONS:
            for seen in workers.map(made, [(symbology, condition, seed) for seed in range(count)], chunksize=4):
                for name, (engine, known) in ENGINES.items():
                    if symbology in known:
                        tallies[name].add(engine, seen, condition)
    return tallies


def measure_still(count: int, workers: ProcessPoolExecutor) -> Tally:
    """A card held still before the camera for a few frames: the ladder on each frame, and on all of them together."""
    tally = Tally()
    for symbology in CODES:
        for condition in HARD:
            for frames in workers.map(made_still, [(symbology, condition, seed) for seed in range(count)]):
                tally.add(lambda _, shots=frames: held_still(shots), frames[0], condition)  # type: ignore[misc]
    return tally


def held_still(frames: list[Sample]) -> list[bytes]:
    decoder, history = Decoder(now=time.thread_time), FrameHistory()
    for shot in frames:
        history.add(shot.frame)
        if read := decoder.read(shot.frame):
            return [reading.data for reading in read]
        combined = history.combined()
        if combined is not None and (read := decoder.read(combined, is_combined=True)):
            return [reading.data for reading in read]
    return []


def corpus_pictures() -> Iterator[tuple[str, Grey, bytes | None]]:
    """Set, picture, what it says (None: nothing)."""
    for path in sorted(CORPUS.glob("*/*")):
        if path.suffix not in (".png", ".webp", ".jpg"):
            continue
        said = next(
            (path.with_suffix(ending) for ending in (".bin", ".txt") if path.with_suffix(ending).exists()), None
        )
        if said is None and not path.parent.name.startswith("falsepositives"):
            continue  # one part of a message that is spread over several codes
        try:
            yield path.parent.name, grey_of(path.read_bytes()), said.read_bytes() if said else None
        except PictureUnreadable as error:
            print(f"{path.parent.name}/{path.name}: {error}")


def says(data: bytes, truth: bytes) -> bool:
    """Whether bytes are a text, in any of the character sets that codes are written in."""
    if data == truth:
        return True
    for charset in CHARSETS:
        try:
            if data.decode(charset).strip() == truth.decode().strip():
                return True
        except UnicodeDecodeError:
            continue
    return False


def measure_corpus() -> int:
    """Prints hits of each set; returns the ladder's wrong reads."""
    engines: dict[str, Engine] = {LADDER: patient_ladder, "zxing-cpp": zxing, "pyzbar": zbar}
    hits: dict[tuple[str, str], int] = defaultdict(int)
    wrong: dict[tuple[str, str], int] = defaultdict(int)
    pictures: dict[str, int] = defaultdict(int)
    for folder, picture, truth in corpus_pictures():
        pictures[folder] += 1
        for name, engine in engines.items():
            read = engine(picture)
            hits[name, folder] += truth is not None and any(says(data, truth) for data in read)
            wrong[name, folder] += sum(truth is None or not says(data, truth) for data in read)
    print(
        f"\n{'zxing-cpp test pictures':24}{'pictures':>9}" + "".join(f"{name + ' hit/wrong':>22}" for name in engines)
    )
    for folder, number in pictures.items():
        cells = "".join(f"{hits[name, folder]:>17} /{wrong[name, folder]:>3}" for name in engines)
        print(f"{folder:24}{number:>9}{cells}")
    return sum(number for (name, _), number in wrong.items() if name == LADDER)


def print_table(name: str, tally: Tally) -> None:
    conditions = list(dict.fromkeys(condition for _, condition in tally.hits))
    print(f"\n{name}: hit % / median ms")
    print(f"{'':12}" + "".join(f"{condition:>15}" for condition in conditions))
    for symbology in dict.fromkeys(symbology for symbology, _ in tally.hits):
        cells = ((symbology, condition) for condition in conditions)
        row = "".join(f"{tally.hit_pct(cell):>8.0f} /{np.median(tally.ms[cell]):>5.1f}" for cell in cells)
        print(f"{symbology.value:12}{row}")
    print(
        f"{'all':12}median {tally.quantile_ms(0.5):.1f} ms, p95 {tally.quantile_ms(0.95):.1f} ms,"
        f" wrong reads {len(tally.wrong)} {sorted({f'{code.value} {how}' for code, how in tally.wrong}) or ''}"
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    cv2.setNumThreads(1)
    with ProcessPoolExecutor(2) as workers:
        tallies = measure(count, workers)
        still = measure_still(max(1, count // 5), workers)
    for name, tally in tallies.items():
        print_table(name, tally)
    print_table(f"{LADDER}, a card held still for up to {STILL_FRAMES} frames", still)
    ours, theirs = tallies[LADDER], tallies["pyzbar"]
    wrong = len(ours.wrong) + len(still.wrong)
    if CORPUS.is_dir():
        wrong += measure_corpus()
    sharp = [ours.hit_pct(cell) for cell in ours.hits if cell[1] not in BLUR]
    blurred = [ours.hit_pct(cell) for cell in ours.hits if cell[1] in BLUR]
    print(
        f"figures: hit_min_pct={min(sharp):.0f} blur_min_pct={min(blurred):.0f} wrong={wrong}"
        f" ms_p50={ours.quantile_ms(0.5):.1f} ms_p95={ours.quantile_ms(0.95):.1f}"
        f" speedup_pyzbar={theirs.quantile_ms(0.5) / ours.quantile_ms(0.5):.1f}"
    )


if __name__ == "__main__":
    main()

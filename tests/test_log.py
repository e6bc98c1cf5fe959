"""What the log says of an error, and what it must not: a patient's name may be in every text that is not ours."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SET_UP = "import asyncio, logging, threading; from kioskd import log; log.set_up(logging.DEBUG)\n"
NAME = "Zwyrnqolt"
WAYS = {
    "logged": "try: int('NAME')\nexcept ValueError: logging.getLogger('kioskd.x').exception('a read failed')",
    "uncaught": "int('NAME')",
    "in a thread": "t = threading.Thread(target=int, args=('NAME',)); t.start(); t.join()",
    "in a group": "raise ExceptionGroup('two', [ValueError('NAME'), KeyError('NAME')])",
    "in a destructor": "class Gone:\n def __del__(self): int('NAME')\nGone()",
    "in a task that nobody asked": (
        "async def fail(): raise ValueError('NAME')\n"
        "async def main():\n t = asyncio.create_task(fail()); await asyncio.sleep(0); del t\n"
        "asyncio.run(main())"
    ),
    "in a callback": (
        "async def main():\n asyncio.get_running_loop().call_soon(int, 'NAME'); await asyncio.sleep(0)\n"
        "asyncio.run(main())"
    ),
    "in a log call": "logging.getLogger('kioskd.x').warning('%d left', 'NAME')",
}


@pytest.mark.parametrize("way", WAYS)
def test_an_error_is_told_by_kind_and_place_and_never_by_its_text(way: str) -> None:
    code = SET_UP + WAYS[way].replace("NAME", NAME)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert NAME not in done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    told = [line for line in lines if line["level"] in {"error", "critical"}]
    assert told, done.stderr
    assert "Error" in told[0].get("error", "") or "a log call failed" in told[0]["message"]


def test_an_ended_thread_that_was_asked_to_is_no_error() -> None:
    code = SET_UP + "t = threading.Thread(target=__import__('sys').exit); t.start(); t.join()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""


def test_an_error_of_the_system_is_told_with_its_reason_but_not_its_file() -> None:
    code = SET_UP + f"open('/nowhere/{NAME}')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert json.loads(done.stderr)["error"] == "FileNotFoundError: No such file or directory"
    assert NAME not in done.stderr

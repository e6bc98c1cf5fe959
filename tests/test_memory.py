"""The daemon's memory: no core of it is written however it dies, and no other program of its user reads it.

Root may trace what it likes, so the reader here is an ordinary user.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
PRIVATE = "from kioskd import memory; memory.keep_private();"
WAITS = "import sys; print('up', flush=True); sys.stdin.read()"
READS = """
import sys
for name in ("mem", "maps", "environ"):
    try:
        open(f"/proc/{sys.argv[1]}/{name}", "rb").read(1)
    except PermissionError:
        print("refused", name)
    except OSError:
        print("opened", name)  # page 0 of mem is not there
    else:
        print("opened", name)
"""


def as_user(*command: str) -> list[str]:
    """A command line as an ordinary user, whoever we are."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", *command]


def waiting(code: str, folder: Path, *prefix: str) -> subprocess.Popen[bytes]:
    """A process that said that it is up, and waits until it is killed."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", code + WAITS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def core_of(code: str, folder: Path, by: signal.Signals) -> list[str]:
    """What a killed process left in its folder, although whoever started it wanted a core of any size."""
    process = waiting(code, folder, "prlimit", "--core=unlimited")
    process.send_signal(by)
    process.communicate(timeout=30)
    assert process.returncode == -by
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("by", [signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT])
def test_a_crash_leaves_no_core(tmp_path: Path, by: signal.Signals) -> None:
    assert core_of(PRIVATE, tmp_path, by) == []


@pytest.mark.skipif(
    CORE_PATTERN.read_text().startswith(("|", "/", "@")), reason="this kernel does not put cores where a process works"
)
def test_without_this_a_crash_would_leave_one(tmp_path: Path) -> None:
    try:
        assert core_of("", tmp_path, signal.SIGABRT) != []
    except AssertionError:
        # Where the hard limit is 0 for everybody there is nothing to show.
        limit = subprocess.run(["prlimit", "--core=unlimited", "true"], check=False, timeout=10).returncode
        if limit == 0:
            raise


@pytest.mark.parametrize(("code", "said"), [(PRIVATE, "refused"), ("", "opened")], ids=["private", "as usual"])
def test_another_program_of_its_user_cannot_read_its_memory(tmp_path: Path, code: str, said: str) -> None:
    try_it = as_user(sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import kioskd.memory")
    if subprocess.run(try_it, capture_output=True, cwd="/", timeout=30, check=False).returncode:
        pytest.skip("an ordinary user can't read this checkout")
    process = waiting(code, Path("/"), *as_user())
    try:
        reader = as_user(sys.executable, "-c", READS, str(process.pid))
        done = subprocess.run(reader, capture_output=True, text=True, timeout=30, check=False)
    finally:
        process.kill()
        process.communicate()
    assert done.stdout.splitlines() == [f"{said} {name}" for name in ("mem", "maps", "environ")], done.stderr


def test_every_command_keeps_its_memory_private() -> None:
    code = (
        "import ctypes, resource, sys; from kioskd.__main__ import main; sys.argv = ['kioskd', 'drivers']; main(); "
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.splitlines()[-1] == "(0, 0) 0", done.stderr

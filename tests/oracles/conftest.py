"""Tools of other people as judges. They need Node.js; where it is missing these tests are skipped, and say so."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "node"
CACHE = Path(__file__).parents[2] / ".kioskd" / "node"
INSTALL_WITHIN_S = 100
AWAY = ("ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "ERR_SOCKET_TIMEOUT")
"""How npm says that its registry can't be reached. Anything else, such as a wrong hash, is a failure."""


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder with the packages of ``node/package-lock.json``, checked against its hashes; installed once."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js or npm is not installed: apt-get install nodejs npm")
    lock = (HERE / "package-lock.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "installing").open("w") as installing:
        fcntl.flock(installing, fcntl.LOCK_EX)
        done = folder / "done"
        if not done.exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder / name)
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--omit=optional"]
            ran = subprocess.run(
                [npm, "ci", *options], cwd=folder, capture_output=True, text=True, timeout=INSTALL_WITHIN_S, check=False
            )
            if ran.returncode and any(code in ran.stderr for code in AWAY):
                pytest.skip("the npm registry can't be reached from here, and nothing of it is in the cache")
            assert ran.returncode == 0, f"npm ci: {ran.stderr}"
            done.touch()
    return folder / "node_modules"

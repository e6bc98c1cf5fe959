"""The scripts: bash reads them, the locks pin every dependency by its hashes, README names what is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted([*(p for p in (ROOT / "scripts").iterdir() if p.is_file()), ROOT / ".ci" / "run"])
LOCKS = {name: ROOT / "scripts" / "requirements" / f"{name}.txt" for name in ("build", "run", "test")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def canonical(requirement: str) -> str:
    """The name of a requirement as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def pinned(lock: str) -> dict[str, str]:
    """Name and version of everything in a lock file."""
    text = LOCKS[lock].read_text(encoding="utf-8")
    return {canonical(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_run_and_stops_at_the_first_error(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=10)
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_addresses(lock: str) -> None:
    text = LOCKS[lock].read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    assert "find-links" not in text
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+==[\w.+-]+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+", entry.strip()), entry


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("build", PROJECT["build-system"]["requires"]),
        ("run", PROJECT["project"]["dependencies"]),
        ("test", PROJECT["project"]["dependencies"]),
        ("test", PROJECT["project"]["optional-dependencies"]["test"]),
    ],
)
def test_every_dependency_is_pinned(lock: str, wanted: list[str]) -> None:
    assert {canonical(requirement) for requirement in wanted} - pinned(lock).keys() == set()


def test_what_is_tested_is_what_runs() -> None:
    tested = pinned("test")
    assert {name: tested.get(name) for name in pinned("run")} == pinned("run")


def test_an_install_for_nothing_known_is_refused() -> None:
    said = subprocess.run(
        [ROOT / "scripts" / "install", "everything"], capture_output=True, text=True, timeout=10, check=False
    )
    assert (said.returncode, said.stderr) == (2, "usage: scripts/install run|test\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what scripts/install reads, and a folder ``bin`` of programs to put before the machine's own."""
    copy = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", copy / "scripts")
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / "bin").mkdir()
    return copy


def program(checkout: Path, name: str, body: str) -> None:
    path = checkout / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def install(checkout: Path, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "install"],
        env={"PATH": f"{checkout / 'bin'}:{path}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


ALL_INSTALLED = 'shift 3; for package in "$@"; do echo "ii $package"; done'
"""A dpkg-query that has every package it is asked for."""


def test_a_python_that_is_too_old_is_named(checkout: Path) -> None:
    program(checkout, "dpkg-query", ALL_INSTALLED)
    old = 'case $1 in --version) echo "Python 3.9.2";; *) echo False 3 9 2 /usr;; esac'
    program(checkout, "python3", old)
    said = install(checkout, os.environ["PATH"])
    assert said.returncode == 1
    assert "needs Python 3.11 or later" in said.stderr
    assert "Python 3.9.2" in said.stderr
    assert not (checkout / ".venv").exists()


def test_without_root_and_sudo_it_says_what_it_would_install(checkout: Path) -> None:
    program(checkout, "dpkg-query", 'echo "ii python3"')
    program(checkout, "id", "echo 1000")
    for name in ("bash", "dirname", "flock", "grep", "apt-get"):
        (checkout / "bin" / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    said = install(checkout, "")
    assert said.returncode == 1
    assert said.stderr.startswith("scripts/install needs root or sudo for: apt-get install python3-venv ")
    assert " python3 " not in said.stderr


def test_away_from_debian_it_says_so(checkout: Path) -> None:
    for name in ("bash", "dirname", "flock"):
        (checkout / "bin" / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    said = install(checkout, "")
    assert said.returncode == 1
    assert "works on Debian 12 or later" in said.stderr


def test_what_the_readme_tells_to_run_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bscripts/[a-z]+", readme))
    assert {"scripts/demo", "scripts/test"} <= named
    for name in named:
        assert os.access(ROOT / name, os.X_OK), name


@pytest.mark.parametrize("command", ["demo", "run", "check"])
def test_the_commands_of_the_readme_answer(command: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "kioskd", command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert f"kioskd {command}" in said.stdout

"""The unit files: systemd understands them, and they agree with the daemon that they start."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kioskd import app, config
from kioskd.__main__ import EX_CONFIG, _parser
from kioskd.config import StationConfig

FOLDER = Path(__file__).parents[1] / "systemd"
DAEMON, BROWSER = FOLDER / "kioskd.service", FOLDER / "kioskd-browser.service"
UNITS = (DAEMON, BROWSER)


def settings(unit: Path) -> dict[str, list[str]]:
    """What a unit sets, by key; continued lines are joined, comments are left out."""
    text = re.sub(r"\\\n\s*", "", unit.read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def systemd(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of systemd; none of them needs a running systemd. Skips where there is none, but not in CI."""
    path = shutil.which(program, path="/usr/bin:/bin")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is missing: apt-get install systemd")
    return subprocess.run([path, *arguments], capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with our units, the units that they name, and programs for their commands."""
    named = " ".join(value for unit in UNITS for key in ("Wants", "Requires") for value in settings(unit).get(key, ()))
    basic = "sysinit.target basic.target shutdown.target multi-user.target graphical.target -.mount tmp.mount"
    lib, etc = tmp_path / "usr/lib/systemd/system", tmp_path / "etc/systemd/system"
    for folder in (lib, etc):
        folder.mkdir(parents=True)
    for name in {*named.split(), *basic.split()} - {unit.name for unit in UNITS}:
        kind = name.rpartition(".")[2]
        body = {
            "service": "[Service]\nExecStart=/usr/bin/true\n",
            "socket": "[Socket]\nListenStream=/run/x\n",
            "mount": f"[Mount]\nWhat=none\nWhere=/{name.removesuffix('.mount').strip('-')}\n",
        }.get(kind, "")
        (lib / name).write_text(f"[Unit]\nDefaultDependencies=no\n{body}")
    (lib / "pcscd.service").write_text("[Service]\nExecStart=/usr/bin/true\n")
    programs = [
        line.split()[0]
        for unit in UNITS
        for key, lines in settings(unit).items()
        if key.startswith("Exec")
        for line in lines
    ]
    for program in (*programs, "/usr/bin/true"):
        file = tmp_path / program.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o755)
    for unit in UNITS:
        shutil.copy(unit, etc)
    return tmp_path


def test_systemd_understands_every_line(root: Path) -> None:
    said = systemd(
        "systemd-analyze", "verify", "--man=no", f"--root={root}", *(f"/etc/systemd/system/{u.name}" for u in UNITS)
    )
    assert (said.returncode, said.stderr) == (0, "")


def test_a_line_that_systemd_does_not_know_would_be_found(root: Path) -> None:
    unit = root / "etc/systemd/system/kioskd.service"
    unit.write_text(unit.read_text().replace("PrivateTmp=", "PrivateTemp="))
    said = systemd("systemd-analyze", "verify", "--man=no", f"--root={root}", f"/etc/systemd/system/{unit.name}")
    assert "PrivateTemp" in said.stderr


@pytest.mark.parametrize(
    ("unit", "most"), [(DAEMON, 15), (BROWSER, 25)], ids=lambda value: getattr(value, "name", value)
)
def test_its_exposure_stays_low(unit: Path, most: int) -> None:
    """``most``: ten times the score of ``systemd-analyze security``."""
    said = systemd("systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={most}", unit)
    assert said.returncode == 0, said.stdout.strip().rpartition("\n")[2]


def test_the_command_is_one_that_kioskd_has() -> None:
    (line,) = settings(DAEMON)["ExecStart"]
    program, *arguments = line.split()
    assert Path(program).name == "kioskd"
    options = _parser().parse_args(arguments)
    assert options.command.__name__ == "_run"
    assert options.config == Path("/etc/kioskd/site.toml")


def test_the_browser_opens_the_page_of_the_station() -> None:
    listen = StationConfig().listen
    (start,), (before,) = settings(BROWSER)["ExecStart"], settings(BROWSER)["ExecStartPre"]
    assert f"--kiosk http://{listen} " in start
    assert listen.replace(":", "/") in before


def test_a_wrong_site_file_does_not_start_again_and_everything_else_does() -> None:
    assert settings(DAEMON)["RestartPreventExitStatus"] == [str(EX_CONFIG)]
    assert settings(DAEMON)["Restart"] == ["on-failure"]
    assert settings(DAEMON)["StartLimitIntervalSec"] == ["0"]


def test_systemd_waits_longer_than_the_daemon_needs_to_stop() -> None:
    assert int(settings(DAEMON)["TimeoutStopSec"][0]) > app.STOP_WITHIN_S


def test_systemd_is_told_what_the_daemon_tells_and_expects_no_more() -> None:
    assert settings(DAEMON)["Type"] == ["notify"]
    sends_watchdog = any(
        "WATCHDOG=1" in file.read_text(encoding="utf-8") for file in FOLDER.parent.glob("kioskd/**/*.py")
    )
    assert ("WatchdogSec" in settings(DAEMON)) == sends_watchdog


def test_the_folder_of_the_databases_is_the_one_that_systemd_makes() -> None:
    (name,) = settings(DAEMON)["StateDirectory"]
    assert config.StoreConfig.model_fields["folder"].default == Path("/var/lib") / name


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files to users")
def test_users_and_folders_come_from_the_files_beside_the_units(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    said = systemd("systemd-sysusers", f"--root={tmp_path}", FOLDER / "kioskd.sysusers")
    assert said.returncode == 0, said.stderr
    users = (tmp_path / "etc/passwd").read_text()
    for unit in UNITS:
        assert f"{settings(unit)['User'][0]}:x:" in users

    said = systemd("systemd-tmpfiles", "--create", f"--root={tmp_path}", FOLDER / "kioskd.tmpfiles")
    assert said.returncode == 0, said.stderr
    made = (tmp_path / "etc/kioskd").stat()
    groups = {
        name: int(gid) for name, _, gid, _ in (g.split(":") for g in (tmp_path / "etc/group").read_text().splitlines())
    }
    assert (made.st_mode & 0o7777, made.st_uid, made.st_gid) == (0o750, 0, groups["kioskd"])

"""The unit files: systemd understands them, and they agree with the daemon that they start."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kioskd import app, config
from kioskd.__main__ import EX_CONFIG, _parser
from kioskd.config import HubConfig, StationConfig
from tests.faults.exposure import exposure

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "systemd"
DAEMON, BROWSER = FOLDER / "kioskd.service", FOLDER / "kioskd-browser@.service"
DROP_INS = sorted((FOLDER / "kioskd.service.d").iterdir())
PAGE = FOLDER / "browser.example.env"
UNITS = (DAEMON, BROWSER)
SCREENS = [f"/etc/systemd/system/kioskd-browser@{screen}.service" for screen in ("kiosk", "display")]
STOCK_BROKER = [Path(folder) / "systemd/system/mosquitto.service" for folder in ("/lib", "/usr/lib")]


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
    shutil.copytree(FOLDER / "kioskd.service.d", etc / "kioskd.service.d")
    return tmp_path


def test_systemd_understands_every_line(root: Path) -> None:
    said = systemd(
        "systemd-analyze", "verify", "--man=no", f"--root={root}", "/etc/systemd/system/kioskd.service", *SCREENS
    )
    assert (said.returncode, said.stderr) == (0, "")


def test_a_line_that_systemd_does_not_know_would_be_found(root: Path) -> None:
    unit = root / "etc/systemd/system/kioskd.service"
    unit.write_text(unit.read_text().replace("PrivateTmp=", "PrivateTemp="))
    said = systemd("systemd-analyze", "verify", "--man=no", f"--root={root}", f"/etc/systemd/system/{unit.name}")
    assert "PrivateTemp" in said.stderr


@pytest.mark.parametrize(
    ("unit", "drop_ins", "most"),
    [
        (DAEMON, [], 1.5),
        *((DAEMON, [drop_in], 1.5) for drop_in in DROP_INS),
        (DAEMON, DROP_INS, 1.5),
        (BROWSER, [], 2.5),
    ],
    ids=["daemon", *(drop_in.stem for drop_in in DROP_INS), "all drop-ins", "browser"],
)
def test_its_exposure_stays_low(unit: Path, drop_ins: list[Path], most: float) -> None:
    assert exposure(unit, drop_ins) <= most


def test_a_broker_of_debian_is_kept_to_its_job_by_our_drop_in() -> None:
    stock = next((p for p in STOCK_BROKER if p.exists()), None)
    if stock is None:
        pytest.skip("mosquitto is not installed")
    assert exposure(stock, [FOLDER / "mosquitto.service.d" / "kioskd.conf"]) <= 1.5 < 9 <= exposure(stock)


def test_a_unit_that_is_more_exposed_than_ours_may_be_would_be_found(tmp_path: Path) -> None:
    open_one = tmp_path / "open.service"
    open_one.write_text("[Service]\nExecStart=/usr/bin/true\n")
    codes = [
        systemd("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=15", unit).returncode
        for unit in (DAEMON, open_one)
    ]
    assert codes == [0, 1]
    assert exposure(open_one) > 9


def test_the_command_is_one_that_kioskd_has() -> None:
    (line,) = settings(DAEMON)["ExecStart"]
    program, *arguments = line.split()
    assert Path(program).name == "kioskd"
    options = _parser().parse_args(arguments)
    assert options.command.__name__ == "_run"
    assert options.config == Path("/etc/kioskd/site.toml")


def test_the_browser_opens_the_page_of_its_instance() -> None:
    (start,), (file,) = settings(BROWSER)["ExecStart"], settings(BROWSER)["EnvironmentFile"]
    assert "--kiosk ${PAGE} " in start
    assert file == "/etc/kioskd/browser-%i.env"
    assert f"PAGE=http://{StationConfig().listen}" in settings_of_pages()
    assert f"PAGE=http://{HubConfig.model_fields['display_listen'].default}/general" in settings_of_pages()


def settings_of_pages() -> list[str]:
    return [line.removeprefix("#") for line in PAGE.read_text().splitlines() if "PAGE=" in line]


@pytest.mark.parametrize("path", ["", "/general"])
def test_the_browser_waits_until_the_server_of_its_page_answers(path: str) -> None:
    line = settings(BROWSER)["ExecStartPre"][0]
    program, option, script = line.replace("$$", "$").replace("%%", "%").split(maxsplit=2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        page = f"http://127.0.0.1:{server.getsockname()[1]}{path}"
        done = subprocess.run([program, option, script.strip("'")], env={"PAGE": page}, timeout=20, check=False)
        server.accept()[0].close()
    assert done.returncode == 0


def test_the_browser_has_no_way_to_what_the_daemon_knows() -> None:
    daemon, browser = settings(DAEMON), settings(BROWSER)
    assert daemon["User"] != browser["User"]
    assert "kioskd" not in " ".join(browser["Group"] + browser["SupplementaryGroups"]).split()
    assert "-/etc/kioskd -/var/lib/kioskd" in browser["InaccessiblePaths"][0]
    assert browser["User"] == ["kioskd-browser"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_no_core_is_written_of_what_patients_see(unit: Path) -> None:
    assert settings(unit)["LimitCORE"] == ["0"]


def test_a_wrong_site_file_does_not_start_again_and_everything_else_does() -> None:
    assert settings(DAEMON)["RestartPreventExitStatus"] == [str(EX_CONFIG)]
    assert settings(DAEMON)["Restart"] == ["always"]
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
    assert (tmp_path / "etc/chromium/policies/managed").stat().st_mode & 0o7777 == 0o755
    assert (made.st_mode & 0o7777, made.st_uid, made.st_gid) == (0o750, 0, groups["kioskd"])


KEY = "0f" * 32
READ_KEY = "import sys; from pathlib import Path; from kioskd.store.engine import read_key; read_key(Path(sys.argv[1]))"


@pytest.mark.parametrize(
    ("mode", "is_credential", "problem"),
    [
        (0o440, True, ""),
        (0o400, True, ""),
        (0o444, True, "by others"),
        (0o460, True, "by others"),
        (0o440, False, "by others"),
    ],
)
def test_a_key_from_systemd_is_read_although_a_group_seems_to(
    tmp_path: Path, mode: int, is_credential: bool, problem: str
) -> None:
    """LoadCredential= opens the file by an access list, which shows as mode 0440 (systemd.exec(5))."""
    folders = {name: tmp_path / name for name in ("credentials", "elsewhere")}
    for folder in folders.values():
        folder.mkdir()
    key = folders["credentials" if is_credential else "elsewhere"] / "store.key"
    key.write_text(KEY)
    key.chmod(mode)
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(folders["credentials"])}
    command = [sys.executable, "-c", READ_KEY, str(key)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert problem in done.stderr
    assert (done.returncode == 0) == (not problem), done.stderr
    assert KEY not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="systemd-creds keeps its host key where only root may write")
def test_a_key_that_was_sealed_as_the_unit_says_comes_back_and_is_not_in_the_file(tmp_path: Path) -> None:
    (command,) = re.findall(r"systemd-creds encrypt (.*) - ", DAEMON.read_text(encoding="utf-8"))
    script = (
        "mount -t tmpfs tmpfs /var/lib/systemd && "
        f"systemd-creds encrypt --with-key=host {command} - sealed && systemd-creds decrypt {command} sealed -"
    )
    sealing = ["unshare", "--mount", "sh", "-c", script]
    done = subprocess.run(sealing, input=KEY, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, KEY), done.stderr
    assert KEY not in (tmp_path / "sealed").read_text()

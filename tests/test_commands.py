"""The smaller commands, on site files and databases of their own."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from kioskd.__main__ import main
from kioskd.config import StoreConfig
from kioskd.hub import tables as hub_tables
from kioskd.records import tables as records_tables
from kioskd.staff import tables as staff_tables
from kioskd.store import AuditEntry, audit, open_store
from tests.people import NOW
from tests.test_config import GOOD


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    """A site file whose databases are in a folder of their own."""
    key = tmp_path / "store.key"
    key.touch(mode=0o600)
    key.write_text("0f" * 32)
    store = f'key_file = "{key}"\nfolder = "{tmp_path / "data"}"'
    path = tmp_path / "site.toml"
    path.write_text(GOOD.replace('key_file = "/etc/kioskd/store.key"', store), encoding="utf-8")
    return path


def store_config(site_file: Path) -> StoreConfig:
    return StoreConfig(folder=site_file.parent / "data", key_file=site_file.parent / "store.key")


def edited(site_file: Path, old: str, new: str) -> Path:
    text = site_file.read_text(encoding="utf-8")
    assert old in text
    site_file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return site_file


def kioskd(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line as a process, the way an init script meets it."""
    command = [sys.executable, "-m", "kioskd", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_check_says_good_and_ends_with_0(site_file: Path) -> None:
    done = kioskd("check", site_file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{site_file}: good; Praxis am Markt, station, hub, records, 2 devices\n"


def test_check_of_a_core_that_is_wrong_ends_with_78(site_file: Path) -> None:
    done = kioskd("check", edited(site_file, 'series = "A"', 'series = "a"'))
    assert (done.returncode, done.stdout) == (78, "")
    assert re.fullmatch(rf"{re.escape(str(site_file))}:16: area\.0\.series: string should match .*\n", done.stderr)


def test_check_of_a_device_that_is_wrong_ends_with_78_and_names_the_device(
    site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(site_file, 'driver = "escpos"', 'driver = "escpos"\npapr_width_mm = 80')
    assert main(["check", str(site_file)]) == 78
    assert capsys.readouterr().out == (
        f"{site_file}:33: device.1.papr_width_mm: unknown key; did you mean 'paper_width_mm'?"
        "  (device tickets would be disabled)\n"
    )


def test_check_does_not_mind_a_device_that_is_switched_off(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited(site_file, 'driver = "escpos"', 'driver = "escpos"\nenabled = false')
    assert main(["check", str(site_file)]) == 0
    assert "good" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["check", "X"], ["run", "--config", "X"], ["user", "list", "--config", "X"]):
        arguments = [str(tmp_path / "X") if part == "X" else part for part in command]
        assert main(arguments) == 78
        assert "can't be read: No such file" in capsys.readouterr().err


def test_a_wrong_call_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["chek"])
    assert caught.value.code == 2
    assert "check" in capsys.readouterr().err


def test_drivers_lists_every_driver_with_its_keys_and_every_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drivers"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^escpos +ticket-printer +ESC/POS ticket printer\n +keys: port, .*paper_width_mm", out, re.M)
    assert re.search(r"^egk +card$", out, re.M)


def test_drivers_lists_the_others_when_one_is_broken(tmp_path: Path) -> None:
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[kioskd.drivers]\nbroken = third_party_broken:Driver\n")
    command = [sys.executable, "-m", "kioskd", "drivers"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "broken     can't be loaded: ModuleNotFoundError: No module named 'third_party_broken'" in done.stdout
    assert "escpos " in done.stdout


def test_accounts_are_added_listed_and_disabled(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", str(site_file)]
    assert main(["user", "add", "anna", "--role", "receptionist", "--role", "admin", *config]) == 0
    found = re.search(r"^one-time password of anna: (\S+)$", capsys.readouterr().out, re.M)
    assert found
    assert main(["user", "reset", "anna", *config]) == 0
    assert found.group(1) not in capsys.readouterr().out
    assert main(["user", "disable", "anna", *config]) == 0
    capsys.readouterr()
    assert main(["user", "list", *config]) == 0
    assert re.fullmatch(r"anna +disabled +admin, receptionist\n", capsys.readouterr().out)
    assert main(["user", "enable", "anna", *config]) == 0
    capsys.readouterr()
    assert main(["user", "list", *config]) == 0
    assert re.fullmatch(r"anna +active +admin, receptionist\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["add", "anna", "--role", "doctor"], "kioskd: there is no role 'doctor'; expected "),
        (["add"], "kioskd: user add: the account's name is missing"),
        (["disable", "nobody"], "kioskd: "),
    ],
)
def test_what_can_not_be_done_to_an_account_is_said(
    site_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert main(["user", *arguments, "--config", str(site_file)]) == 1
    assert capsys.readouterr().err.startswith(text)


@pytest.mark.parametrize("command", [["user", "list"], ["outbox", "list"], ["audit", "verify"]])
def test_a_station_has_none_of_the_databases_that_staff_ask_about(
    site_file: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    edited(site_file, "timezone", 'roles = ["station"]\ntimezone')
    edited(site_file, "[mqtt]\n", '[mqtt]\nsite_key_file = "/etc/kioskd/site.key"\n')
    assert main([*command, "--config", str(site_file)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"kioskd: {' '.join(command)}: use the site file of the role hub")
    assert said.endswith("; this one is of station\n")
    assert not (site_file.parent / "data").exists()


async def write_hub_entries(site_file: Path) -> None:
    async with open_store(hub_tables.SCHEMA, store_config(site_file)) as store:
        for number in range(3):
            entry = AuditEntry("staff:anna", "call", f"ticket/{number}", NOW, {"room": "Zimmer 1"})
            await store.write(lambda c, e=entry: audit.append(c, hub_tables.audit, e))  # type: ignore[misc]


async def tamper(site_file: Path) -> None:
    async with open_store(hub_tables.SCHEMA, store_config(site_file)) as store:
        changed = update(hub_tables.audit).where(hub_tables.audit.c.sequence == 2).values(actor="staff:bert")
        await store.write(lambda c: c.execute(changed))


async def make_all(site_file: Path) -> None:
    for schema in (staff_tables.SCHEMA, hub_tables.SCHEMA, records_tables.SCHEMA):
        async with open_store(schema, store_config(site_file)):
            continue


def test_the_audit_trail_is_checked_in_every_database(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(make_all(site_file))
    main(["user", "add", "anna", "--role", "admin", "--config", str(site_file)])
    asyncio.run(write_hub_entries(site_file))
    capsys.readouterr()
    assert main(["audit", "verify", "--config", str(site_file)]) == 0
    staff, hub, records = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"staff +main +1 entries, head [0-9a-f]{32}: whole", staff)
    assert re.fullmatch(r"hub +main +3 entries, head [0-9a-f]{32}: whole", hub)
    assert re.fullmatch(r"records +has no entries", records)


def test_a_tampered_row_is_found_and_ends_with_1(site_file: Path) -> None:
    asyncio.run(make_all(site_file))
    asyncio.run(write_hub_entries(site_file))
    asyncio.run(tamper(site_file))
    done = kioskd("audit", "verify", "--config", site_file)
    assert done.returncode == 1
    assert re.search(r"^hub +main +1 entries, head [0-9a-f]{32}: BROKEN: entry 2 was changed$", done.stdout, re.M)


async def cut_off(site_file: Path) -> None:
    async with open_store(hub_tables.SCHEMA, store_config(site_file)) as store:
        await store.write(lambda c: c.execute(delete(hub_tables.audit).where(hub_tables.audit.c.sequence == 3)))


def test_an_end_that_was_cut_off_is_found_also_after_the_chain_went_on(
    site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(make_all(site_file))
    for change in (write_hub_entries, cut_off, write_hub_entries):
        asyncio.run(change(site_file))
        code, out = main(["audit", "verify", "--config", str(site_file)]), capsys.readouterr().out
        if change is cut_off:
            assert re.search(r"^hub .*BROKEN: entry 3 is missing at the end; it was noted at 20", out, re.M)
    assert code == 1
    assert re.search(r"^hub .*BROKEN: entry 3 is not the one that was noted at 20\S+: the chain was written", out, re.M)


def test_a_head_that_the_log_has_is_looked_for(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(make_all(site_file))
    asyncio.run(write_hub_entries(site_file))
    command = ["audit", "verify", "--config", str(site_file)]
    main(command)
    found = re.search(r"^hub +main +3 entries, head (\w+)", capsys.readouterr().out, re.M)
    assert found
    assert main([*command, "--head", f"hub:main:3:{found.group(1)}"]) == 0
    assert main([*command, "--head", f"hub:main:4:{found.group(1)}"]) == 1
    assert "BROKEN: entry 4 is missing at the end; it was noted at the time of your --head" in capsys.readouterr().out
    assert main([*command, "--head", "hub:main:4"]) == 1
    assert "--head hub:main:4: expected role:chain:number:hash as the log has it" in capsys.readouterr().err


def test_a_head_file_that_is_gone_or_was_written_by_somebody_else_is_said(
    site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(make_all(site_file))
    asyncio.run(write_hub_entries(site_file))
    heads = site_file.parent / "data" / "hub.heads"
    heads.write_text(heads.read_text().replace('"sequence": 3', '"sequence": 2'))
    assert main(["audit", "verify", "--config", str(site_file)]) == 1
    assert f"hub      BROKEN: {heads} was changed, or was signed with another key" in capsys.readouterr().out
    heads.unlink()
    heads.mkdir()
    assert main(["audit", "verify", "--config", str(site_file)]) == 1
    assert f"hub      BROKEN: {heads} can't be read: Is a directory" in capsys.readouterr().out
    heads.rmdir()
    assert main(["audit", "verify", "--config", str(site_file)]) == 1
    assert f"hub      BROKEN: {heads} is missing: an end that was cut off can't be seen" in capsys.readouterr().out


def test_verify_makes_no_database_and_says_that_there_is_none(
    site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "verify", "--config", str(site_file)]) == 1
    data = site_file.parent / "data"
    assert f"hub      no such database: {data / 'hub.db'}; nothing to check" in capsys.readouterr().out
    assert not data.exists()


def test_a_database_that_was_taken_away_whole_is_broken(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(make_all(site_file))
    asyncio.run(write_hub_entries(site_file))
    (site_file.parent / "data" / "hub.db").unlink()
    assert main(["audit", "verify", "--config", str(site_file)]) == 1
    assert "hub      BROKEN: no such database: " in capsys.readouterr().out


def test_the_audit_trail_can_be_checked_beside_a_running_daemon(
    site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def beside() -> None:
        async with open_store(staff_tables.SCHEMA, store_config(site_file)):
            assert await asyncio.to_thread(main, ["audit", "verify", "--config", str(site_file)]) == 0

    asyncio.run(make_all(site_file))
    asyncio.run(beside())
    assert "staff    has no entries" in capsys.readouterr().out


def test_doctor_looks_at_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    out = capsys.readouterr().out
    assert re.search(r"^OK +Python 3\.\d+\.\d+; 3\.11 or newer is needed$", out, re.M)
    assert re.search(r"^OK +pydantic 2\.", out, re.M)
    assert re.search(
        r"^(OK +the clock is synchronised|attention +the clock is not sync|attention +it is not)", out, re.M
    )
    assert "no site file was given" in out
    assert re.search(r"^\d+ broken, \d+ to look at, \d+ OK$", out, re.M)


def test_doctor_tries_what_the_site_file_names(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_closed_port = edited(site_file, "[mqtt]\n", "[mqtt]\nport = 1\n")
    (site_file.parent / "mqtt").write_text("secret")
    edited(with_closed_port, "/etc/kioskd/mqtt", str(site_file.parent / "mqtt"))
    assert main(["doctor", str(with_closed_port)]) == 1
    out = capsys.readouterr().out
    for line in (
        rf"OK +{re.escape(str(site_file))} can be read",
        r"OK +the clinic's time is \d\d:\d\d \(Europe/Berlin\)",
        r"OK +the daemon is not running",
        r"OK +store\.key_file is there and private",
        r"(OK|attention|BROKEN) +\d+ MB free on the disk of ",
        r"BROKEN +the broker does not answer on 127\.0\.0\.1:1: .*\n +-> start it",
        r"BROKEN +hub\.records_token_file /etc/kioskd/token can't be read: No such file or directory",
        r"attention +the hub database: no such database: .*hub\.db\n +-> the daemon makes it",
        r"BROKEN +device tickets can't be used: .*\n +-> look at its plug",
    ):
        assert re.search("^" + line, out, re.M), f"{line}\n{out}"


def test_doctor_leaves_no_trace(site_file: Path) -> None:
    before = sorted(site_file.parent.iterdir())
    main(["doctor", str(site_file)])
    assert sorted(site_file.parent.iterdir()) == before


def test_doctor_looks_into_the_databases(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(make_all(site_file))
    main(["doctor", str(site_file)])
    out = capsys.readouterr().out
    assert "the hub database opens and is whole" in out
    file = site_file.parent / "data" / "hub.db"
    data = bytearray(file.read_bytes())
    data[5000:5100] = bytes(100)
    file.write_bytes(data)
    assert main(["doctor", str(site_file)]) == 1
    assert re.search(r"^BROKEN +the hub database (is damaged|can't be read)", capsys.readouterr().out, re.M)


def test_doctor_knows_that_the_daemon_runs_and_lets_its_devices_alone(
    site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def beside() -> None:
        async with open_store(staff_tables.SCHEMA, store_config(site_file)):
            await asyncio.to_thread(main, ["doctor", str(site_file)])

    asyncio.run(beside())
    out = capsys.readouterr().out
    assert re.search(r"^OK +the daemon is running$", out, re.M)
    assert re.search(r"^OK +device tickets is in the daemon's hands", out, re.M)


def test_doctor_says_what_is_wrong_with_a_device(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited(site_file, "tcp://127.0.0.1:9100", "tcp://127.0.0.1:99999")
    assert main(["doctor", str(site_file)]) == 1
    assert re.search(r"^BROKEN +device tickets is disabled: .*:33: device\.1\.port: ", capsys.readouterr().out, re.M)


def test_doctor_says_what_is_wrong_with_a_site_file(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited(site_file, 'id = "markt"', 'id = "?"')
    assert main(["doctor", str(site_file)]) == 1
    assert re.search(rf"^BROKEN +{re.escape(str(site_file))}:2: site\.id: ", capsys.readouterr().out, re.M)


def test_doctor_says_when_others_can_read_the_key(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site_file.parent / "store.key").chmod(0o644)
    assert main(["doctor", str(site_file)]) == 1
    assert "can be read by others; do: chmod 600" in capsys.readouterr().out

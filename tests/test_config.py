"""The site file: every message says file:line, key, and what was expected."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from kioskd.config import Config, load, parse
from kioskd.core.appointment import AppointmentStatus
from kioskd.errors import ConfigError

GOOD = """\
[site]
id = "markt"
name = "Praxis am Markt"
timezone = "Europe/Berlin"

[store]
key_file = "/etc/kioskd/store.key"

[hub]
records_token_file = "/etc/kioskd/token"

[[area]]
id = "general"
name = "Wartezimmer"
series = "A"
rooms = ["Zimmer 1"]

[records]
token_file = "/etc/kioskd/token"

[mqtt]
password_file = "/etc/kioskd/mqtt"
display_password_file = "/etc/kioskd/display"

[[device]]
name = "reader"
driver = "pcsc"

[[device]]
name = "tickets"
driver = "escpos"
port = "tcp://127.0.0.1:9100"
"""

ALONE = '[site]\nid = "a"\nname = "A"\ntimezone = "UTC"\nroles = ["{}"]\n[store]\nkey_file = "/k"\n'


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "site.toml")
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1
    return GOOD.replace(old, new, 1)


def test_a_good_site_file_has_the_defaults_that_are_documented() -> None:
    site = parse(GOOD, "site.toml")
    assert site.site.day_starts == time(4, 0)
    assert site.site.languages == ("de", "en")
    assert site.site.roles == ("station", "hub", "records")
    assert site.station.listen == "127.0.0.1:8401"
    assert site.hub is not None
    assert site.hub.appointment_target is AppointmentStatus.CHECKED_IN
    assert site.device[0].driver_keys == {}
    assert site.device[1].driver_keys == {"port": "tcp://127.0.0.1:9100"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # A value that is not one.
        ('id = "markt"', 'id = "Markt!"', "site.toml:2: site.id: string should match pattern '^[a-z0-9]"),
        ('"Europe/Berlin"', '"Berlin"', "site.toml:4: site.timezone: expected a time zone name such as Europe/Berlin"),
        ("timezone", 'languages = ["de", "fr"]\ntimezone', "site.toml:4: site.languages.1: input should be 'de' or"),
        ("timezone", 'day_starts = "04:00Z"\ntimezone', "site.toml:4: site.day_starts: expected a local time without"),
        ("[mqtt]\n", "[mqtt]\nport = 70000\n", "site.toml:22: mqtt.port: input should be less than or equal to 65535"),
        ("[store]\n", '[store]\nurl = "sqlite:///x"\n', "site.toml:7: store.url: string should match pattern"),
        ('series = "A"', 'series = "I"', "site.toml:15: area.0.series: string should match pattern '^[ACDEFGH"),
        ('"Zimmer 1"', '"Zimmer 1", ""', "site.toml:16: area.0.rooms.1: string should have at least 1 character"),
        ('"Zimmer 1"', f'"{"Z" * 41}"', "site.toml:16: area.0.rooms.0: string should have at most 40 characters"),
        ("[hub]\n", '[hub]\nappointment_target = "booked"\n', "site.toml:10: hub.appointment_target: expected arrived"),
        (
            "[hub]\n",
            '[hub]\nappointment_target = ["arrived"]\n',
            "site.toml:10: hub.appointment_target: expected arrived",
        ),
        (
            "[site]\n",
            '[site]\ngs1_company_prefix = "12"\n',
            "site.toml:2: site.gs1_company_prefix: string should match",
        ),
        # Listen addresses.
        ("[hub]\n", '[hub]\nconsole_listen = "8402"\n', "site.toml:10: hub.console_listen: expected host:port"),
        ("[hub]\n", '[hub]\nconsole_listen = "a:b"\n', "site.toml:10: hub.console_listen: expected host:port"),
        ("[hub]\n", '[hub]\nconsole_listen = "a:²"\n', "site.toml:10: hub.console_listen: expected host:port"),
        ("[hub]\n", '[hub]\nconsole_listen = "a:65536"\n', "site.toml:10: hub.console_listen: expected host:port"),
        # Keys that are unknown or missing.
        ("timezone", 'timezon = "UTC"\ntimezone', "site.toml:4: site.timezon: unknown key; did you mean 'timezone'?"),
        ("[mqtt]\n", "[mqtt]\nxyz = 1\n", "site.toml:22: mqtt.xyz: unknown key; known: host, port, user,"),
        ('series = "A"', 'series = "A"\nroom = "x"', "site.toml:16: area.0.room: unknown key; did you mean 'rooms'?"),
        ("[site]", "[sites]\n[site]", "site.toml:1: sites: unknown key; did you mean 'site'?"),
        ("[site]", "colour = 1\n[site]", "site.toml:1: colour: unknown key; known: site, store, station, hub, "),
        ('name = "Praxis am Markt"\n', "", "site.toml:1: site.name: is missing"),
        ('driver = "pcsc"\n', "", "site.toml:25: device.0.driver: is missing"),
        ('driver = "escpos"\n', "", "site.toml:29: device.1.driver: is missing"),
        ('key_file = "/etc/kioskd/store.key"\n', "", "site.toml:6: store: expected key_file: the path of a"),
        # Blocks that a role needs.
        ('[hub]\nrecords_token_file = "/etc/kioskd/token"\n', "", ":1: site file: the role hub needs a block [hub]"),
        ('[records]\ntoken_file = "/etc/kioskd/token"\n', "", "site.toml:1: site file: the role records needs a block"),
        # What is there twice.
        ('name = "reader"', 'name = "tickets"', "device 'tickets' is there twice"),
        ('id = "general"', 'id = "desk"', "area 'desk' is there twice"),
        ('series = "A"', 'series = "D"', "series 'D' is there twice"),
    ],
)
def test_every_problem_is_one_line_with_its_place(old: str, new: str, expected: str) -> None:
    found = problems(changed(old, new))
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith("site.toml:")


def test_two_areas_of_one_name_are_refused() -> None:
    twice = changed("[records]", '[[area]]\nid = "general"\nname = "x"\nseries = "C"\nrooms = ["r"]\n\n[records]')
    assert problems(twice) == ["site.toml:1: site file: area 'general' is there twice"]


def test_all_problems_come_at_once() -> None:
    found = problems(changed('id = "markt"', 'id = ""').replace('series = "A"', 'series = "0"'))
    assert [line.split(": ")[:2] for line in found] == [["site.toml:2", "site.id"], ["site.toml:15", "area.0.series"]]


@pytest.mark.parametrize("listen", ["0.0.0.0:8401", "192.168.1.5:8401", "kiosk.local:8401", "[::]:8401", ":8401"])
def test_the_kiosk_page_is_on_loopback_only(listen: str) -> None:
    [line] = problems(changed("[store]", f'[station]\nlisten = "{listen}"\n[store]'))
    assert line.startswith("site.toml:7: station.listen: ")


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:8401", "[::1]:8401"])
def test_loopback_has_several_names(listen: str) -> None:
    assert parse(changed("[store]", f'[station]\nlisten = "{listen}"\n[store]'), "site.toml").station.listen == listen


def test_a_role_needs_only_its_own_blocks() -> None:
    assert parse(ALONE.format("station") + '[mqtt]\npassword_file = "/p"\nsite_key_file = "/s"\n', "s").hub is None
    records = parse(ALONE.format("records") + '[records]\ntoken_file = "/t"\n', "s")
    assert (records.mqtt, records.area) == (None, ())


@pytest.mark.parametrize(
    ("role", "blocks", "expected"),
    [
        ("station", "", "the role station without the role hub needs a block [mqtt], to reach the hub"),
        (
            "station",
            '[mqtt]\npassword_file = "/p"\n',
            "the role station without the role hub needs mqtt.site_key_file, the one that the hub has",
        ),
        ("hub", "", "the role hub needs a block [hub]"),
        ("hub", '[hub]\nrecords_token_file = "/t"\n', "the role hub needs a block [mqtt]"),
        (
            "hub",
            '[hub]\nrecords_token_file = "/t"\n[mqtt]\npassword_file = "/p"\n',
            "the role hub needs mqtt.display_password_file",
        ),
        (
            "hub",
            '[hub]\nrecords_token_file = "/t"\n[mqtt]\npassword_file = "/p"\ndisplay_password_file = "/d"\n',
            "the role hub needs at least one [[area]]",
        ),
        ("records", "", "the role records needs a block [records]"),
    ],
)
def test_what_a_role_needs_is_said(role: str, blocks: str, expected: str) -> None:
    assert problems(ALONE.format(role) + blocks) == [f"site.toml:1: site file: {expected}"]


def test_the_device_of_a_bad_driver_key_is_the_drivers_own_business() -> None:
    assert parse(changed('driver = "pcsc"', 'driver = "pcsc"\nnonsense = 1'), "site.toml").device[0].driver_keys


def test_the_models_are_frozen() -> None:
    site: Config = parse(GOOD, "site.toml")
    with pytest.raises(ValueError, match="frozen"):
        site.site.name = "Other"  # type: ignore[misc]


def test_what_is_not_toml_says_where() -> None:
    [line] = problems("[site\n")
    assert line.startswith("site.toml: is not TOML: ")
    assert "line 1" in line


def test_a_file_that_can_not_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml: can't be read: No such file or directory$"):
        load(tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes("# Gr\xfc\xdfe".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml: is not UTF-8 text at byte 4$"):
        load(tmp_path / "latin.toml")


def test_a_key_is_found_in_its_own_block() -> None:
    """The second device's key, and not the first line that looks like it."""
    text = GOOD.replace('name = "tickets"', 'name = "Tickets!"')
    [line] = problems(text)
    place = text.splitlines().index('name = "Tickets!"') + 1
    assert line.startswith(f"site.toml:{place}: device.1.name: ")

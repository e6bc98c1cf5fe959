"""What ``kioskd doctor FILE`` tries of a site: secrets, databases, broker, records, devices."""

from __future__ import annotations

import asyncio
import fcntl
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from kioskd.bus.client import MqttClient, publish_properties
from kioskd.bus.topics import SiteTopics
from kioskd.calls import CallThread, CallTimedOut
from kioskd.commands.finding import Finding, attention, broken, ok
from kioskd.commands.printer_doctor import LOOK, examine_printer, in_daemons_hands, told_to_hub
from kioskd.config import Config
from kioskd.errors import BusError, DeviceError, KioskdError, PublishRefused
from kioskd.hub import tables as hub_tables
from kioskd.ports import CardReader
from kioskd.records import tables as records_tables
from kioskd.roles.running import broker_of
from kioskd.staff import tables as staff_tables
from kioskd.station import tables as station_tables
from kioskd.station.devices.registry import DisabledDevice, FoundDevice, find_devices
from kioskd.store import Schema, outbox
from kioskd.store.engine import read_key
from kioskd.store.migrate import revision_of
from kioskd.store.reading import NoDatabase, reading

WITHIN_S = 8.0
ROLES = (staff_tables.SCHEMA, station_tables.SCHEMA, hub_tables.SCHEMA, records_tables.SCHEMA)


def examine_site(site: Config, file: Path) -> Iterator[Finding]:
    is_running = daemon_runs(site)
    local = datetime.now(UTC).astimezone(site.site.zone)
    yield ok(
        f"the clinic's time is {local:%H:%M} ({site.site.timezone}); its day begins at {site.site.day_starts:%H:%M}"
    )
    yield ok("the daemon is running" if is_running else "the daemon is not running")
    yield from _secrets(site)
    for schema in _schemas(site):
        yield from _database(site, schema)
    if site.mqtt is not None:
        yield asyncio.run(_broker(site))
    if site.hub is not None and "hub" in site.site.roles:
        yield _records(site, is_running)
    if "station" in site.site.roles:
        yield from _devices(site, file, is_running)


def daemon_runs(site: Config) -> bool:
    """Whether a daemon holds one of the site's databases. Taking a shared lock for a moment disturbs none."""
    for schema in _schemas(site) if site.store.url is None else ():
        try:
            with (site.store.folder / f"{schema.role}.db.lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            continue
    return False


def _schemas(site: Config) -> list[Schema]:
    roles = set(site.site.roles) | ({"staff"} if {"hub", "records"} & set(site.site.roles) else set())
    return [schema for schema in ROLES if schema.role in roles]


# --- files ---------------------------------------------------------------------------------------------------------


def _secrets(site: Config) -> Iterator[Finding]:
    if site.store.key_file is not None:
        yield _key("store.key_file", site.store.key_file)
    elif site.store.url is not None:
        do = "name a key_file there, with 64 hexadecimal digits, to have them noted and signed on this machine"
        yield attention("[store] has no key_file: the ends of the audit trail are not noted", do)
    if site.mqtt is not None and site.mqtt.site_key_file is not None:
        yield _key("mqtt.site_key_file", site.mqtt.site_key_file)
    for name, path in _secret_files(site):
        yield _secret(name, path)


def _secret_files(site: Config) -> Iterator[tuple[str, Path]]:
    if site.hub is not None and "hub" in site.site.roles:
        yield "hub.records_token_file", site.hub.records_token_file
    if site.records is not None and "records" in site.site.roles:
        yield "records.token_file", site.records.token_file
    if site.mqtt is not None:
        yield "mqtt.password_file", site.mqtt.password_file
        if site.mqtt.display_password_file is not None and "hub" in site.site.roles:
            yield "mqtt.display_password_file", site.mqtt.display_password_file


def _key(name: str, path: Path) -> Finding:
    try:
        read_key(path, name)
    except KioskdError as error:
        return broken(str(error))
    return ok(f"{name} is there and private")


def _secret(name: str, path: Path) -> Finding:
    try:
        mode, is_empty = stat.S_IMODE(path.stat().st_mode), not path.read_bytes().strip()
    except OSError as error:
        return broken(f"{name} {path} can't be read: {error.strerror}", "make it, readable by the daemon's user alone")
    if is_empty:
        return broken(f"{name} {path} is empty")
    if mode & 0o007:
        return attention(f"{name} {path} can be read by everybody on this machine", f"chmod o= {path}")
    return ok(f"{name} is there")


# --- databases -----------------------------------------------------------------------------------------------------


def _database(site: Config, schema: Schema) -> Iterator[Finding]:
    role = schema.role
    try:
        with reading(role, site.store) as connection:
            revision = revision_of(connection)
            if site.store.url is None:
                damage = connection.execute(text("PRAGMA quick_check(1)")).scalar()
                if damage != "ok":
                    do = "stop the daemon, keep this file and restore a backup"
                    yield broken(f"the {role} database is damaged: {damage}", do)
                    return
            backlog = None
            if schema is hub_tables.SCHEMA and revision is not None:
                backlog = outbox.backlog(connection, hub_tables.outbox, "records")
    except NoDatabase as error:
        yield attention(f"the {role} database: {error}", "the daemon makes it when it starts for the first time")
        return
    except KioskdError as error:
        yield broken(str(error))
        return
    yield ok(f"the {role} database opens and is whole")
    if revision != schema.revision:
        do = "the daemon brings an older one to date when it starts, and refuses a newer one"
        yield attention(f"the {role} database is at revision {revision}, this kioskd at {schema.revision}", do)
    if backlog is not None and backlog.parked:
        do = "kioskd outbox list says why; kioskd outbox retry after putting it right"
        yield attention(f"{backlog.parked} check-ins were refused by the records", do)
    if backlog is not None and backlog.pending:
        yield attention(f"{backlog.pending} check-ins are not yet in the record", "kioskd outbox list says why")


# --- what is reached over the network ------------------------------------------------------------------------------


async def _broker(site: Config) -> Finding:
    """Sign in as the daemon does. A hub also publishes: the broker's access list shows in the PUBACK's reason code."""
    mqtt = site.mqtt
    assert mqtt is not None  # noqa: S101 - the caller looked
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        async with asyncio.timeout(WITHIN_S):
            client = MqttClient(broker_of(mqtt, "doctor"), f"doctor-{datetime.now(UTC).timestamp():.6f}", None)
            await client.connect()
            try:
                code = None
                if "hub" in site.site.roles:
                    # A topic of an area that no display shows, and not kept by the broker.
                    topic = SiteTopics(site.site.id).display_state("doctor")
                    code = await client.send(
                        topic, b"", retain=False, qos=1, within_s=5.0, properties=publish_properties()
                    )
            finally:
                await client.disconnect()
    except PublishRefused as error:
        return broken(
            f"the broker on {where} refuses what the hub publishes: {error}", "kioskd broker writes its rules"
        )
    except BusError as error:
        do = "start it (systemctl start mosquitto), or put host, port, user and password into [mqtt] right"
        return broken(f"the broker does not answer on {where}: {error}", do)
    except (OSError, TimeoutError, KioskdError) as error:
        return broken(f"the broker on {where} can't be tried: {error}")
    said = "" if code is None else f" and takes what the hub publishes (PUBACK 0x{code:02x})"
    return ok(f"the broker on {where} admits {mqtt.user}{said}")


def _records(site: Config, is_running: bool) -> Finding:
    hub = site.hub
    assert hub is not None  # noqa: S101 - the caller looked
    url = f"{hub.records_url.rstrip('/')}/metadata"
    try:
        token = hub.records_token_file.read_text(encoding="utf-8").strip()
        answer = httpx.get(url, headers={"authorization": f"Bearer {token}"}, timeout=WITHIN_S, trust_env=False)
        said: Any = answer.json() if answer.is_success else {}
    except (OSError, httpx.HTTPError, ValueError) as error:
        what = f"the records do not answer at {hub.records_url}: {type(error).__name__}"
        if "records" in site.site.roles and not is_running:
            return attention(f"{what}; they are part of the daemon, which is not running", "start the daemon")
        return broken(f"{what}; check-ins go on and are delivered later", "start them, or put hub.records_url right")
    if not answer.is_success:
        return broken(
            f"the records at {hub.records_url} answer {answer.status_code}", "put hub.records_token_file right"
        )
    kind, fhir = (said.get("resourceType"), said.get("fhirVersion", "")) if isinstance(said, dict) else (None, "")
    if kind != "CapabilityStatement" or not str(fhir).startswith("4.0"):
        return broken(f"{hub.records_url} is no FHIR R4 server ({kind}, version {fhir or 'not said'})")
    return ok(f"the records at {hub.records_url} speak FHIR {fhir}")


# --- devices -------------------------------------------------------------------------------------------------------


def _devices(site: Config, file: Path, is_running: bool) -> Iterator[Finding]:
    told = told_to_hub(site) if is_running else {}
    for device in find_devices(site.device, file.read_text(encoding="utf-8"), str(file)):
        block = next(b for b in site.device if b.name == device.name)
        if not block.enabled:
            yield ok(f"device {device.name} is switched off in the site file")
        elif isinstance(device, DisabledDevice):
            yield broken(f"device {device.name} is disabled: {device.what}", f"kioskd check {file}")
        elif is_running:
            yield from in_daemons_hands(device.name, told.get(device.name))
        else:
            yield from asyncio.run(_device(device))
        if device.kind == "scanner" and block.driver == "scanner-keyboard" and block.enabled:
            what = f"{device.name} types like a keyboard: up to 20 s for a large code, and not every byte"
            yield attention(what, f"set it to USB-CDC: kioskd doctor {file} --scanner {device.name} says how")
        port = str(block.driver_keys.get("port", ""))
        if port.startswith("tcp://") and not port.startswith(("tcp://127.", "tcp://localhost")):
            what = f"{device.name} listens to everybody on its network"
            yield attention(what, "keep printers on a segment of their own")


async def _device(found: FoundDevice) -> list[Finding]:
    """Open it, ask how it is, close it: nothing is printed and no card is read."""
    thread = CallThread(f"doctor-{found.name}")
    look = examine_printer if found.kind.endswith("-printer") else _opened
    try:
        return await thread.call(lambda: look(found.name, found.device), 3 * WITHIN_S)
    except CallTimedOut:
        return [broken(f"device {found.name} does not answer", LOOK)]
    finally:
        thread.close()


def _opened(name: str, device: Any) -> list[Finding]:
    """A card reader, or whatever else can be opened."""
    try:
        device.open()
        try:
            if isinstance(device, CardReader):
                device.wait_for_card(0.1)
        finally:
            device.close()
    except DeviceError as error:
        return [broken(f"device {name} can't be used: {error.what}", LOOK)]
    return [ok(f"device {name} can be opened")]

"""The site file: one TOML file read once into frozen models; unknown keys are refused by name.

An error of the core refuses the start (``ConfigError``, exit code 78). An error in one ``[[device]]`` disables that
device only: its own keys are checked by its driver, see ``station.devices.registry``. Secrets are paths of files.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from kioskd.core.appointment import AppointmentStatus
from kioskd.core.ticket import SERIES_LETTERS
from kioskd.errors import ConfigError


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("expected a time zone name such as Europe/Berlin")
    return name


def _listen_address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("expected host:port, such as 127.0.0.1:8080")
    return value


def _loopback_only(value: str) -> str:
    if value.rpartition(":")[0] not in {"127.0.0.1", "localhost", "[::1]"}:
        raise ValueError("the kiosk page is for the touchscreen of this machine: listen must be on 127.0.0.1")
    return value


def _local_time(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("expected a local time without an offset, such as 04:00:00")
    return value


def _arrival(value: object) -> object:
    if value not in ("arrived", "checked-in", "none"):
        raise ValueError("expected arrived, checked-in or none")
    return value


Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Listen = Annotated[str, AfterValidator(_listen_address)]
DESK_AREA = "desk"
"""The id of the area of help tickets; no ``[[area]]`` can have it."""
Role = Literal["station", "hub", "records"]


class Block(BaseModel):
    """A block of the site file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SiteConfig(Block):
    """``[site]``: one clinic location.

    ``hosts``: names, beside this machine's loopback ones, under which browsers reach the console, the desk and the
    displays. ``is_behind_tls``: they reach them by HTTPS only, through a proxy that ends TLS here. ``framed_by``:
    origins whose pages may show kiosk and displays in a frame. ``record_number_groups``: how the record number is read
    aloud, such as 3 3 4 of the NHS number; threes from the right where it is another length.
    """

    id: Id
    name: str = Field(min_length=1, max_length=60)
    timezone: Annotated[str, AfterValidator(_known_zone)]
    day_starts: Annotated[time, AfterValidator(_local_time)] = time(4, 0)
    languages: tuple[Literal["de", "en"], ...] = Field(("de", "en"), min_length=1)
    roles: tuple[Role, ...] = Field(("station", "hub", "records"), min_length=1)
    record_number_system: str = Field("urn:kioskd:record-number", min_length=1)
    hosts: tuple[str, ...] = ()
    is_behind_tls: bool = False
    framed_by: tuple[str, ...] = ()
    gs1_company_prefix: str = Field("", pattern=r"^([0-9]{6,12})?$")
    record_number_groups: tuple[Annotated[int, Field(ge=1)], ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class StoreConfig(Block):
    """``[store]``: encrypted SQLite files in a folder, or PostgreSQL by URL.

    ``reserve_mb``: room that each file keeps beside it and gives up when the disk is full.
    """

    folder: Path = Path("/var/lib/kioskd")
    key_file: Path | None = None
    reserve_mb: int = Field(8, ge=1, le=1024)
    url: str | None = Field(None, pattern=r"^postgresql\+psycopg://")

    @model_validator(mode="after")
    def _key_for_files(self) -> StoreConfig:
        if self.url is None and self.key_file is None:
            raise ValueError("expected key_file: the path of a file with 64 hexadecimal digits, or url for PostgreSQL")
        return self

    @property
    def required_key_file(self) -> Path:
        if self.key_file is None:
            raise ConfigError("store.key_file is missing")
        return self.key_file


class StationConfig(Block):
    """``[station]``: one kiosk PC."""

    name: Id = "entrance"
    listen: Annotated[Listen, AfterValidator(_loopback_only)] = "127.0.0.1:8401"


class HubConfig(Block):
    """``[hub]``: the site's shared state, its console and displays."""

    console_listen: Listen = "127.0.0.1:8402"
    display_listen: Listen = "127.0.0.1:8403"
    help_series: str = Field("D", pattern=f"^[{SERIES_LETTERS}]$")
    desk_name: str = Field("Reception", min_length=1, max_length=40)
    records_url: str = Field("http://127.0.0.1:8405/fhir", pattern=r"^https?://")
    records_token_file: Path
    appointment_target: Annotated[AppointmentStatus | Literal["none"], BeforeValidator(_arrival)] = (
        AppointmentStatus.CHECKED_IN
    )


class AreaConfig(Block):
    """``[[area]]``: a waiting area with its rooms and its series of numbers.

    ``wristbands``: whether who checks in for it gets one. Off unless the service wants them.
    """

    id: Id
    name: str = Field(min_length=1, max_length=40)
    series: str = Field(pattern=f"^[{SERIES_LETTERS}]$")
    rooms: tuple[Annotated[str, Field(min_length=1, max_length=40)], ...] = Field(min_length=1)
    wristbands: bool = False


class TicketConfig(Block):
    """``[ticket]``: how queue tickets look, and which numbers they have. The files are read by ``station.templates``.

    ``long_wait_minutes`` 0: the ticket does not say after how long to ask. ``skipped_numbers``: in no series.
    """

    template_file: Path | None = None
    logo_file: Path | None = None
    long_wait_minutes: int = Field(30, ge=0, le=600)
    is_called_in_order: bool = True
    shows_practitioner: bool = False
    skipped_numbers: tuple[Annotated[int, Field(ge=1, le=9999)], ...] = Field((), max_length=100)


class RecordsConfig(Block):
    """``[records]``: the bundled records backend."""

    fhir_listen: Listen = "127.0.0.1:8405"
    desk_listen: Listen = "127.0.0.1:8404"
    token_file: Path


class MqttConfig(Block):
    """``[mqtt]``: the broker. ``websocket_url`` is how a display's browser reaches it.

    ``site_key_file`` holds the key of what stations and hub say to one another; a site whose only station runs in the
    hub's process has none. ``display_password_file`` is the hub's business alone.
    """

    host: str = "127.0.0.1"
    port: int = Field(1883, ge=1, le=65535)
    user: str = "kioskd"
    password_file: Path
    tls_ca_file: Path | None = None
    websocket_url: str = Field("ws://127.0.0.1:9001", pattern=r"^wss?://")
    display_user: str = "display"
    display_password_file: Path | None = None
    site_key_file: Path | None = None


class StaffConfig(Block):
    """``[staff]``: sign-in of receptionists, clinicians, secretaries and admins."""

    idle_minutes: int = Field(30, ge=1, le=720)
    session_hours: int = Field(12, ge=1, le=24)
    trusted_sign_in_origins: tuple[str, ...] = ()


class CodesConfig(Block):
    """``[codes]``: what codes that patients show are believed.

    ``trusted_issuers_folder``: a file of keys for each issuer of SMART Health Cards, as it publishes them with its
    address as ``iss``; none is ever fetched. ``health_link_hosts``: whose SMART Health Links are followed; none unless
    named. A card behind a link may be unsigned, and is believed for its host's sake: name insurers' own hosts only.
    """

    trusted_issuers_folder: Path | None = None
    health_link_hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")], ...] = ()


class NumberConfig(Block):
    """``[[number]]``: one kind of numbers of people that codes hold, such as member IDs, NHS numbers.

    ``pattern``: characters and ``[classes]`` with counts, as in ``[A-Z]{3}[0-9]{9}``. ``system``: what records keep it
    under. ``is_shared_by_family``: it never stands for one person alone.
    """

    name: Id
    pattern: str = Field(min_length=1, max_length=100)
    system: str = Field(min_length=1, max_length=200)
    check: Literal["luhn", "nhs", "ean-13", "mod-97"] | None = None
    is_shared_by_family: bool = False


class MetricsConfig(Block):
    """``[metrics]``: figures for Prometheus, off unless ``listen`` is set. They hold no patient data."""

    listen: Listen | None = None


class DeviceConfig(BaseModel):
    """``[[device]]``: these keys here, every other key is the driver's own.

    ``at``: who can reach it, patients or staff only. ``place``: where it stands, in words for them. ``roll_sheets``:
    sheets on a new roll of a printer, until its own rolls have shown how many (0: as is usual for tickets).
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Id
    driver: str = Field(min_length=1)
    enabled: bool = True
    at: Literal["kiosk", "desk"] = "kiosk"
    place: str = Field("", max_length=40)
    roll_sheets: int = Field(0, ge=0, le=20_000)

    @property
    def driver_keys(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Config(Block):
    """The whole site file."""

    site: SiteConfig
    store: StoreConfig
    station: StationConfig = StationConfig()
    hub: HubConfig | None = None
    records: RecordsConfig | None = None
    mqtt: MqttConfig | None = None
    ticket: TicketConfig = TicketConfig()
    staff: StaffConfig = StaffConfig()
    metrics: MetricsConfig = MetricsConfig()
    codes: CodesConfig = CodesConfig()
    number: tuple[NumberConfig, ...] = ()
    area: tuple[AreaConfig, ...] = ()
    device: tuple[DeviceConfig, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Config:
        roles, mqtt = self.site.roles, self.mqtt
        if "hub" in roles:
            for block in ("hub", "mqtt"):
                if getattr(self, block) is None:
                    raise ValueError(f"the role hub needs a block [{block}]")
            if mqtt is not None and mqtt.display_password_file is None:
                raise ValueError("the role hub needs mqtt.display_password_file")
            if not self.area:
                raise ValueError("the role hub needs at least one [[area]]")
        elif "station" in roles and mqtt is None:
            raise ValueError("the role station without the role hub needs a block [mqtt], to reach the hub")
        elif "station" in roles and mqtt is not None and mqtt.site_key_file is None:
            raise ValueError("the role station without the role hub needs mqtt.site_key_file, the one that the hub has")
        if "records" in roles and self.records is None:
            raise ValueError("the role records needs a block [records]")
        _refuse_repeats("area", [a.id for a in self.area] + [DESK_AREA])
        _refuse_repeats("device", [d.name for d in self.device])
        _refuse_repeats("number", [n.name for n in self.number])
        series = [a.series for a in self.area] + ([self.hub.help_series] if self.hub else [])
        _refuse_repeats("series", series)
        return self


def _refuse_repeats(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name!r} is there twice")


def load(path: Path) -> Config:
    """Read and check a site file. Raises ConfigError with one line for each problem, ``file:line: key: expected``."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text at byte {error.start}") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """Check the text of a site file; ``name`` is for the messages. Raises ConfigError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not TOML: {error}") from error
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(problem, text, name) for problem in _causes(error))) from None


def _causes(error: ValidationError) -> list[Any]:
    """The problems without those that only follow from another: a list is not too short if its items are wrong."""
    found = error.errors()
    inside = {problem["loc"][:-1] for problem in found}
    return [problem for problem in found if problem["type"] != "too_short" or problem["loc"] not in inside]


def explain(
    problems: ValidationError, text: str, name: str, under: tuple[str | int, ...], known: tuple[str, ...]
) -> list[str]:
    """One line for each problem of a driver's keys; ``under`` is where the block stands, such as ("device", 1)."""
    return [_explain(dict(p) | {"loc": (*under, *p["loc"])}, text, name, known) for p in _causes(problems)]


def _explain(problem: Any, text: str, name: str, known: tuple[str, ...] = ()) -> str:
    place: tuple[str | int, ...] = problem["loc"]
    key = ".".join(str(part) for part in place)
    what = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        keys = known or _keys_at(place[:-1])
        near = difflib.get_close_matches(str(place[-1]), keys, n=1)
        what = "unknown key" + (f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(keys)}")
    elif problem["type"] == "missing":
        what = "is missing"
    elif not what.startswith("expected"):
        what = what[:1].lower() + what[1:]
    return f"{name}:{line_of(text, place)}: {key or 'site file'}: {what}"


def _keys_at(place: tuple[str | int, ...]) -> list[str]:
    model: Any = Config
    for part in place:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            return []
        model = _block_in(field.annotation)
    return list(model.model_fields) if model is not None else []


def _block_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        return next((found for part in typing.get_args(annotation) if (found := _block_in(part))), None)
    return None


def line_of(text: str, place: tuple[str | int, ...]) -> int:
    """The line (from 1) of a key in TOML text, or of the nearest block above it; 1 when there is none."""
    block = str(place[0]) if place else ""
    nth = place[1] if len(place) > 1 and isinstance(place[1], int) else 0
    key = next((p for p in reversed(place[1:]) if isinstance(p, str)), "")
    header = re.compile(rf"^\s*\[\[?\s*{re.escape(block)}\s*\]\]?")
    found, seen, inside = 1, -1, False
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"^\s*\[", line):
            seen += bool(header.match(line))
            inside = bool(header.match(line)) and seen == nth
            found = number if inside else found
        elif re.match(rf"^\s*{re.escape(key if inside and key else block)}\s*=", line):
            return number
    return found

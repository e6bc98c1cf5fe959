"""``kioskd broker``: the files of a mosquitto for this site, so that its rules are the ones that were tested."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kioskd.bus.broker import CONFIG_FILE, SALT_LENGTH, BrokerPlan, Listener, Login, broker_files, station_user
from kioskd.bus.topics import checked_id
from kioskd.config import Config, MqttConfig
from kioskd.errors import ConfigError, StartRefused

_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Network:
    """How the broker listens beyond this machine: at ``address``, with TLS."""

    certificate_file: Path
    key_file: Path
    address: str = "0.0.0.0"  # noqa: S104 - whoever gives a certificate wants to be reached


def write_broker_files(
    config: Config, folder: Path, stations: Sequence[str] = (), network: Network | None = None
) -> int:
    """Write configuration, access lists and password files into ``folder``. Raises ConfigError or StartRefused.

    Each of ``stations``, kiosk PCs of their own, gets a user, and its password a file beside the others; one that is
    there is kept. Without ``network`` the broker listens on this machine only.
    """
    if config.mqtt is None:
        raise ConfigError("the site file has no [mqtt]: there is no broker to write files for")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        plan = _plan(config.site.id, config.mqtt, folder.absolute(), stations, network)
        files = broker_files(plan)
        for name, text in files.items():
            path = folder / name
            path.touch(mode=0o640)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StartRefused(f"{error.filename} can't be written: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"the broker's files can't be written: {error}") from None
    print(f"wrote {len(files)} files; let mosquitto own them (chown -R mosquitto {folder}) and start it with")
    print(f"mosquitto -c {folder / CONFIG_FILE}")
    for station in stations:
        print(f"station {station}: mqtt.user {station_user(station)}, password in {_password_file(folder, station)}")
    return 0


def _plan(site: str, mqtt: MqttConfig, folder: Path, stations: Sequence[str], network: Network | None) -> BrokerPlan:
    web = urlsplit(mqtt.websocket_url)
    if network is None and not {mqtt.host, web.hostname} <= set(_LOOPBACK):
        raise ConfigError(
            "the site file's broker is reached over the network, which needs TLS: name the broker's certificate and "
            "key (--certificate FILE --key FILE)"
        )
    if network is not None and web.scheme != "wss":
        raise ConfigError("with a certificate displays connect by TLS: mqtt.websocket_url must begin with wss://")
    at = (network.address, network.certificate_file, network.key_file) if network else ("127.0.0.1", None, None)
    return BrokerPlan(
        site,
        folder,
        mqtt=Listener(mqtt.port, *at),
        web=Listener(web.port or 9001, *at),
        hub=_login(mqtt.user, mqtt.password_file, "mqtt.password_file"),
        display=_login(mqtt.display_user, mqtt.display_password_file, "mqtt.display_password_file"),
        stations=tuple(_station_login(folder, station) for station in stations),
    )


def _password_file(folder: Path, station: str) -> Path:
    return folder / f"{station_user(station)}.password"


def _station_login(folder: Path, station: str) -> Login:
    """The user of a station, with the password of its file or a new one. Raises OSError or ValueError."""
    user = checked_id("broker user", station_user(station))
    path = _password_file(folder, station)
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
    return Login(user, path.read_text(encoding="ascii").strip(), os.urandom(SALT_LENGTH))


def _login(user: str, file: Path | None, key: str) -> Login:
    if file is None:
        raise ConfigError(f"the site file has no {key}: write the broker's files from that of the role hub")
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartRefused(f"{key} {file} can't be read: {error.strerror}") from error
    return Login(user, password, os.urandom(SALT_LENGTH))

"""``kioskd broker``: the files of a mosquitto for this site, so that its rules are the ones that were tested."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from kioskd.bus.broker import CONFIG_FILE, SALT_LENGTH, BrokerPlan, Listener, Login, broker_files
from kioskd.config import Config, MqttConfig
from kioskd.errors import ConfigError, StartRefused


def write_broker_files(config: Config, folder: Path) -> int:
    """Write configuration, access lists and password files into ``folder``. Raises ConfigError or StartRefused."""
    if config.mqtt is None:
        raise ConfigError("the site file has no [mqtt]: there is no broker to write files for")
    plan = _plan(config.site.id, config.mqtt, folder.absolute())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in broker_files(plan).items():
            path = folder / name
            path.touch(mode=0o640)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StartRefused(f"{error.filename} can't be written: {error.strerror}") from error
    print(
        f"wrote {len(broker_files(plan))} files; let mosquitto own them (chown -R mosquitto {folder}) and start it with"
    )
    print(f"mosquitto -c {folder / CONFIG_FILE}")
    return 0


def _plan(site: str, mqtt: MqttConfig, folder: Path) -> BrokerPlan:
    web = urlsplit(mqtt.websocket_url)
    if mqtt.host not in {"127.0.0.1", "localhost"} or web.hostname not in {"127.0.0.1", "localhost"}:
        raise ConfigError(
            "kioskd broker writes a broker for this machine's loopback; one that listens on the network needs TLS "
            "certificates: add them to the listeners of the written file"
        )
    return BrokerPlan(
        site,
        folder,
        mqtt=Listener(mqtt.port),
        web=Listener(web.port or 9001),
        hub=_login(mqtt.user, mqtt.password_file, "mqtt.password_file"),
        display=_login(mqtt.display_user, mqtt.display_password_file, "mqtt.display_password_file"),
    )


def _login(user: str, file: Path | None, key: str) -> Login:
    if file is None:
        raise ConfigError(f"the site file has no {key}: write the broker's files from that of the role hub")
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartRefused(f"{key} {file} can't be read: {error.strerror}") from error
    return Login(user, password, os.urandom(SALT_LENGTH))

"""What the roles of one process share: clock, news, accounts, and where their pages are."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kioskd.bus.connection import BrokerAddress
from kioskd.config import Config, MqttConfig
from kioskd.errors import StartRefused
from kioskd.health import Kind, Watch
from kioskd.news import News
from kioskd.roles.watching import ask_store
from kioskd.staff import Staff
from kioskd.store import Store
from kioskd.store.engine import read_key
from kioskd.web.metrics import Metrics
from kioskd.web.pages import Pages
from kioskd.web.security import LOOPBACK_HOSTS
from kioskd.web.server import Address, serve
from kioskd.web.sign_in import StaffedSettings


def now() -> datetime:
    """The daemon's clock: aware UTC."""
    return datetime.now(UTC)


class SteadyClock:
    """Aware UTC as it was at the start, and the seconds since, those of a suspended machine too (CLOCK_BOOTTIME).

    For how long something lasts: it does not jump when somebody sets the machine's clock, by hand or by NTP.
    """

    def __init__(self) -> None:
        self._began_at = datetime.now(UTC)
        self._began_s = time.clock_gettime(time.CLOCK_BOOTTIME)

    def __call__(self) -> datetime:
        return self._began_at + timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME) - self._began_s)


@dataclass
class Running:
    """A running daemon, for its roles and for who started it: ``addresses`` has where its pages are."""

    config: Config
    news: News
    pages: Pages
    watch: Watch
    metrics: Metrics
    accounts: Staff | None = None
    addresses: dict[str, Address] = field(default_factory=dict)

    @property
    def staff(self) -> Staff:
        """Accounts and sessions; only a process with pages for staff has them. Raises StartRefused."""
        if self.accounts is None:
            raise StartRefused("this process has no accounts: it runs neither the role hub nor the role records")
        return self.accounts

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which browsers reach pages."""
        return LOOPBACK_HOSTS | frozenset(self.config.site.hosts)

    @property
    def staffed(self) -> StaffedSettings:
        """How the pages for staff are served."""
        site, origins = self.config.site, self.config.staff.trusted_sign_in_origins
        return StaffedSettings(self.hosts, site.is_behind_tls, origins, site.languages[0])

    def watch_store(self, parts: AsyncExitStack, role: str, store: Store) -> None:
        """Have a store looked after while ``parts`` are there; enter it first."""
        store.on_write = self.metrics.committed(role)
        ask = ask_store(store, is_on_server=self.config.store.url is not None)
        parts.callback(self.watch.ask(f"{role} database", Kind.STORE, ask))

    async def serve(self, parts: AsyncExitStack, name: str, app: Any, listen: str) -> None:
        """Serve pages while ``parts`` are there."""
        host, _, port = listen.rpartition(":")
        self.addresses[name] = await parts.enter_async_context(serve(app, host.strip("[]"), int(port)))


def secret(path: Path | None, key: str) -> str:
    """A secret that lies in a file alone. Raises StartRefused."""
    if path is None:
        raise StartRefused(f"{key} is missing")
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartRefused(f"{key} {path} can't be read: {error.strerror}") from error
    if not text:
        raise StartRefused(f"{key} {path} is empty")
    return text


def site_key(mqtt: MqttConfig) -> bytes:
    """The key of what stations and hub say to one another. Raises StartRefused."""
    if mqtt.site_key_file is None:
        raise StartRefused("mqtt.site_key_file is missing")
    return read_key(mqtt.site_key_file, "mqtt.site_key_file")


def broker_of(mqtt: MqttConfig, client: str) -> BrokerAddress:
    """The broker, for ``client`` (the begin of a client id). Raises StartRefused."""
    password = secret(mqtt.password_file, "mqtt.password_file")
    return BrokerAddress(mqtt.host, mqtt.port, mqtt.user, password, client, mqtt.tls_ca_file)

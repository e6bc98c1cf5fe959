"""The files that make a mosquitto (2.0 or later) the broker of a site. Pure: texts in, texts out.

Two listeners, each with its own users, because what they admit differs:

* **MQTT over TCP** for the daemons. The hub may write everything of its site and reads requests and the status. Each
  station has a user of its own, which sends requests and reads the status, the answers to itself and the word that
  staff want something printed there, nothing else.
* **MQTT over WebSocket** for displays. The display user reads pictures and the status, and writes nothing. Its
  password stands in a page that everybody in the waiting room's network may load, so it is a label, not a
  secret, and the daemons' users are unknown here. (A client that connects with the hub's client id would throw
  the hub out, MQTT 5.0 3.1.4-3; so ``connection`` adds to a client id what nobody can guess.)

The broker keeps nothing on disk: the database is the truth, and the daemon publishes every picture on each connect.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from kioskd.bus.topics import SiteTopics

SALT_LENGTH = 12
CONFIG_FILE = "mosquitto.conf"

_ITERATIONS = 1000
"""mosquitto hashes on its one thread while a client connects: 0.6 ms here, and after a power cut a hundred displays
connect at once. Enough because these passwords are made by a machine, not by a person."""
_LONGEST_PACKET_B = 262_144


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the broker. ``salt`` is 12 random bytes for its entry in the password file."""

    user: str
    password: str = field(repr=False)
    salt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the broker listens. With a certificate it speaks TLS, and must outside the machine itself."""

    port: int
    address: str = "127.0.0.1"
    certificate_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    """A broker for one site. ``folder`` is where its files will lie; ``run_as`` the account it changes to."""

    site: str
    folder: Path
    mqtt: Listener
    web: Listener
    hub: Login
    display: Login
    stations: tuple[Login, ...] = ()
    run_as: str = "mosquitto"


STATION_PREFIX = "station-"


def station_user(station: str) -> str:
    """The broker's user of a station."""
    return f"{STATION_PREFIX}{station}"


def broker_files(plan: BrokerPlan) -> dict[str, str]:
    """Name and text of every file, for ``plan.folder``. They hold password hashes: readable by the broker only.

    Raises ValueError for an id or a user name that can't stand in them.
    """
    topics = SiteTopics(plan.site)
    return {
        CONFIG_FILE: _config(plan),
        "daemon.passwd": "".join(password_entry(login) for login in (plan.hub, *plan.stations)),
        "daemon.acl": "\n".join([_hub_rules(topics, plan.hub.user), *_station_rules(topics, plan)]),
        "display.passwd": password_entry(plan.display),
        "display.acl": _rules(plan.display.user, [f"read {topics.every_display_state}", f"read {topics.status}"]),
    }


def password_entry(login: Login) -> str:
    """The line of a mosquitto password file: PBKDF2 with SHA-512, mosquitto's hash type 7."""
    if ":" in login.user or not login.user.isprintable() or not login.user:
        raise ValueError(f"broker user {login.user!r}: must be printable, without a colon")
    digest = hashlib.pbkdf2_hmac("sha512", login.password.encode(), login.salt, _ITERATIONS)
    salt, key = (base64.b64encode(b).decode() for b in (login.salt, digest))
    return f"{login.user}:$7${_ITERATIONS}${salt}${key}\n"


def _hub_rules(topics: SiteTopics, user: str) -> str:
    may_read = (topics.requests, topics.status, topics.replies_of(user))
    return _rules(user, [f"write {topics.all}", *(f"read {topic}" for topic in may_read)])


def _station_rules(topics: SiteTopics, plan: BrokerPlan) -> list[str]:
    users = [login.user for login in plan.stations]
    if len({plan.hub.user, *users}) <= len(users):
        raise ValueError("two of the broker's users have one name")
    may_read = {user: [topics.status, topics.replies_of(user)] for user in users}
    for user in users:
        if user.startswith(STATION_PREFIX):
            may_read[user].append(topics.orders(user.removeprefix(STATION_PREFIX)))
    return [_rules(u, [f"write {topics.requests}", *(f"read {t}" for t in may_read[u])]) for u in users]


def _rules(user: str, rules: list[str]) -> str:
    return "\n".join([f"user {user}", *(f"topic {rule}" for rule in rules)]) + "\n"


def _config(plan: BrokerPlan) -> str:
    general = [
        "# Made by kioskd: change the site file, not this.",
        f"user {plan.run_as}",
        "per_listener_settings true",
        "persistence false",
        # Nagle's algorithm with delayed ACK makes a round trip 88 ms instead of 0.6.
        "set_tcp_nodelay true",
        f"max_packet_size {_LONGEST_PACKET_B}",
        "max_queued_messages 1000",
        "sys_interval 0",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "connection_messages false",
    ]
    # For WebSocket, mosquitto binds every address of the machine unless the address family is said.
    daemon = _listener(plan, plan.mqtt, "daemon", ["protocol mqtt", "socket_domain ipv4"])
    display = _listener(plan, plan.web, "display", ["protocol websockets", "socket_domain ipv4"])
    return "\n".join([*general, "", *daemon, "", *display]) + "\n"


def _listener(plan: BrokerPlan, listener: Listener, name: str, options: list[str]) -> list[str]:
    lines = [
        f"listener {listener.port} {listener.address}",
        *options,
        "allow_anonymous false",
        f"password_file {plan.folder / f'{name}.passwd'}",
        f"acl_file {plan.folder / f'{name}.acl'}",
    ]
    if listener.certificate_file and listener.key_file:
        lines += [f"certfile {listener.certificate_file}", f"keyfile {listener.key_file}", "tls_version tlsv1.3"]
    for line in lines:
        if not line.isprintable():
            raise ValueError(f"broker configuration: {line!r} must be one line")
    return lines

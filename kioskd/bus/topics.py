"""The public MQTT contract of a site: every topic name and every payload that displays may read.

::

    kioskd/<site>/status                  retained  Status: is the hub there, said again every STATUS_EVERY_S seconds
    kioskd/<site>/display/<area>/state    retained  DisplayState: the whole picture of one waiting area
    kioskd/<site>/request/<name>          a request of a station (MQTT 5 response topic and correlation data)
    kioskd/<site>/reply/<user>/<client>   its answer; <user> is the broker's user name of who asked
    kioskd/<site>/station/<station>/orders   a Wake: staff want something printed there; what it is, the station asks

Payloads are JSON in UTF-8. ``v`` is the version of the shape: a field may be added under the same ``v``, and readers
must ignore fields that they do not know; anything else raises ``v``.

**How a display knows that its picture is old.** A ``DisplayState`` is read from the database and published on
every change, after every (re)connect and every ``BEAT_EVERY_S`` seconds, each time with a message expiry interval
(MQTT 5.0, 3.3.2.3.3) of ``VALID_FOR_S`` seconds. The broker sends a picture on with the seconds that it has left, and
forgets it when they are over. So a picture is good for as long as its own message says, whatever clock the
display has, and neither a daemon that has died nor a database that does not answer can leave an old call on a
screen. A display shows "not connected" when its picture's time is over, and drops a picture with a lower
(``epoch``, ``version``) than the one that it shows.

**How a station knows that the hub is there.** A hub says "online" every ``STATUS_EVERY_S`` seconds with an expiry of
``STATUS_VALID_FOR_S``, and "offline" when it leaves; the broker says "offline" for one whose connection broke (its last
will). Who has not heard "online" for ``STATUS_VALID_FOR_S`` seconds knows that the hub is away. The will alone is not
enough: mosquitto looks for silent clients every few seconds only (a hung hub was said offline after 9.7 s with a
keepalive of 5), and the will of a hub that lost power may come after its successor's "online".

No payload on a topic that a display may read has a name or anything else of a patient but the ticket label.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kioskd.core.display import ROWS, Snapshot

BEAT_EVERY_S = 5.0
VALID_FOR_S = 15
"""Three beats: a display waits for one that is late and for one that is lost."""

STATUS_EVERY_S = 2.0
STATUS_VALID_FOR_S = 7
"""Three times, and less than 1.5 keepalives."""

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def checked_id(what: str, value: str) -> str:
    """``value`` if it can be a level of a topic (a to z, 0 to 9, hyphen inside). Raises ValueError."""
    if not _ID.fullmatch(value):
        raise ValueError(f"{what} {value!r}: use a to z, 0 to 9 and hyphens inside, 63 characters at most")
    return value


@dataclass(frozen=True, slots=True)
class Presence:
    """A retained topic that says whether a client is there; ``offline`` is left with the broker as last will."""

    topic: str
    online: bytes
    offline: bytes
    every_s: float = STATUS_EVERY_S
    valid_for_s: int = STATUS_VALID_FOR_S


@dataclass(frozen=True, slots=True)
class SiteTopics:
    """The topic names of one site. Raises ValueError for an id that can't be part of a topic."""

    site: str

    def __post_init__(self) -> None:
        checked_id("site", self.site)

    @property
    def all(self) -> str:
        """The filter of everything."""
        return f"kioskd/{self.site}/#"

    @property
    def status(self) -> str:
        return f"kioskd/{self.site}/status"

    def display_state(self, area: str) -> str:
        return f"kioskd/{self.site}/display/{checked_id('area', area)}/state"

    @property
    def every_display_state(self) -> str:
        """The filter of all areas' pictures."""
        return f"kioskd/{self.site}/display/+/state"

    def request(self, name: str) -> str:
        return f"{self.request_above}{checked_id('request', name)}"

    @property
    def request_above(self) -> str:
        """What every request topic begins with."""
        return f"kioskd/{self.site}/request/"

    @property
    def requests(self) -> str:
        """The filter of all requests."""
        return f"{self.request_above}#"

    @property
    def replies(self) -> str:
        """The topic above the reply topics of all users."""
        return f"kioskd/{self.site}/reply"

    def replies_of(self, user: str) -> str:
        """The filter of all answers to one user of the broker."""
        return f"{self.replies}/{checked_id('broker user', user)}/#"

    def orders(self, station: str) -> str:
        """Where the hub says that a station has print orders."""
        return f"kioskd/{self.site}/station/{checked_id('station', station)}/orders"

    @property
    def presence(self) -> Presence:
        """What the hub says of itself on the status topic."""
        online, offline = (Status(state=s).model_dump_json().encode() for s in ("online", "offline"))
        return Presence(self.status, online, offline)


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Status(_Payload):
    """Whether the hub of a site is connected to the broker; "online" is good for STATUS_VALID_FOR_S seconds."""

    v: Literal[1] = 1
    state: Literal["online", "offline"]


class Wake(_Payload):
    """There is something to ask the hub for. Deliberately says no more."""

    v: Literal[1] = 1


class DisplayCall(_Payload):
    """One line of a display. ``times_called`` rises on a recall."""

    label: str
    room: str
    called_at: datetime
    times_called: int


class DisplayState(_Payload):
    """The whole picture of one waiting area, newest call first. Times are aware UTC; ``at`` is when it was read."""

    v: Literal[1] = 1
    area: str
    area_name: str
    epoch: int
    version: int
    at: datetime
    calls: Annotated[tuple[DisplayCall, ...], Field(max_length=ROWS)]
    waiting_count: int


def display_state(snapshot: Snapshot) -> DisplayState:
    """The payload that says what ``snapshot`` says."""
    return DisplayState(
        area=snapshot.area,
        area_name=snapshot.area_name,
        epoch=snapshot.epoch,
        version=snapshot.version,
        at=snapshot.at,
        calls=tuple(
            DisplayCall(label=c.label, room=c.room, called_at=c.called_at, times_called=c.times_called)
            for c in snapshot.calls
        ),
        waiting_count=snapshot.waiting_count,
    )

"""The ends of the audit chains, noted outside their database: what finds that a chain's newest entries were cut off.

``<role>.heads`` lies beside the database: the newest entry of each chain, signed with a key derived from the database's
(HMAC-SHA-256). It is written when a store opens, every few seconds while chains grow, and when it closes, on a thread
of its own: a commit costs nothing more. A noted head only ever moves forward; one that the database contradicts stays
in the file for good, so that going on does not cover it up. The log gets each head at open and close and once an hour.

What it can't do: entries of the last seconds before a crash are not noted yet, and who puts back older copies of the
database and of this file together is found only by a head from elsewhere, such as a line of the log
(``kioskd audit verify --head``). Who has the key can write anything anew, except what left this machine.
PostgreSQL: heads are noted when the site file names a ``key_file``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, Table

from kioskd.beside import beside
from kioskd.calls import CallThread, CallTimedOut
from kioskd.config import StoreConfig
from kioskd.errors import StoreError
from kioskd.store.audit import AUDIT, Head, has_entry, heads
from kioskd.store.engine import read_key

if TYPE_CHECKING:
    from kioskd.store.store import Store

T = TypeVar("T")

log = logging.getLogger(__name__)

NOTE_EVERY_S = 5.0
LOG_EVERY_S = 3600.0
WRITE_WITHIN_S = 10.0
"""A disk that hangs costs the note, nothing else."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What a head file says. ``contradicted``: heads that the database did not have any more when they were looked for.

    ``problem``: why the file itself can't be believed, for staff; empty when it is sound.
    """

    heads: tuple[Head, ...] = ()
    contradicted: tuple[Head, ...] = ()
    is_there: bool = False
    problem: str = ""


class HeadFile:
    """One role's head file."""

    def __init__(self, role: str, config: StoreConfig) -> None:
        self.path = config.folder / f"{role}.heads"
        self._role = role
        self._key = hmac.digest(read_key(config.required_key_file), b"kioskd audit heads", hashlib.sha256)

    def read(self) -> Noted:
        """What it says. Raises OSError for a file that can't be read now, which says nothing about what is in it."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            if not hmac.compare_digest(self._mac(data["noted"]), data["mac"]):
                return Noted(is_there=True, problem=f"{self.path} was changed, or was signed with another key")
            found = [tuple(Head(**one) for one in data["noted"][part]) for part in ("heads", "contradicted")]
        except FileNotFoundError:
            return Noted()
        except (ValueError, KeyError, TypeError):
            return Noted(is_there=True, problem=f"{self.path} is damaged")
        return Noted(found[0], found[1], is_there=True)

    def write(self, noted: Noted) -> None:
        """Replace the file at once and durably. Raises OSError."""
        content = {
            "role": self._role,
            "heads": [asdict(head) for head in noted.heads],
            "contradicted": [asdict(head) for head in noted.contradicted],
        }
        # A command beside the daemon writes it too: each its own new file, the last one stays.
        fresh = self.path.with_suffix(f".heads-{os.getpid()}")
        opened = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            json.dump({"noted": content, "mac": self._mac(content)}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def set_aside(self) -> None:
        """Keep a file that can't be believed as evidence, under another name. Raises OSError."""
        self.path.replace(self.path.with_suffix(".heads-refused"))

    def _mac(self, content: object) -> str:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def compare(connection: Connection, table: Table, noted: Noted, now: datetime) -> Noted:
    """The heads as they are now, and with them every noted one that the database does not have any more."""
    lost = tuple(h for h in noted.heads if not has_entry(connection, table, h) and h not in noted.contradicted)
    present = heads(connection, table, now)
    known = {(head.chain, head.sequence): head for head in noted.heads}
    # A head that did not move keeps the time at which it was seen first.
    kept = tuple(k if (k := known.get((h.chain, h.sequence), h)).hash == h.hash else h for h in present)
    return replace(noted, heads=kept, contradicted=noted.contradicted + lost)


class _Keeper:
    def __init__(self, store: Store, table: Table, file: HeadFile) -> None:
        self._store = store
        self._table = table
        self._file = file
        self._thread = CallThread(file.path.name)
        self._is_sound = True

    async def note(self, is_logged: bool = False) -> None:
        """Note the heads once. What goes wrong is a line in the log: the front desk must not wait for it."""
        try:
            before = await self._on_thread(self._file.read)
            after = await self._store.read(lambda c: compare(c, self._table, before, datetime.now(UTC)))
            if before.problem:
                await self._on_thread(self._file.set_aside)
            if after != before or not before.is_there:
                await self._on_thread(lambda: self._file.write(after))
        except (OSError, StoreError, CallTimedOut) as error:
            if self._is_sound:
                log.warning("the ends of the audit trail can't be noted in %s: %s", self._file.path, error)
            self._is_sound = False
            return
        self._is_sound = True
        self._tell(before, after, is_logged)

    def _tell(self, before: Noted, after: Noted, is_logged: bool) -> None:
        role = self._file.path.stem
        if before.problem:
            log.error("audit trail: %s; it was set aside as evidence", before.problem)
        for head in after.contradicted[len(before.contradicted) :]:
            what = "audit trail %s: entry %d of chain %s, noted at %s, is not there any more: see kioskd audit verify"
            log.error(what, role, head.sequence, head.chain, head.noted_at)
        for head in after.heads if is_logged else ():
            log.info("audit head %s:%s:%d:%s", role, head.chain, head.sequence, head.hash[:32])

    async def run(self) -> None:
        """Note the heads every few seconds, and tell them to the log now and then. Ends by cancellation."""
        loop = asyncio.get_running_loop()
        logged_at = loop.time()
        while True:
            await asyncio.sleep(NOTE_EVERY_S)
            is_time = loop.time() - logged_at >= LOG_EVERY_S
            logged_at = loop.time() if is_time else logged_at
            await self.note(is_logged=is_time)

    async def _on_thread(self, function: Callable[[], T]) -> T:
        if self._thread.is_lost:
            self._thread = CallThread(self._thread.name)
        return await self._thread.call(function, WRITE_WITHIN_S)

    def close(self) -> None:
        self._thread.close()


@asynccontextmanager
async def heads_kept(store: Store, config: StoreConfig) -> AsyncIterator[None]:
    """Note the ends of an open store's chains while the block runs; does nothing for one without an audit trail."""
    table = store.schema.tables.tables.get(AUDIT)
    if table is None or config.key_file is None:
        yield
        return
    keeper = _Keeper(store, table, HeadFile(store.schema.role, config))
    try:
        await keeper.note(is_logged=True)
        async with beside(keeper.run()):
            yield
        await keeper.note(is_logged=True)
    finally:
        keeper.close()

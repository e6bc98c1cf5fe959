"""The database mechanism: one database per role, one writer, state + outbox + audit in one transaction.

Knows no role's tables: a role describes itself by a ``Schema`` and hands plain functions to ``Store.write``.

``store``    open, read, write
``worker``   the thread of a connection, and what follows from each kind of failure
``trouble``  what the engines' error codes mean
``health``   how a store is, for the console
``reserve``  room that is given up when the disk is full
``check``    looks through a database that was not closed
``engine``   encrypted SQLite or PostgreSQL
``lock``     one daemon per database
``migrate``  bring a database to the role's revision
``outbox``   side effects that were committed with their state
``audit``    the hash chain of who did what
``heads``    the ends of these chains, noted outside the database
``reading``  a database opened to look at, never made or changed
``columns``  column types that mean the same on both databases
"""

from kioskd.store.audit import AuditEntry
from kioskd.store.columns import UtcDateTime
from kioskd.store.health import StoreHealth, StoreState
from kioskd.store.store import Schema, Store, open_store

__all__ = ["AuditEntry", "Schema", "Store", "StoreHealth", "StoreState", "UtcDateTime", "open_store"]

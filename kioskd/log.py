"""Log lines as JSON, one a line, for the journal. Never patient data: what could hold it is not logged at all.

The text of a foreign exception may quote what a person typed or what a card said, and so may asyncio's description of
a task or callback, which holds its arguments. So errors are told by kind and places, also the ones that Python itself
would print to standard error: what nobody caught, in any thread, and a failed log call, which would show its arguments.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger(__name__)

_SAFE_WORDS = re.compile(r"[^\n<({]*")
"""The part of a message of asyncio before the first description of an object."""


class JsonLines(logging.Formatter):
    """One JSON object a record: time (UTC), level, logger, message and, for an error, its kind and places."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": _message(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            errors = _leaves(record.exc_info[1])
            places = [frame for error in errors for frame in traceback.extract_tb(error.__traceback__)]
            line["error"] = ", ".join(_kind(error) for error in errors)
            line["places"] = "; ".join(f"{f.filename}:{f.lineno} {f.name}" for f in places)
        return json.dumps(line, ensure_ascii=False)


class _Lines(logging.StreamHandler[Any]):
    """Standard error, where a log call that fails tells its place only."""

    def handleError(self, record: logging.LogRecord) -> None:
        line = {
            "level": "error",
            "from": record.name,
            "message": f"a log call failed: {record.pathname}:{record.lineno}",
        }
        print(json.dumps(line), file=sys.stderr)


def set_up(level: int = logging.INFO) -> None:
    """Send every logger's records, and every error that nobody caught, to standard error."""
    handler = _Lines(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    sys.excepthook = lambda kind, error, trace: log.critical("ended by an error", exc_info=(kind, error, trace))
    threading.excepthook = _thread_ended
    sys.unraisablehook = _not_raised


def _thread_ended(about: threading.ExceptHookArgs) -> None:
    if about.exc_value is not None and about.exc_type is not SystemExit:
        name = about.thread.name if about.thread is not None else "a thread"
        log.error("%s ended by an error", name, exc_info=(about.exc_type, about.exc_value, about.exc_traceback))


def _not_raised(about: Any) -> None:
    """``about`` is a ``sys.UnraisableHookArgs``; its object and message may hold anything."""
    if about.exc_value is not None:
        log.error("an error that could not be raised", exc_info=(about.exc_type, about.exc_value, about.exc_traceback))


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.name == "asyncio":
        found = _SAFE_WORDS.match(message)
        return found[0].rstrip() if found else ""
    return message


def _kind(error: BaseException) -> str:
    """The class of an error, and for one of the system its reason in the system's own words."""
    number = error.errno if isinstance(error, OSError) else None
    reason = f": {os.strerror(number)}" if isinstance(number, int) else ""
    return type(error).__name__ + reason


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors inside groups, which are what happened."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]

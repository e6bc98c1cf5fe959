"""Log lines as JSON, one a line, for the journal. Never patient data: what could hold it is not logged at all."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One JSON object a record: time (UTC), level, logger, message and, for an error, its kind and places."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            # The text of a foreign exception may hold what a person typed: only its kind and places.
            line["error"] = type(error).__name__
            frames = traceback.extract_tb(error.__traceback__)
            line["places"] = "; ".join(f"{f.filename}:{f.lineno} {f.name}" for f in frames)
        return json.dumps(line, ensure_ascii=False)


def set_up(level: int = logging.INFO) -> None:
    """Send every logger's records to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)

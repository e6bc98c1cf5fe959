"""JSON that keeps decimals exact (FHIR R4 2.6.0.1: 1.10 is not 1.1) and refuses what a database can't keep.

Refused: NaN and Infinity, a key that is there twice, characters that are not Unicode text (lone surrogates), NUL,
and nesting deeper than ``DEPTH``.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

DEPTH = 48
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")


def parse(body: bytes) -> Any:
    """The value that UTF-8 JSON text stands for. Raises ValueError; its text holds no content."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError(f"nested deeper than {DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    _check(value, 0)
    return value


def read(text: str) -> Any:
    """The value of JSON text that ``write`` made."""
    return json.loads(text, parse_float=Decimal)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object has one key twice")
    return made


def _check(value: Any, depth: int) -> None:
    if depth > DEPTH:
        raise ValueError(f"nested deeper than {DEPTH} levels")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


def _check_text(text: str) -> None:
    if _UNKEEPABLE.search(text):
        raise ValueError("a text holds the character U+0000 or half of a surrogate pair")


def write(value: Any, is_sorted: bool = False) -> str:
    """JSON text of a value that ``parse`` gave, or of one built from the same types. Decimals keep their digits."""
    if isinstance(value, dict):
        keys = sorted(value) if is_sorted else value
        return "{" + ",".join(f"{_quoted(key)}:{write(value[key], is_sorted)}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(write(inner, is_sorted) for inner in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return _quoted(value)


def write_indented(value: Any, margin: str = "") -> str:
    """The same for people to read."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        lines = (f"{inner}{_quoted(key)}: {write_indented(part, inner)}" for key, part in value.items())
        return "{\n" + ",\n".join(lines) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + write_indented(part, inner) for part in value) + f"\n{margin}]"
    return write(value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

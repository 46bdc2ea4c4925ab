"""JSON from hostile metadata: capped, never raising, and turned into plain texts and numbers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

MAX_JSON_CHARS = 8_000_000
"""Longest text that is parsed as JSON."""
MAX_TEXT_CHARS = 20_000
"""Longest prompt or value that is reported."""
_BLANK = "\ufeff\0 \t\r\n"
MAX_FIELDS = 64
"""Most further parameters that are reported."""


def load_object(text: str) -> dict[str, Any] | None:
    """The JSON object that ``text`` holds, or None; NaN and infinities become None.

    >>> load_object('{"cfg": NaN}')
    {'cfg': None}
    >>> load_object("[" * 100_000) is None
    True
    """
    text = text.strip(_BLANK)
    if not text.startswith("{") or len(text) > MAX_JSON_CHARS:
        return None
    try:
        found = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def as_object(value: object) -> dict[str, Any]:
    """``value`` where it is a JSON object, an empty one where not."""
    return value if isinstance(value, dict) else {}


def as_text(value: object) -> str:
    """A string, number or list of strings as one text of limited length, anything else as the empty text.

    >>> as_text(["a", "b", None]), as_text(2.5), as_text({})
    ('a, b', '2.5', '')
    """
    if isinstance(value, list):
        return ", ".join(as_text(item) for item in value[:MAX_FIELDS] if isinstance(item, str | int))[:MAX_TEXT_CHARS]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return ""
    return str(value)[:MAX_TEXT_CHARS] if isinstance(value, str | int | float) else ""


def as_integer(value: object) -> int | None:
    """A whole number of at most 64 bits, also from its decimal text, or None.

    >>> as_integer("12"), as_integer(12.0), as_integer("x"), as_integer(True)
    (12, 12, None, None)
    """
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) <= 24:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64 else None


def simple_fields(values: Mapping[str, Any], skip: Collection[str] = ()) -> dict[str, str]:
    """The texts and numbers of an object, without ``skip`` and empty ones, as texts."""
    named = ((key[:100], as_text(value)) for key, value in values.items() if key not in skip)
    return dict([(key, text) for key, text in named if text][:MAX_FIELDS])

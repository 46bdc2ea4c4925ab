"""The number in the pixels as a C2PA soft binding: algorithm name and value, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable

ALGORITHM = "io.filigrane.spread.1"
"""Name of our pixel mark as a soft-binding algorithm."""
SCHEMA = 1
ID_BITS = 60

_VALUE = re.compile(rf"{SCHEMA}\*([01]{{{ID_BITS}}})")


def to_value(mark: int) -> str:
    """The binding value of a mark: the schema, a star, and 60 binary digits.

    >>> to_value(5)[-4:]
    '0101'
    """
    return f"{SCHEMA}*{mark:0{ID_BITS}b}"


def from_value(value: str) -> int | None:
    """The mark that a binding value names, or None where it is none of ours.

    >>> from_value(to_value(5)), from_value("2*0101")
    (5, None)
    """
    found = _VALUE.fullmatch(value)
    return int(found[1], 2) if found else None


def names(bindings: Iterable[tuple[str, str]], mark: int) -> bool:
    """Whether a manifest's soft bindings, pairs of algorithm and value, name this mark.

    >>> names([(ALGORITHM, to_value(5))], 5)
    True
    """
    return any(alg == ALGORITHM and from_value(value) == mark for alg, value in bindings)

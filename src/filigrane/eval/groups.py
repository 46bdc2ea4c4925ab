"""Names of groups of samples, such as ``delivery=jpeg-75;generator=sdxl``, taken apart."""

from __future__ import annotations


def parts_of(group: str) -> dict[str, str]:
    """What a group selects.

    >>> parts_of("delivery=none;generator=a=b")
    {'delivery': 'none', 'generator': 'a=b'}
    """
    return {key: value for key, _, value in (part.partition("=") for part in group.split(";")) if value}

"""What the adapters of other people's packages share: importing them late, and bits."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from filigrane.core.errors import MissingExtra


class MissingPeer(MissingExtra):
    """A method of somebody else's package was asked for, and the package is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(feature, extra)
        self.args = (f"{feature} needs the package {extra}, which is not installed here: run pip install {extra}.",)


def imported(module: str, package: str, *, feature: str) -> ModuleType:
    """The module, imported now; raises MissingPeer where its package is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPeer(feature, package) from error


def release(package: str) -> str:
    """The version of an installed package; empty where its files do not say."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def to_bits(payload: int, count: int) -> list[int]:
    """The ``count`` bits of ``payload``, most significant first.

    >>> to_bits(5, 4)
    [0, 1, 0, 1]
    """
    return [payload >> place & 1 for place in reversed(range(count))]


def from_bits(bits: list[int]) -> int:
    """The number that ``bits`` write, most significant first.

    >>> from_bits([0, 1, 0, 1])
    5
    """
    return int("".join(str(int(bit)) for bit in bits) or "0", 2)

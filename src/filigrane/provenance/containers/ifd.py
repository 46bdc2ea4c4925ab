"""Image file directories: the tag tables of TIFF, BigTIFF and EXIF blocks (TIFF 6.0, BigTIFF, Exif 3.0).

Values are only sliced when asked for, so many entries that point at the same bytes cost nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

from filigrane.provenance.containers.base import MAX_BLOCK_BYTES

MAX_ENTRIES = 4096
"""Most entries of one directory that is read."""
MAX_NUMBERS = 64
"""Most numbers of one entry that are unpacked."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: tag, field type, count, and the value field, which holds the value or its offset."""

    tag: int
    kind: int
    count: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """Byte order and word size: classic TIFF has 4-byte offsets and 2-byte entry counts, BigTIFF 8 and 8."""

    order: str
    big: bool

    @property
    def word(self) -> str:
        """Struct code of an offset."""
        return self.order + ("Q" if self.big else "I")

    @property
    def entry(self) -> str:
        """Struct code of an entry."""
        return self.order + ("HHQ8s" if self.big else "HHI4s")

    @property
    def count(self) -> str:
        """Struct code of the number of entries."""
        return self.order + ("Q" if self.big else "H")

    @property
    def pointer(self) -> int:
        """Where the offset of the first directory stands."""
        return 8 if self.big else 4


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory: its entries, and the offset of the next one as it stands."""

    layout: Layout
    entries: tuple[Entry, ...]
    next_page: bytes


def read_layout(file: bytes) -> Layout | None:
    """The layout that the header of a TIFF or EXIF block declares, or None."""
    order = {b"II": "<", b"MM": ">"}.get(file[:2])
    if order is None or len(file) < 8:
        return None
    (magic,) = struct.unpack_from(order + "H", file, 2)
    if magic == 43 and len(file) >= 16 and struct.unpack_from(order + "HH", file, 4) == (8, 0):
        return Layout(order, True)
    return Layout(order, False) if magic == 42 else None


def read_first(file: bytes) -> Directory | None:
    """The first directory of a TIFF or EXIF block; None where header or directory are damaged."""
    layout = read_layout(file)
    if layout is None:
        return None
    (start,) = struct.unpack_from(layout.word, file, layout.pointer)
    return read_directory(file, layout, start)


def read_directory(file: bytes, layout: Layout, start: int) -> Directory | None:
    """The directory at ``start``; None where it is not all in the file or has too many entries."""
    width, head, word = (struct.calcsize(code) for code in (layout.entry, layout.count, layout.word))
    if start + head > len(file):
        return None
    (count,) = struct.unpack_from(layout.count, file, start)
    end = start + head + count * width
    if count > MAX_ENTRIES or end > len(file):
        return None
    entries = tuple(Entry(*fields) for fields in struct.iter_unpack(layout.entry, file[start + head : end]))
    # Some EXIF writers leave out the pointer to the next directory at the end of a block.
    return Directory(layout, entries, file[end : end + word].ljust(word, b"\0"))


def value(file: bytes, layout: Layout, entry: Entry) -> bytes | None:
    """The bytes of an entry; None where they are not all in the file or over the limit of a metadata block."""
    size = _SIZES.get(entry.kind, 1) * entry.count
    if size <= len(entry.value):
        return entry.value[:size]
    if size > MAX_BLOCK_BYTES:
        return None
    (start,) = struct.unpack(layout.word, entry.value)
    return file[start : start + size] if start + size <= len(file) else None


def numbers(file: bytes, layout: Layout, entry: Entry) -> tuple[Fraction | float, ...]:
    """The finite numbers of a numeric entry; empty where it is not numeric, damaged, or has too many."""
    content = value(file, layout, entry) if entry.count <= MAX_NUMBERS else None
    if content is None:
        return ()
    if entry.kind in (5, 10):
        code = layout.order + ("II" if entry.kind == 5 else "ii")
        return tuple(Fraction(over, under) for over, under in struct.iter_unpack(code, content) if under)
    if entry.kind not in _CODES:
        return ()
    found = (number for (number,) in struct.iter_unpack(layout.order + _CODES[entry.kind], content))
    return tuple(number for number in found if abs(number) < float("inf"))

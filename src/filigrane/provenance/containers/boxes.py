"""Boxes of the ISO base media file format (ISO/IEC 14496-12), as AVIF and HEIC use them: walking, items, locations.

Every length is checked against its parent before anything is sliced, and counts are bounded by the bytes there are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from filigrane.core.errors import UnreadableInput
from filigrane.provenance.containers.base import MAX_PARTS


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its type, where it starts, where its content starts, and where it ends."""

    kind: bytes
    start: int
    content: int
    end: int


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of the item information box: identifier, type, and content type of a ``mime`` item."""

    id: int
    kind: bytes
    content_type: bytes = b""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the data of an item lie: by file offset (method 0) or in the item data box (method 1)."""

    id: int
    method: int
    source: int
    extents: tuple[tuple[int, int, int], ...]
    """Index, offset (base included) and length of each extent."""


@dataclass(frozen=True, slots=True)
class Locations:
    """The item location box: its version, the sizes of its fields in bytes, and its entries."""

    version: int
    offset_bytes: int
    length_bytes: int
    index_bytes: int
    entries: tuple[Location, ...]


class Cursor:
    """Reads big-endian numbers one after another; raises UnreadableInput past the end."""

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data, self.position, self.end = data, position, min(end, len(data))

    def number(self, size_bytes: int) -> int:
        """The next unsigned number of ``size_bytes`` (0 gives 0)."""
        return int.from_bytes(self.take(size_bytes), "big")

    def take(self, size_bytes: int) -> bytes:
        """The next ``size_bytes`` bytes."""
        start, self.position = self.position, self.position + size_bytes
        if self.position > self.end:
            raise UnreadableInput("A box of this AVIF or HEIC file is cut off or damaged.")
        return self.data[start : self.position]


def boxes(file: bytes, start: int, end: int) -> Iterator[Box]:
    """The complete boxes between two positions, in order."""
    end = min(end, len(file))
    for _ in range(MAX_PARTS):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", file, start)
        content = start + 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", file, content)
            content += 8
        elif size == 0:
            size = end - start
        if size < content - start or start + size > end:
            return
        yield Box(kind, start, content, start + size)
        start += size


def read_items(file: bytes, box: Box) -> tuple[Item, ...]:
    """The entries of an ``iinf`` box; those of old versions, which images do not use, are left out."""
    cursor = Cursor(file, box.content, box.end)
    version = cursor.number(4) >> 24
    cursor.number(2 if version == 0 else 4)
    return tuple(
        item
        for entry in boxes(file, cursor.position, box.end)
        if entry.kind == b"infe" and (item := _read_item(file, entry)) is not None
    )


def _read_item(file: bytes, box: Box) -> Item | None:
    cursor = Cursor(file, box.content, box.end)
    version = cursor.number(4) >> 24
    if version not in (2, 3):
        return None
    identifier = cursor.number(2 if version == 2 else 4)
    cursor.number(2)
    kind = cursor.take(4)
    strings = file[cursor.position : box.end].split(b"\0")
    return Item(identifier, kind, strings[1] if kind == b"mime" and len(strings) > 1 else b"")


def read_locations(file: bytes, box: Box) -> Locations:
    """The entries of an ``iloc`` box, base offsets added in."""
    cursor = Cursor(file, box.content, box.end)
    version = cursor.number(4) >> 24
    sizes = cursor.number(2)
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_bytes = sizes & 15 if version in (1, 2) else 0
    if version > 2 or not {offset_bytes, length_bytes, base_bytes, index_bytes} <= {0, 4, 8}:
        raise UnreadableInput("The item location box of this AVIF or HEIC file is of an unknown kind.")
    entries = []
    extents_seen = 0
    for _ in range(cursor.number(4 if version == 2 else 2)):
        identifier = cursor.number(4 if version == 2 else 2)
        method = cursor.number(2) & 15 if version else 0
        source, base, count = cursor.number(2), cursor.number(base_bytes), cursor.number(2)
        extents_seen += count
        if extents_seen > MAX_PARTS:
            raise UnreadableInput("The item location box of this AVIF or HEIC file lists too many extents.")
        extents = tuple(
            (cursor.number(index_bytes), base + cursor.number(offset_bytes), cursor.number(length_bytes))
            for _ in range(count)
        )
        entries.append(Location(identifier, method, source, extents))
    return Locations(version, offset_bytes, length_bytes, index_bytes, tuple(entries))


def write_locations(locations: Locations) -> bytes:
    """An ``iloc`` box without base offsets; fields are of 4 bytes, of 8 where a value or the original needs it."""
    numbers = [number for entry in locations.entries for extent in entry.extents for number in extent]
    wide = 8 if 8 in (locations.offset_bytes, locations.length_bytes) or max(numbers, default=0) >= 2**32 else 4
    index_bytes = locations.index_bytes and 8
    version = locations.version
    wide_id = 4 if version == 2 else 2
    body = bytearray(struct.pack(">IH", version << 24, wide << 12 | wide << 8 | index_bytes))
    body += len(locations.entries).to_bytes(wide_id, "big")
    for entry in locations.entries:
        body += entry.id.to_bytes(wide_id, "big")
        if version:
            body += struct.pack(">H", entry.method)
        body += struct.pack(">HH", entry.source, len(entry.extents))
        for index, offset, length in entry.extents:
            body += index.to_bytes(index_bytes, "big") + offset.to_bytes(wide, "big") + length.to_bytes(wide, "big")
    return pack(b"iloc", bytes(body))


def read_described(file: bytes, box: Box | None) -> dict[int, tuple[int, ...]]:
    """By the ``cdsc`` entries of an ``iref`` box (or none): which items each item describes."""
    if box is None:
        return {}
    version = Cursor(file, box.content, box.end).number(4) >> 24
    wide = 4 if version else 2
    described: dict[int, tuple[int, ...]] = {}
    for entry in boxes(file, box.content + 4, box.end):
        if entry.kind == b"cdsc":
            cursor = Cursor(file, entry.content, entry.end)
            identifier, count = cursor.number(wide), cursor.number(2)
            described[identifier] = tuple(cursor.number(wide) for _ in range(count))
    return described


def shifted(locations: Locations, after: int, by: int) -> Locations:
    """The locations after ``by`` bytes were put in before position ``after`` of the file."""
    return replace(
        locations,
        entries=tuple(
            entry
            if entry.method
            else replace(
                entry,
                extents=tuple((i, offset + by if offset >= after else offset, n) for i, offset, n in entry.extents),
            )
            for entry in locations.entries
        ),
    )


def pack(kind: bytes, content: bytes) -> bytes:
    """A box with a 32-bit size (content under 4 GiB)."""
    return struct.pack(">I4s", len(content) + 8, kind) + content

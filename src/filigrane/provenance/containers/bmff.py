"""AVIF and HEIC: EXIF and XMP items and the C2PA box; XMP written back as a ``mime`` item.

Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 23008-12 (EXIF and XMP items, ``cdsc``), C2PA 2.x (its ``uuid`` box).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from filigrane.core.errors import UnreadableInput
from filigrane.provenance.containers.base import MAX_BLOCK_BYTES, Container, Draft
from filigrane.provenance.containers.boxes import (
    Box,
    Cursor,
    Item,
    Location,
    Locations,
    boxes,
    pack,
    read_described,
    read_items,
    read_locations,
    shifted,
    write_locations,
)
from filigrane.provenance.containers.trailing import classify

_XMP_TYPE = b"application/rdf+xml"
_MAX_ITEMS = 16
"""Most EXIF and XMP items read; each may point at the same bytes."""
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def read(data: bytes) -> Container:
    """The container of an AVIF or HEIC file; a damaged one gives what could be read, with problems."""
    draft = Draft()
    end, meta = 0, None
    for box in boxes(data, 0, len(data)):
        end = box.end
        if box.kind == b"meta" and meta is None:
            meta = box
        elif box.kind == b"uuid" and data[box.content : box.content + 16] == _C2PA_UUID:
            draft.has_c2pa = True
    if meta is None:
        draft.problem("The file has no complete meta box.")
    else:
        try:
            _read_meta(draft, data, meta)
        except UnreadableInput as error:
            draft.problem(str(error))
    draft.trailing = classify(data, end) if end else None
    return draft.finish()


@dataclass(frozen=True, slots=True)
class _Meta:
    """A meta box taken apart: its boxes by type, its items and where they lie, and which of them are main XMP."""

    box: Box
    parts: tuple[Box, ...]
    items: tuple[Item, ...]
    locations: Locations
    primary: int
    main_xmp: tuple[int, ...]

    def part(self, kind: bytes) -> Box | None:
        return next((part for part in self.parts if part.kind == kind), None)


def _is_xmp(item: Item) -> bool:
    return item.kind == b"mime" and item.content_type == _XMP_TYPE


def _parse(data: bytes, box: Box) -> _Meta:
    """The meta box taken apart; UnreadableInput where it lacks what an image needs."""
    parts = tuple(boxes(data, box.content + 4, box.end))
    found = {part.kind: part for part in reversed(parts)}
    if not {b"iinf", b"iloc", b"pitm"} <= found.keys():
        raise UnreadableInput("The meta box of this AVIF or HEIC file lists no items.")
    cursor = Cursor(data, found[b"pitm"].content, found[b"pitm"].end)
    primary = cursor.number(4 if cursor.number(4) >> 24 else 2)
    items, described = read_items(data, found[b"iinf"]), read_described(data, found.get(b"iref"))
    # Depth maps and gain maps have XMP of their own, which is not that of the picture.
    main = tuple(item.id for item in items if _is_xmp(item) and primary in described.get(item.id, (primary,)))
    return _Meta(box, parts, items, read_locations(data, found[b"iloc"]), primary, main)


def _read_meta(draft: Draft, data: bytes, box: Box) -> None:
    meta = _parse(data, box)
    item_data = meta.part(b"idat")
    locations = {entry.id: entry for entry in meta.locations.entries}
    told = [item for item in meta.items if (item.kind == b"Exif" or _is_xmp(item)) and item.id in locations]
    for item in sorted(told, key=lambda item: item.id not in meta.main_xmp)[:_MAX_ITEMS]:
        content = _item_bytes(data, locations[item.id], item_data)
        if content is None:
            draft.problem("The EXIF or XMP item points outside the file or is over the limit.")
        elif item.kind == b"Exif":
            draft.add_exif(content[4 + int.from_bytes(content[:4], "big") :])
        else:
            draft.add_xmp(content)


def _item_bytes(data: bytes, location: Location, item_data: Box | None) -> bytes | None:
    """The bytes of an item; None where they are not all there or are over the limit."""
    if location.method not in (0, 1) or (location.method == 1 and item_data is None):
        return None
    start, end = (item_data.content, item_data.end) if location.method and item_data else (0, len(data))
    total = sum(length for _, _, length in location.extents)
    if total > MAX_BLOCK_BYTES or any(start + offset + length > end for _, offset, length in location.extents):
        return None
    return b"".join(data[start + offset : start + offset + length] for _, offset, length in location.extents)


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The same file with ``packet`` as its main XMP item, in a media data box of its own after the other boxes.

    The meta box grows, so the file offsets of all items and of the frames of a sequence are moved with their data.
    Raises UnreadableInput where the file is damaged or of a kind that cannot be moved safely. The bytes of a packet
    that is replaced stay in the file, unreferenced.
    """
    top = tuple(boxes(data, 0, len(data)))
    box = next((box for box in top if box.kind == b"meta"), None)
    if box is None:
        raise UnreadableInput("An AVIF or HEIC with a complete meta box is needed; these bytes are cut off or damaged.")
    meta = _parse(data, box)
    if meta.parts[-1].end != box.end:
        raise UnreadableInput("The meta box of this AVIF or HEIC file is damaged.")
    for entry in meta.locations.entries:
        if entry.method == 0 and any(box.start <= offset < box.end for _, offset, length in entry.extents if length):
            raise UnreadableInput("This AVIF or HEIC keeps item data inside its meta box by file offset.")
    known = bool(meta.main_xmp)
    identifier = min(meta.main_xmp) if known else max((item.id for item in meta.items), default=0) + 1
    if identifier >= 2 ** (32 if meta.locations.version == 2 else 16):
        raise UnreadableInput("This AVIF or HEIC has no item identifier left for an XMP item.")
    kept = tuple(entry for entry in meta.locations.entries if entry.id not in meta.main_xmp)
    placed = Location(identifier, 0, 0, ((0, top[-1].end, len(packet)),))
    locations = replace(meta.locations, entries=(*kept, placed))
    # The width of the location fields may depend on the offsets, so the size of the box is taken from a trial.
    growth = len(_meta_box(data, meta, locations, new_item=None if known else identifier)) - (box.end - box.start)
    tail = pack(b"mdat", packet)
    moved = shifted(locations, box.end, growth)
    end = top[-1].end + growth + len(tail) - len(packet)
    moved = replace(moved, entries=(*moved.entries[:-1], replace(placed, extents=((0, end, len(packet)),))))
    return _assemble(data, top, meta=_meta_box(data, meta, moved, new_item=None if known else identifier), tail=tail)


def _meta_box(data: bytes, meta: _Meta, locations: Locations, *, new_item: int | None) -> bytes:
    """The meta box with new locations and, where ``new_item`` is given, an XMP item that describes the picture."""
    pieces = [data[meta.box.content : meta.box.content + 4]]
    for part in meta.parts:
        content = data[part.content : part.end]
        if part.kind == b"iloc":
            pieces.append(write_locations(locations))
        elif part.kind == b"iinf" and new_item is not None:
            pieces.append(_with_item(content, new_item))
        elif part.kind == b"iref" and new_item is not None:
            pieces.append(pack(b"iref", content + _reference(content, new_item, meta.primary)))
        else:
            pieces.append(data[part.start : part.end])
    if new_item is not None and meta.part(b"iref") is None:
        content = struct.pack(">I", 1 << 24 if max(new_item, meta.primary) >= 2**16 else 0)
        pieces.append(pack(b"iref", content + _reference(content, new_item, meta.primary)))
    return pack(b"meta", b"".join(pieces))


def _with_item(content: bytes, identifier: int) -> bytes:
    """The ``iinf`` box with one more entry: a hidden ``mime`` item of type application/rdf+xml."""
    wide = 4 if content[0] else 2
    count = int.from_bytes(content[4 : 4 + wide], "big") + 1
    if count >= 2 ** (8 * wide):
        raise UnreadableInput("This AVIF or HEIC has no room for one more item.")
    version, wide_id = (3, 4) if identifier >= 2**16 else (2, 2)
    entry = struct.pack(">I", version << 24 | 1) + identifier.to_bytes(wide_id, "big")
    entry += b"\0\0mimeXMP\0" + _XMP_TYPE + b"\0"
    return pack(b"iinf", content[:4] + count.to_bytes(wide, "big") + content[4 + wide :] + pack(b"infe", entry))


def _reference(content: bytes, identifier: int, primary: int) -> bytes:
    """A ``cdsc`` entry in the identifier width of the ``iref`` box that starts with ``content``."""
    wide = 4 if content[0] else 2
    if max(identifier, primary) >= 2 ** (8 * wide):
        raise UnreadableInput("The item references of this AVIF or HEIC are too narrow for one more item.")
    return pack(b"cdsc", identifier.to_bytes(wide, "big") + b"\0\1" + primary.to_bytes(wide, "big"))


def _assemble(data: bytes, top: tuple[Box, ...], *, meta: bytes, tail: bytes) -> bytes:
    """The file with its new meta box, chunk offsets of sequences moved, and ``tail`` put after the last box."""
    old = next(box for box in top if box.kind == b"meta")
    growth = len(meta) - (old.end - old.start)
    pieces = []
    for box in top:
        if box is old:
            pieces.append(meta)
            continue
        content = bytearray(data[box.start : box.end])
        if content[:4] == bytes(4):
            # A size of zero means "up to the end of the file", which is no longer true once a box follows.
            struct.pack_into(">I", content, 0, len(content))
        if box.kind == b"moov":
            _move_chunks(content, box.content - box.start, after=old.end, by=growth)
        pieces.append(bytes(content))
    return b"".join([*pieces, tail, data[top[-1].end :]])


def _move_chunks(moov: bytearray, content: int, *, after: int, by: int) -> None:
    """Move the chunk offsets (``stco``, ``co64``) of every track that point behind the meta box."""
    file = bytes(moov)
    level = list(boxes(file, content, len(file)))
    for kind in (b"trak", b"mdia", b"minf", b"stbl"):
        level = [inner for box in level if box.kind == kind for inner in boxes(file, box.content, box.end)]
    for box in level:
        width = {b"stco": 4, b"co64": 8}.get(box.kind)
        if width is None:
            continue
        cursor = Cursor(file, box.content + 4, box.end)
        for _ in range(cursor.number(4)):
            place, offset = cursor.position, cursor.number(width)
            if offset >= after:
                moov[place : place + width] = (offset + by).to_bytes(width, "big")

"""GIF: comments, the XMP and C2PA application extensions, trailing bytes; XMP written back.

Sources: GIF89a, XMP part 3 section 1.1.2 (``XMP DataXMP`` with its magic trailer), C2PA 2.x (``C2PA_GIF``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from filigrane.core.errors import UnreadableInput
from filigrane.provenance.containers.base import MAX_PARTS, Container, Draft, decode_text
from filigrane.provenance.containers.trailing import classify

_XMP_NAME = b"XMP DataXMP"
# A reader that follows the bytes of the packet as block lengths lands somewhere in this slide and reaches its end.
_MAGIC = b"\x01" + bytes(range(0xFF, -1, -1)) + b"\0"
_COMMENT, _APPLICATION, _EXTENSION, _IMAGE, _END = 0xFE, 0xFF, 0x21, 0x2C, 0x3B


@dataclass(frozen=True, slots=True)
class _Block:
    kind: int
    """The label of an extension, or the image or end introducer."""
    start: int
    content: int
    """Where the sub-blocks start."""
    end: int


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0


def _after_sub_blocks(file: bytes, position: int) -> int:
    """The position after the terminator of a chain of sub-blocks; beyond the file where the chain is cut off."""
    while position < len(file) and file[position]:
        position += 1 + file[position]
    return position + 1


def _blocks(file: bytes) -> Iterator[_Block]:
    """Every complete block after the screen descriptor and the global palette, end marker included."""
    start = _first_block(file)
    for _ in range(MAX_PARTS):
        if start >= len(file):
            return
        kind = content = end = 0
        if file[start] == _END:
            yield _Block(_END, start, start + 1, start + 1)
            return
        if file[start] == _EXTENSION and start + 2 < len(file):
            kind, content = file[start + 1], start + 2
        elif file[start] == _IMAGE and start + 10 < len(file):
            kind, content = _IMAGE, start + 11 + _palette_bytes(file[start + 9])
        else:
            return
        end = _after_sub_blocks(file, content)
        if end > len(file):
            return
        yield _Block(kind, start, content, end)
        start = end


def _first_block(file: bytes) -> int:
    if file[:6] not in (b"GIF87a", b"GIF89a") or len(file) < 13:
        return len(file)
    return 13 + _palette_bytes(file[10])


def _joined(file: bytes, position: int, end: int) -> bytes:
    pieces = []
    while position < end and file[position]:
        pieces.append(file[position + 1 : position + 1 + file[position]])
        position += 1 + file[position]
    return b"".join(pieces)


def _application(file: bytes, block: _Block) -> bytes:
    """The eleven bytes that name the application of an application extension, or nothing."""
    named = block.kind == _APPLICATION and file[block.content] == 11
    return file[block.content + 1 : block.content + 12] if named else b""


def read(data: bytes) -> Container:
    """The container of a GIF file; a damaged one gives what could be read, with problems."""
    draft = Draft()
    if data[:6] not in (b"GIF87a", b"GIF89a"):
        draft.problem("The GIF signature is missing.")
        return draft.finish()
    last = None
    for last in _blocks(data):
        if last.kind == _COMMENT:
            draft.add_text("comment", decode_text(_joined(data, last.content, last.end)), "GIF comment")
        elif _application(data, last) == _XMP_NAME:
            draft.add_xmp(_packet(data, last))
        elif _application(data, last).startswith(b"C2PA_GIF"):
            draft.has_c2pa = True
    if last is None or last.kind != _END:
        draft.problem("The GIF ends before its end marker.")
    else:
        draft.trailing = classify(data, last.end)
    return draft.finish()


def _packet(data: bytes, block: _Block) -> bytes:
    """The packet stands as it is before the magic trailer; some programs write it as ordinary sub-blocks instead."""
    content = data[block.content + 12 : block.end]
    return content[: -len(_MAGIC)] if content.endswith(_MAGIC) else _joined(data, block.content + 12, block.end)


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The same GIF with ``packet`` as its only XMP extension; GIF87a becomes GIF89a, which extensions need.

    Raises UnreadableInput for damaged files, and for a packet with NUL bytes (a UTF-16 one).
    """
    if b"\0" in packet:
        raise UnreadableInput("A GIF takes XMP in UTF-8 only, and this packet has NUL bytes; encode it as UTF-8.")
    blocks = list(_blocks(data))
    if not blocks or blocks[-1].kind != _END:
        raise UnreadableInput("A GIF is needed whose blocks run up to its end marker; these bytes are damaged.")
    new = b"\x21\xff\x0b" + _XMP_NAME + packet + _MAGIC
    pieces = [b"GIF89a" + data[6 : blocks[0].start], new]
    pieces += [data[block.start : block.end] for block in blocks if _application(data, block) != _XMP_NAME]
    return b"".join([*pieces, data[blocks[-1].end :]])

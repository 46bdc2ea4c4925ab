"""WebP: EXIF, XMP and C2PA chunks of the RIFF file; XMP and EXIF written back, with a VP8X header made where absent.

Sources: WebP container specification (RFC 9649), C2PA 2.x (``C2PA`` chunk).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from filigrane.core.errors import UnreadableInput
from filigrane.provenance.containers.base import MAX_PARTS, Container, Draft
from filigrane.provenance.containers.trailing import classify

_FLAGS = {b"XMP ": 0x04, b"EXIF": 0x08}
_ALPHA_FLAG = 0x10


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int
    end: int
    """Where the data of the chunk start and end, without header and padding."""


def _is_webp(file: bytes) -> bool:
    return file[:4] == b"RIFF" and file[8:12] == b"WEBP"


def _riff_end(file: bytes) -> int:
    return 8 + int.from_bytes(file[4:8], "little")


def _chunks(file: bytes) -> Iterator[_Chunk]:
    """The complete chunks of the RIFF file, in order."""
    start, limit = 12, min(len(file), _riff_end(file))
    for _ in range(MAX_PARTS):
        if start + 8 > limit:
            return
        kind, size = struct.unpack_from("<4sI", file, start)
        if start + 8 + size > limit:
            return
        yield _Chunk(kind, start + 8, start + 8 + size)
        start += 8 + size + size % 2


def read(data: bytes) -> Container:
    """The container of a WebP file; a damaged one gives what could be read, with problems."""
    draft = Draft()
    if not _is_webp(data):
        draft.problem("The WebP signature is missing.")
        return draft.finish()
    for chunk in _chunks(data):
        if chunk.kind == b"EXIF":
            draft.add_exif(data[chunk.start : chunk.end])
        elif chunk.kind == b"XMP ":
            draft.add_xmp(data[chunk.start : chunk.end])
        elif chunk.kind == b"C2PA":
            draft.has_c2pa = True
    if _riff_end(data) > len(data):
        draft.problem("The WebP file is shorter than its header says.")
    else:
        draft.trailing = classify(data, _riff_end(data))
    return draft.finish()


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The same WebP with ``packet`` as its only XMP chunk; UnreadableInput where damaged."""
    return _replace(data, b"XMP ", packet)


def with_exif(data: bytes, exif: bytes) -> bytes:
    """The same WebP with the raw TIFF bytes ``exif`` as its only EXIF chunk; UnreadableInput where damaged."""
    return _replace(data, b"EXIF", exif)


def _replace(data: bytes, kind: bytes, content: bytes) -> bytes:
    chunks = list(_chunks(data)) if _is_webp(data) and _riff_end(data) <= len(data) else []
    header = _extended_header(data, chunks[0]) if chunks else None
    if header is None:
        raise UnreadableInput("A WebP is needed whose first chunk is VP8X, VP8 or VP8L; these bytes are damaged.")
    flags = header[0] | _FLAGS[kind]
    pieces = [_packed(b"VP8X", bytes([flags]) + header[1:])]
    placed = False
    for chunk in chunks[1:] if chunks[0].kind == b"VP8X" else chunks:
        if chunk.kind != kind:
            pieces.append(_packed(chunk.kind, data[chunk.start : chunk.end]))
        elif not placed:
            pieces.append(_packed(kind, content))
            placed = True
    if not placed:
        pieces.append(_packed(kind, content))
    body = b"WEBP" + b"".join(pieces)
    return b"RIFF" + struct.pack("<I", len(body)) + body + data[_riff_end(data) :]


def _packed(kind: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(content)) + content + bytes(len(content) % 2)


def _extended_header(data: bytes, first: _Chunk) -> bytes | None:
    """The ten bytes of the VP8X chunk: as they stand, or made from the size (and alpha hint) of the only frame."""
    content = data[first.start : min(first.end, first.start + 10)]
    if len(content) < 5 or (len(content) < 10 and first.kind != b"VP8L"):
        return None
    if first.kind == b"VP8X":
        return content
    if first.kind == b"VP8L" and content[0] == 0x2F:
        bits = int.from_bytes(content[1:5], "little")
        width_px, height_px, alpha = bits % 2**14 + 1, (bits >> 14) % 2**14 + 1, bool(bits >> 28 & 1)
    elif first.kind == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":
        width_px, height_px = (value & 0x3FFF for value in struct.unpack_from("<HH", content, 6))
        alpha = False
    else:
        return None
    if not width_px or not height_px:
        return None
    size = (width_px - 1).to_bytes(3, "little") + (height_px - 1).to_bytes(3, "little")
    return bytes([_ALPHA_FLAG if alpha else 0, 0, 0, 0]) + size

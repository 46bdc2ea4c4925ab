"""PNG: text chunks before and after the pixels, EXIF, XMP and the C2PA chunk; XMP and EXIF written back.

Sources: PNG specification, third edition (W3C 2025), XMP part 3 (``XML:com.adobe.xmp``), C2PA 2.x (``caBX``) and
ImageMagick's ``Raw profile type`` texts.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from filigrane.core.errors import UnreadableInput
from filigrane.provenance.containers.base import MAX_PARTS, Container, Draft, decode_text
from filigrane.provenance.containers.trailing import classify

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int
    end: int
    """Where the chunk with length, kind and CRC starts and ends; its data lie between start + 8 and end - 4."""

    def data(self, file: bytes) -> bytes:
        return file[self.start + 8 : self.end - 4]


def _chunks(file: bytes) -> Iterator[_Chunk]:
    """The complete chunks up to IEND, in order."""
    start = len(_SIGNATURE)
    for _ in range(MAX_PARTS):
        if start + 12 > len(file):
            return
        length, kind = struct.unpack_from(">I4s", file, start)
        end = start + 12 + length
        if end > len(file):
            return
        yield _Chunk(kind, start, end)
        if kind == b"IEND":
            return
        start = end


def read(data: bytes) -> Container:
    """The container of a PNG file; a damaged one gives what could be read, with problems."""
    draft = Draft()
    if not data.startswith(_SIGNATURE):
        draft.problem("The PNG signature is missing.")
        return draft.finish()
    last = None
    for last in _chunks(data):
        reader = _READERS.get(last.kind)
        if reader is None:
            continue
        content = last.data(data)
        if zlib.crc32(last.kind + content) != int.from_bytes(data[last.end - 4 : last.end], "big"):
            draft.problem(f"A PNG {last.kind.decode('latin-1')} chunk has a wrong checksum.")
        reader(draft, content)
    if last is None or last.kind != b"IEND":
        draft.problem("The PNG ends before its IEND chunk.")
    else:
        draft.trailing = classify(data, last.end)
    return draft.finish()


def _read_text(draft: Draft, content: bytes) -> None:
    keyword, _, text = content.partition(b"\0")
    _keep(draft, keyword, text, where="PNG tEXt")


def _read_compressed(draft: Draft, content: bytes) -> None:
    keyword, _, rest = content.partition(b"\0")
    text = draft.unpack(rest[1:], "A PNG zTXt chunk")
    if text is not None:
        _keep(draft, keyword, text, where="PNG zTXt")


def _read_international(draft: Draft, content: bytes) -> None:
    keyword, _, rest = content.partition(b"\0")
    parts = rest[2:].split(b"\0", 2)
    if len(parts) < 3:
        draft.problem("A PNG iTXt chunk is cut off.")
        return
    text = draft.unpack(parts[2], "A PNG iTXt chunk") if rest[:1] == b"\x01" else parts[2]
    if text is not None:
        _keep(draft, keyword, text, where="PNG iTXt")


def _keep(draft: Draft, keyword: bytes, text: bytes, *, where: str) -> None:
    name = decode_text(keyword[:200])
    if name.startswith(_RAW_PROFILE):
        _keep_profile(draft, name.removeprefix(_RAW_PROFILE), text)
    elif keyword == _XMP_KEYWORD:
        draft.add_xmp(text)
    else:
        draft.add_text(name, decode_text(text), where)


def _keep_profile(draft: Draft, kind: str, text: bytes) -> None:
    """ImageMagick writes other formats' blocks as a name, a length and hexadecimal digits."""
    fields = text.split(None, 2)
    try:
        block = bytes.fromhex(fields[2].decode("ascii"))
    except (IndexError, ValueError):
        draft.problem(f"The PNG raw profile {kind!r} cannot be read.")
        return
    if kind in ("exif", "APP1") and block.startswith(b"Exif\0"):
        draft.add_exif(block)
    elif kind in ("xmp", "APP1"):
        draft.add_xmp(block.removeprefix(b"http://ns.adobe.com/xap/1.0/\0"))
    elif kind == "iptc":
        draft.add_iptc(block)


def _read_c2pa(draft: Draft, content: bytes) -> None:
    draft.has_c2pa = draft.has_c2pa or b"jumb" in content[:64]


_READERS = {
    b"tEXt": _read_text,
    b"zTXt": _read_compressed,
    b"iTXt": _read_international,
    b"eXIf": Draft.add_exif,
    b"caBX": _read_c2pa,
}


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The same PNG with ``packet`` as its only XMP packet, right after the header; UnreadableInput where damaged."""
    return _replace(data, b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + packet)


def with_exif(data: bytes, exif: bytes) -> bytes:
    """The same PNG with the raw TIFF bytes ``exif`` as its only eXIf chunk; UnreadableInput where damaged."""
    return _replace(data, b"eXIf", exif)


def _replace(data: bytes, kind: bytes, content: bytes) -> bytes:
    chunks = list(_chunks(data)) if data.startswith(_SIGNATURE) else []
    if len(chunks) < 2 or chunks[0].kind != b"IHDR" or chunks[-1].kind != b"IEND":
        raise UnreadableInput("A PNG is needed whose chunks run from IHDR to IEND; these bytes are cut off or damaged.")
    new = struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content))
    pieces = [data[: chunks[0].end], new]
    pieces += [data[chunk.start : chunk.end] for chunk in chunks[1:] if not _same(chunk, kind, data)]
    return b"".join([*pieces, data[chunks[-1].end :]])


def _same(chunk: _Chunk, kind: bytes, file: bytes) -> bool:
    """Whether a chunk holds what a new chunk of ``kind`` replaces."""
    if kind == b"eXIf":
        return chunk.kind == kind
    keyword = file[chunk.start + 8 : chunk.end - 4][:80].partition(b"\0")[0]
    return chunk.kind in (b"iTXt", b"tEXt", b"zTXt") and keyword in (_XMP_KEYWORD, b"Raw profile type xmp")

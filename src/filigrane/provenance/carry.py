"""Metadata of a picture put into the file that its changed pixels were written to, corrected where it would be wrong.

The new pixels are upright and sRGB, so an orientation is set to 1, the old preview in the EXIF block is cut loose, and
a colour profile is not carried. EXIF goes into PNG, JPEG and WebP, XMP into every format that takes it, text chunks
from PNG to PNG. IPTC-IIM blocks and comments of JPEG files are not carried.
"""

from __future__ import annotations

import struct
import zlib

from filigrane.core.errors import UnreadableInput
from filigrane.provenance import containers, xmp
from filigrane.provenance.containers.base import TextEntry
from filigrane.provenance.xmp import Property

_ORIENTATION = 0x0112
_SHORT = 3
_MAX_ENTRIES = 4096
_HEADER_END = 33  # signature and IHDR of every PNG


def carry(source: bytes, target: bytes, format: str) -> bytes:
    """``target`` with the metadata of ``source``, both files of ``format``; what is damaged is left behind."""
    found = containers.read(source, format)
    if format == "png":
        target = _with_texts(target, found.texts)
    if found.exif is not None and format in ("png", "jpeg", "webp"):
        target = containers.with_exif(target, format, upright(found.exif))
    return _with_xmp(target, format, found.xmp) if found.xmp is not None else target


def upright(exif: bytes) -> bytes:
    """The same EXIF block (TIFF bytes) with orientation 1 and no preview; as it is where it can't be read.

    >>> turned = b"II*\\0\\x08\\0\\0\\0\\x01\\0" + struct.pack("<HHIHHI", 0x0112, 3, 1, 6, 0, 99)
    >>> upright(turned)[18], upright(turned)[-4:]
    (1, b'\\x00\\x00\\x00\\x00')
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return exif
    block = bytearray(exif)
    start = struct.unpack_from(order + "I", exif, 4)[0]
    if start + 2 > len(exif):
        return exif
    count = min(struct.unpack_from(order + "H", exif, start)[0], _MAX_ENTRIES)
    end = start + 2 + 12 * count
    if end + 4 > len(exif):
        return exif
    for at in range(start + 2, end, 12):
        if struct.unpack_from(order + "HH", exif, at) == (_ORIENTATION, _SHORT):
            struct.pack_into(order + "H", block, at + 8, 1)
    struct.pack_into(order + "I", block, end, 0)
    return bytes(block)


def _with_xmp(target: bytes, format: str, packet: bytes) -> bytes:
    try:
        if xmp.values(xmp.parse(packet), xmp.TIFF, "Orientation"):
            packet = xmp.with_properties(packet, [Property(xmp.TIFF, "Orientation", "1")])
        return containers.with_xmp(target, format, packet)
    except UnreadableInput:  # damaged, too long for this format, or a format without XMP
        return target


def _with_texts(png: bytes, texts: tuple[TextEntry, ...]) -> bytes:
    """A PNG with a text chunk (iTXt, UTF-8) for each entry that has a keyword, right after its header."""
    chunks = []
    for entry in texts:
        keyword = entry.keyword.encode("latin-1", "replace")[:79].strip()
        if keyword and b"\0" not in keyword:
            body = keyword + b"\0\0\0\0\0" + entry.text.replace("\0", "").encode()
            check = struct.pack(">I", zlib.crc32(b"iTXt" + body))
            chunks.append(struct.pack(">I4s", len(body), b"iTXt") + body + check)
    return png[:_HEADER_END] + b"".join(chunks) + png[_HEADER_END:]

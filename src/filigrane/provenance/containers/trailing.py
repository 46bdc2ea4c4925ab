"""Names the bytes that follow the end of a picture, so that ordinary camera trailers do not look like an attack.

Known and harmless: padding, the further pictures of a CIPA multi-picture file (previews, gain maps), the video of a
motion photo, and Samsung's ``SEFT`` directory. Anything else is worth a note.
"""

from __future__ import annotations

from filigrane.provenance.containers.base import Trailing

_SNIFF_BYTES = 4096
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "possibly a BMP picture"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b\x08", "gzip data"),
    (b"%PDF-", "a PDF document"),
    (b"MZ", "possibly a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"#!", "a script"),
)
_SCRIPTS = (b"<?php", b"<script", b"<html", b"<!doctype html", b"javascript:")


def classify(data: bytes, end: int, *, multi_picture: bool = False) -> Trailing | None:
    """What stands in ``data`` from ``end`` on, or None where nothing does; ``multi_picture`` where an MPF index exists.

    >>> classify(b"picture", 7) is None
    True
    >>> classify(b"pic" + bytes(8), 3)
    Trailing(size_bytes=8, kind='padding', expected=True)
    >>> classify(b"pic#!/bin/sh", 3).kind
    'a script'
    """
    size = len(data) - end
    if size <= 0:
        return None
    kind = _expected(data, end, multi_picture)
    if kind:
        return Trailing(size, kind, True)
    return Trailing(size, _unexpected(data, end), False)


def _expected(data: bytes, end: int, multi_picture: bool) -> str:
    head, tail = data[end : end + _SNIFF_BYTES], data[max(end, len(data) - 16) :]
    if not data[end:].strip(b"\0\xff\r\n \x1a"):
        return "padding"
    if b"SEFT" in tail:
        return "a Samsung trailer"
    start = head.lstrip(b"\0")
    brand = head.find(b"ftyp")
    if b"MotionPhoto_Data" in head or (brand >= 4 and not head[: brand - 2].strip(b"\0")):
        return "the video of a motion photo"
    if multi_picture and start.startswith(b"\xff\xd8\xff"):
        return "further pictures of a multi-picture file"
    return ""


def _unexpected(data: bytes, end: int) -> str:
    head = data[end : end + _SNIFF_BYTES].lstrip(b"\0\r\n ")
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP picture"
    lower = head.lower()
    if any(mark in lower for mark in _SCRIPTS):
        return "a script"
    # A zip's directory stands at its end, so an archive may be glued on behind anything.
    if data.rfind(b"PK\x05\x06", max(end, len(data) - 65_558)) >= 0:
        return "a zip archive"
    return "unknown bytes"

"""The empty space that a signer leaves in a signature, and whether someone wrote to it.

A signature is padded with zeros in its unprotected header, so that its size is known before it is made (C2PA 2.4,
"Computing the Signature"). Neither the signature nor the file's hash covers them, and the validator does not look:
a third of a manifest could be changed unnoticed. Here it is noticed.
"""

from __future__ import annotations

import re

_TYPE = b"\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"

STORE = b"jumdc2pa" + _TYPE
"""The start of the description box of a manifest store (ISO 19566-5 and C2PA 2.4, "JUMBF")."""

_SIGNATURE = re.compile(re.escape(b"jumdc2cs" + _TYPE))
_PADDING = re.compile(rb"\x63pad(?:[\x41-\x57]|\x58(?P<one>.)|\x59(?P<two>..)|\x5a(?P<four>....))", re.DOTALL)
_BOX_HEADER_BYTES = 12
_SEGMENT_HEADER_BYTES = 12
_REPEATED_BYTES = 8


def is_altered(data: bytes, format: str) -> bool:
    """Whether the padding of a signature in a file of ``format`` (``""``: a bare store) holds anything but zeros."""
    store = _store(data, format)
    for found in _SIGNATURE.finditer(store):
        start = max(0, found.start() - _BOX_HEADER_BYTES)
        size = int.from_bytes(store[start : start + 4], "big")
        if _has_content(store[start : start + size]):
            return True
    return False


def _has_content(signature: bytes) -> bool:
    for found in _PADDING.finditer(signature):
        size = found["one"] or found["two"] or found["four"]
        length = int.from_bytes(size, "big") if size else signature[found.end() - 1] - 0x40
        if signature[found.end() : found.end() + length].strip(b"\0"):
            return True
    return False


def _store(data: bytes, format: str) -> bytes:
    """The manifest store as one piece; JPEG and GIF keep it in segments."""
    if format == "gif":
        return _joined_blocks(data)
    start = data.find(STORE) - _BOX_HEADER_BYTES
    if start < 0:
        return b""
    if format == "jpeg":
        return _joined_segments(data, start - _SEGMENT_HEADER_BYTES)
    return data[start : start + int.from_bytes(data[start : start + 4], "big")]


def _joined_segments(data: bytes, position: int) -> bytes:
    """The APP11 segments of a JPEG from ``position`` on; all but the first repeat the header of their box."""
    pieces: list[bytes] = []
    while data[position : position + 2] == b"\xff\xeb" and position >= 0:
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        repeated = _REPEATED_BYTES if pieces else 0
        pieces.append(data[position + _SEGMENT_HEADER_BYTES + repeated : end])
        position = end
    return b"".join(pieces)


def _joined_blocks(data: bytes) -> bytes:
    """The sub-blocks of the C2PA extension of a GIF, each of which is preceded by its length."""
    name = data.find(b"\x21\xff\x0bC2PA_GIF")
    position = name + 14
    pieces = []
    while name >= 0 and position < len(data) and data[position]:
        pieces.append(data[position + 1 : position + 1 + data[position]])
        position += 1 + data[position]
    return b"".join(pieces)

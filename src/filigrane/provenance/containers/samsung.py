"""The trailer that Samsung phones put behind a JPEG: named blocks, listed by a directory at the very end.

Layout as ExifTool documents it (Image::ExifTool::Samsung): blocks, then ``SEFH``, version, count, entries of 12 bytes
(unused, kind, distance back from the directory, size), then the length of the directory and ``SEFT``.
"""

from __future__ import annotations

import struct

from filigrane.provenance.containers.base import Draft, decode_text

_MAX_BLOCKS = 64
_TEXT_BLOCKS = frozenset({"PhotoEditor_Re_Edit_Data", "PEg_Info"})
"""Blocks of the photo editor, which say whether its generative tools were used."""


def read_trailer(draft: Draft, data: bytes) -> None:
    """Add the editor's blocks of a Samsung trailer at the end of ``data``, where there is one."""
    if not data.endswith(b"SEFT") or len(data) < 20:
        return
    length = int.from_bytes(data[-8:-4], "little")
    start = len(data) - 8 - length
    if start < 0 or length < 12 or data[start : start + 4] != b"SEFH":
        return
    (count,) = struct.unpack_from("<I", data, start + 8)
    for index in range(min(count, _MAX_BLOCKS, (length - 12) // 12)):
        back, size = struct.unpack_from("<II", data, start + 12 + 12 * index + 4)
        block_start = start - back
        if block_start < 0 or size < 8 or block_start + size > start:
            continue
        (name_bytes,) = struct.unpack_from("<I", data, block_start + 4)
        if 0 < name_bytes <= min(64, size - 8):
            text_start = block_start + 8 + name_bytes
            name = decode_text(data[block_start + 8 : text_start])
            if name in _TEXT_BLOCKS:
                draft.add_text(name, decode_text(data[text_start : block_start + size]), "Samsung trailer")

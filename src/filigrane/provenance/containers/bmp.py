"""BMP carries no metadata; all there is to read is what follows its end (Microsoft BITMAPFILEHEADER)."""

from __future__ import annotations

from filigrane.provenance.containers.base import Container, Draft
from filigrane.provenance.containers.trailing import classify


def read(data: bytes) -> Container:
    """The container of a BMP file: trailing bytes and problems only."""
    draft = Draft()
    size = int.from_bytes(data[2:6], "little")
    if data[:2] != b"BM" or len(data) < 26:
        draft.problem("The BMP header is missing or cut off.")
    elif size > len(data):
        draft.problem("The BMP file is shorter than its header says.")
    elif size >= 26:
        draft.trailing = classify(data, size)
    return draft.finish()

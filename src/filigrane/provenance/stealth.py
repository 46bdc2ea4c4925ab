"""Generation parameters hidden in the lowest bits of the pixels, as AUTOMATIC1111 extensions and NovelAI write them.

The format (``stealth-pnginfo``): read column by column, the lowest bits of alpha, or of red, green and blue in turn,
spell a 15-byte signature, a 32-bit big-endian length in bits, and UTF-8 text, gzipped where the signature says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Picture, Pixels
from filigrane.provenance.containers.base import decode_text, inflate

MAX_TEXT_BYTES = 4 * 2**20
"""Longest hidden text that is read, after unpacking."""
LOSSLESS = frozenset({"png", "webp", "tiff", "bmp", "avif"})
"""Formats whose pixels may keep their lowest bits."""
_SIGNATURE_BITS, _HEAD_BITS = 120, 152
_SIGNATURES = {
    b"stealth_pnginfo": ("alpha", False),
    b"stealth_pngcomp": ("alpha", True),
    b"stealth_rgbinfo": ("rgb", False),
    b"stealth_rgbcomp": ("rgb", True),
}


@dataclass(frozen=True, slots=True)
class StealthText:
    """Text hidden in the pixels, and the channel (``alpha`` or ``rgb``) that hid it."""

    text: str
    channel: str


def read_stealth(picture: Picture) -> StealthText | None:
    """The text hidden in ``picture``, or None; pixels of lossy formats are not looked at.

    Only the first 120 bits of each plane are touched where there is no signature.
    """
    if picture.format not in LOSSLESS:
        return None
    found = _read(picture.alpha[..., None], "alpha") if picture.alpha is not None else None
    return found if found is not None else _read(picture.pixels, "rgb")


def _read(planes: Pixels, channel: str) -> StealthText | None:
    head = np.packbits(_bits(planes, 0, _HEAD_BITS)).tobytes()
    where, packed = _SIGNATURES.get(head[: _SIGNATURE_BITS // 8], ("", False))
    size_bits = int.from_bytes(head[15:19], "big")
    if where != channel or len(head) < 19 or size_bits > planes.size - _HEAD_BITS or size_bits // 8 > MAX_TEXT_BYTES:
        return None
    content = np.packbits(_bits(planes, _HEAD_BITS, size_bits // 8 * 8)).tobytes()
    unpacked = inflate(content, MAX_TEXT_BYTES) if packed else content
    return StealthText(decode_text(unpacked), channel) if unpacked else None


def _bits(planes: Pixels, start: int, count: int) -> NDArray[np.uint8]:
    """``count`` lowest bits of (H, W, C) planes from bit ``start`` on: columns first, then rows, then channels."""
    column_bits = planes.shape[0] * planes.shape[2]
    first, last = start // column_bits, -(-(start + count) // column_bits)
    columns = planes[:, first:last].transpose(1, 0, 2).reshape(-1)
    offset = start - first * column_bits
    bits: NDArray[np.uint8] = columns[offset : offset + count] & np.uint8(1)
    return bits
